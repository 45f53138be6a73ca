"""A gradual shift: more and more of the traffic to one destination, as long as it does well.

Requests run all the time, also while weights change. After each change the access logs and the answers
are read, and each destination is judged (:mod:`labkit.release.health`, :mod:`labkit.release.evidence`).

With a shadow phase the newcomer gets copies first, and nobody their answers (:mod:`labkit.release.shadow`).

The rule as it was comes back when a destination is broken, when the mesh loses requests, when there is
too little evidence that all is well, when anything fails and when the cell is interrupted. It is kept in
the object itself while the shift lasts, so that one that was cut off can be taken up or taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial

from labkit.errors import LabkitError, UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.convergence.mesh_health import first_trouble
from labkit.kube.mesh.destinations import Destination
from labkit.language import gettext
from labkit.release.change import Change, command
from labkit.release.course import Shift, Step
from labkit.release.interruption import Interruption
from labkit.release.judging import Judged, judged, judged_by_copies, too_little
from labkit.release.limits import Limits
from labkit.release.managers import refuse_managed
from labkit.release.note import Before, as_before, before, patch_back, patch_to_note
from labkit.release.rule import Rule, as_hundredths, share_out
from labkit.release.shadow import Shadow, check_that_copies_are_seen, planned, share_asked
from labkit.release.watching import Traffic
from labkit.release.work import PATIENCE, Work
from labkit.traffic.journal import Journal
from labkit.traffic.numbers import number, whole
from labkit.traffic.stream import Where
from labkit.traffic.target import Headers

_LOOK = 0.5
"""Seconds between two looks at the answers."""
_AGAIN = 1.0
"""Seconds between two attempts to put a rule back on a cluster that does not answer."""


def shift(
    api: Api,
    where: Where,
    journal: Journal,
    rule: Rule,
    *,
    to: Destination,
    new: Obj | None = None,
    names: Mapping[Destination, str],
    steps: Sequence[int] = (10, 25, 50, 75, 100),
    shadow: bool | float = False,
    requests: int = 100,
    rate: float = 50.0,
    headers: Headers | None = None,
    caller: str | None = None,
    limits: Limits | None = None,
    say: Callable[[str], None] = print,
) -> Shift:
    """Shift the traffic of *rule* to its destination *to* step by step; see the module.

    new: *to* as a VirtualService writes it, where the rule does not have it yet. names: what to call each of
    the destinations, *to* the last if it is new. steps: *to*'s weights in turn, 0 to 100.
    shadow: copy requests to *to* first, all of them or so many per cent, and judge it by the copies.
    requests: how many answers a step waits for; more where they are not enough to judge by, fewer where
    a limit is broken before. rate: requests a second. headers: of each request. caller: the namespace of
    those who send them on to the rule's destinations, by default the rule's own. Raises UsageError for what
    makes no sense.
    """
    wanted, rate = _checked(steps, requests), number("rate", rate)
    _check_mark(headers)
    refuse_managed(rule)
    share = share_asked(shadow)
    if len(set(rule.destinations)) < len(rule.destinations):
        raise UsageError(
            gettext(
                "{rule} names a destination twice, so nobody can tell which of the two a request "
                "went by: put their weights together.",
                rule=rule.name,
            )
        )
    wide = rule if to in rule.destinations or new is None else rule.joined_by(new)
    rule, limits = _as_before(rule, say), limits or Limits()
    shares = dict(zip(rule.destinations, as_hundredths(rule), strict=True))
    was = {name: shares.get(destination, 0) for destination, name in names.items()}
    target, caller = list(names).index(to), caller or rule.namespace
    plan = None
    if share is not None:
        written = wide.object["spec"]["http"][wide.route]["route"][target]["destination"]
        plan = planned(rule, to, written, share, title=names[to])
        check_that_copies_are_seen(api, to, caller, journal.namespaces, title=names[to])
    watch = Traffic(
        api,
        where,
        journal,
        names,
        to,
        namespace=caller,
        slow_ms=limits.p95_ms,
        rate=rate,
        total=(len(wanted) + 1) * int(requests + rate * PATIENCE),
        headers=headers,
    )
    work = Work(api, watch, rule, wide, target, Shift(names[to], limits, was), requests, say, plan)
    work.look = partial(first_trouble, api, journal.namespaces)
    return run(work, wanted)


def run(work: Work, weights: Sequence[int]) -> Shift:
    """Go through the whole *work*; whatever ends it early, the rule is put back."""
    found, complete = work.shift, False
    with Interruption() as interruption, closing(work.watch):
        try:
            work.watch.start()
            if _shadowed(work) and _climb(work, weights):
                work.change(lambda now: patch_to_note(now, None))
                complete = True
            interruption.defer()
        finally:
            with _looked_at(work):
                while not complete:
                    try:
                        found.rolled_back_at, complete = _roll_back(work), True
                    except KeyboardInterrupt:
                        if interruption.insisted:
                            work.say(
                                gettext(
                                    "The rule is left as it is. By hand:\n{command}",
                                    command=command(work.rule),
                                )
                            )
                            raise
    found.answers = work.watch.everything()
    return found


def _as_before(rule: Rule, say: Callable[[str], None]) -> Rule:
    """*rule* as it was before a shift that was cut off; itself where there was none."""
    if before(rule) is not None:
        say(
            gettext(
                "A shift of {rule} was cut off. Should this one be rolled back, what was before returns.",
                rule=rule.name,
            )
        )
    return as_before(rule)


def _checked(steps: Sequence[int], requests: int) -> list[int]:
    wanted, requests = [whole("A step", step) for step in steps], whole("requests", requests)
    if not wanted or any(not 0 <= weight <= 100 for weight in wanted):
        raise UsageError(
            gettext(
                "The steps of a shift are weights from 0 to 100, such as [10, 50, 100], not {wanted}.",
                wanted=wanted,
            )
        )
    if requests < 1:
        raise UsageError(
            gettext("A step of a shift needs at least 1 request, not {requests}.", requests=requests)
        )
    return wanted


def _check_mark(headers: Headers | None) -> None:
    if any(str(name).lower() == "user-agent" for name in headers or {}):
        raise UsageError(
            gettext(
                "A shift finds its requests in the access logs by its own mark in their User-Agent, "
                "so headers= can't hold another: let the route look at a header of your own, such as "
                "x-canary."
            )
        )


def _climb(work: Work, weights: Sequence[int]) -> bool:
    """Step by step; whether every one was shown to keep the limits."""
    began = work.clock.time()
    for turn, weight in enumerate(weights):
        change = _set(work, share_out(work.wide, work.target, weight))
        work.say(f"{work.shift.to} {weight} %: {change.sentence}")
        judge = partial(judged, work, weight, change, began, is_last=turn == len(weights) - 1)
        if not _watched(work, Step(weight, change.at, 1000 * change.acknowledged.seconds, ()), change, judge):
            return False
    return True


def _set(work: Work, weights: Sequence[int]) -> Change:
    """The next weights; copies, if there were any, end with that."""
    wanted, kept = work.wide.with_weights(weights), Before(work.rule.written)

    def patch(now: Rule) -> list[Obj]:
        noted = before(now)
        back = [] if noted is None or noted.mirroring is None else now.patch_mirroring_to(noted.mirroring)
        return [*now.patch_to(wanted), *back, *patch_to_note(now, kept)]

    return work.change(patch)


def _shadowed(work: Work) -> bool:
    """The shadow phase, if one is asked for; whether all is well to go on."""
    plan = work.shadow
    if plan is None:
        return True
    change = _mirror(work, plan)
    how = gettext(
        "gets copies of {percent:g} % of the requests, and nobody its answers", percent=plan.percent
    )
    own = "" if plan.fields else gettext(" (by the rule's own mirror)")
    work.say(f"{work.shift.to} {how}{own}: {change.sentence}")
    step = Step(0, change.at, 1000 * change.acknowledged.seconds, (), mirrored=plan.percent)
    return _watched(work, step, change, partial(judged_by_copies, work, plan, change))


def _mirror(work: Work, plan: Shadow) -> Change:
    kept = Before(work.rule.written, work.rule.mirroring if plan.fields else None)
    fields = work.rule.mirroring if plan.fields is None else plan.fields
    return work.change(
        lambda now: [
            *now.patch_to(work.rule),
            *now.patch_mirroring_to(fields),
            *patch_to_note(now, kept),
        ]
    )


def _watched(work: Work, step: Step, change: Change, judge: Callable[[], Judged]) -> bool:
    """Watch one step until it is judged: broken, well, or without enough evidence for either."""
    deadline, acknowledged = work.clock.monotonic() + PATIENCE, change.acknowledged
    refused = [one.error for one in acknowledged.refusals] + [one.error for one in acknowledged.faults]
    seen = Judged(
        reason=gettext("what was set is not in force: {refused}", refused=refused[0]) if refused else None
    )
    while not seen.reason and not seen.enough:
        work.clock.sleep(_LOOK)
        seen = judge()
        if not seen.enough and not seen.reason and work.clock.monotonic() > deadline:
            seen = replace(seen, reason=too_little(work, step, seen))
    step = replace(step, health=seen.health, copies=seen.copies, reason=seen.reason)
    work.shift.steps.append(step)
    work.say(f"  {step}")
    return step.reason is None


@contextmanager
def _looked_at(work: Work) -> Iterator[None]:
    """Where a limit was broken, ask whether the mesh itself is, beside the way back: it is not held up."""
    if not work.shift.reason:
        yield
        return
    with ThreadPoolExecutor(1) as beside:
        trouble = beside.submit(work.look)
        yield
    work.shift.trouble = trouble.result()


def _roll_back(work: Work) -> float:
    """Put the rule back, whatever it takes: a cluster that is gone is waited for."""
    told = False
    while True:
        try:
            change = work.change(lambda now: patch_back(now, work.rule))
        except UsageError:  # there is no such rule any more, or a controller has taken it
            with suppress(LabkitError):
                work.change(lambda now: patch_to_note(now, None))
            raise
        except LabkitError as error:
            if not told:
                work.say(
                    gettext(
                        "The rule is not back yet ({error}) Trying again. By hand:\n{command}",
                        error=error,
                        command=command(work.rule),
                    )
                )
            told = True
            work.clock.sleep(_AGAIN)
        else:
            work.say(gettext("back to {old}: {sentence}", old=_old(work), sentence=change.sentence))
            return change.at


def _old(work: Work) -> str:
    return ", ".join(f"{name} {weight}" for name, weight in work.shift.before.items())
