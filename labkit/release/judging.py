"""Is there evidence enough to go on with a shift, or reason to end it?

The figures are those of :mod:`labkit.release.watching`; the limits' own verdicts are in
:mod:`labkit.release.limits`. No evidence is no success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from labkit.language import gettext
from labkit.release.change import Change
from labkit.release.course import Step
from labkit.release.health import Health, Seen
from labkit.release.shadow import Shadow
from labkit.release.work import PATIENCE, Work
from labkit.traffic.split import SIGNIFICANCE, interval


@dataclass(frozen=True)
class Judged:
    """One look at a step."""

    answers: int = 0
    health: tuple[Health, ...] = ()
    copies: Health | None = None
    reason: str | None = None
    """Why the shift must end here."""
    enough: bool = False
    """Whether the evidence is enough to go on."""


def judged(work: Work, weight: int, change: Change, began: float, *, is_last: bool) -> Judged:
    """By the requests of this step, and of the whole shift."""
    answers = work.watch.answers(change.at)
    if not answers:
        return Judged()
    now, whole = work.watch.seen(change.at), work.watch.seen(began)
    reason = _broken(work, now, whole, change.rule.weights)
    enough = answers >= work.requests and _shown(work, weight, now, whole, is_last=is_last)
    return Judged(answers, now.health, None, reason, enough)


def judged_by_copies(work: Work, plan: Shadow, change: Change) -> Judged:
    """By copies; and the requests themselves are to do as well as ever meanwhile."""
    answers, limits = work.watch.answers(change.at), work.shift.limits
    if not answers:
        return Judged()
    now, copies = work.watch.copied(change.at, of_all=plan.share == 1)
    reason = _broken(work, now, now, change.rule.weights) or limits.broken_by_copies(copies, plan.share)
    enough = answers >= work.requests and limits.judge(copies.health) == "good"
    return Judged(answers, now.health, copies.health, reason, enough)


def _broken(work: Work, now: Seen, whole: Seen, weights: Sequence[int]) -> str | None:
    """Why the shift must end here, by what was *now* seen in this step and in the *whole* shift."""
    limits = work.shift.limits
    for one, weight in zip_longest(now.health, weights, fillvalue=0):
        if isinstance(one, Health) and one.requests and not weight:
            return gettext(
                "{destination} got {requests} requests though it has no weight",
                destination=one.destination,
                requests=one.requests,
            )
    found = [why for one in now.health if (why := limits.broken_by(one))]
    in_all = limits.broken_by(whole.health[work.target], gettext(" since the shift began"))
    return next(iter(found), None) or in_all or limits.lost(now)


def _shown(work: Work, weight: int, now: Seen, whole: Seen, *, is_last: bool) -> bool:
    """Whether there is evidence enough to go on: of the step for each, and in the end for the whole."""
    target = work.target
    if not weight:
        return True
    if now.health[target].requests < work.shift.limits.at_least:
        return False
    return not is_last or work.shift.limits.judge(whole.health[target]) == "good"


def too_little(work: Work, step: Step, seen: Judged) -> str:
    own = {one.destination: one for one in seen.health}.get(work.shift.to)
    had = (seen.copies if step.mirrored else own) or Health(work.shift.to)
    if had.requests >= work.shift.limits.at_least:
        return gettext(
            "{answers} answers in {patience:.0f} s do not show that {destination} keeps the limits",
            answers=seen.answers,
            patience=PATIENCE,
            destination=had.destination,
        )
    if step.mirrored:
        return gettext(
            "only {requests} copies came to {to}: too few to judge it by, and no evidence is no success",
            requests=had.requests,
            to=work.shift.to,
        )
    few = gettext(
        "only {requests} of the {answers} answers of {patience:.0f} s came from {to}: too few to judge "
        "it by, and no evidence is no success",
        requests=had.requests,
        answers=seen.answers,
        patience=PATIENCE,
        to=work.shift.to,
    )
    return few + _against_weight(step.weight, had.requests, seen.answers)


def _against_weight(weight: int, had: int, of: int) -> str:
    """What to add where *had* requests *of* all can't be chance at that *weight*."""
    if weight / 100 <= interval(had, of, 1 - SIGNIFICANCE)[1]:
        return ""
    return gettext(
        "; by its weight it should be about {of:.0f}, so something else than the weights "
        "chooses, such as sessions that stick to a version (an EnvoyFilter), or a rule "
        "before this one",
        of=of * weight / 100,
    )
