"""A gradual shift: more and more of the traffic to one destination, as long as it does well.

Requests run all the time, also while weights change. After each change the access logs and the answers
are read, and each destination is judged (:mod:`labkit.release.health`, :mod:`labkit.release.evidence`).

The rule as it was comes back when a destination is broken, when the mesh loses requests, when there is
too little evidence that all is well, when anything fails and when the cell is interrupted. It is kept in
the object itself while the shift lasts, so that one that was cut off can be taken up or taken back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pandas as pd

from labkit.errors import LabkitError, UsageError
from labkit.kube.api import Api, Obj
from labkit.kube.destinations import Destination
from labkit.kube.proxies import find_proxies
from labkit.release.change import Change, command, make_change
from labkit.release.health import Health, Seen, seen
from labkit.release.limits import Limits
from labkit.release.rule import Rule, as_hundredths, share_out
from labkit.traffic.journal import Journal
from labkit.traffic.numbers import number, whole
from labkit.traffic.stream import Stream, Where
from labkit.traffic.target import Headers

_LOOK = 0.5
"""Seconds between two looks at the answers."""
_PATIENCE = 60.0
"""Seconds a step may take until its destination has had enough requests."""
_AGAIN = 1.0
"""Seconds between two attempts to put a rule back on a cluster that does not answer."""


@dataclass(frozen=True)
class Step:
    """One setting of the weights, and how each destination did with it."""

    weight: int
    """Of 100: the share asked for."""
    at: float
    """Seconds since the epoch: all proxies had the weights."""
    acknowledged_ms: float
    health: tuple[Health, ...]
    reason: str | None = None
    """Why the shift ended here, if it did."""

    def __str__(self) -> str:
        return f"{'✗' if self.reason else '✓'} {' · '.join(map(str, self.health))}"


@dataclass
class Shift:
    """The whole course."""

    to: str
    limits: Limits
    before: dict[str, int]
    """Destination → weight, as parts of 100."""
    steps: list[Step] = field(default_factory=list)
    answers: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Every answer, as send() has them."""
    rolled_back_at: float | None = None

    @property
    def reason(self) -> str | None:
        """Why it was rolled back; None where it came through."""
        return next((step.reason for step in self.steps if step.reason), None)

    @property
    def succeeded(self) -> bool:
        """Whether every step was shown to keep the limits."""
        return bool(self.steps) and self.reason is None and self.rolled_back_at is None

    @property
    def table(self) -> pd.DataFrame:
        """One row a step and destination; times in milliseconds, rates in per cent."""
        return pd.DataFrame(
            [
                {
                    f"weight of {self.to} %": step.weight,
                    "acknowledged ms": round(step.acknowledged_ms),
                    "destination": one.destination,
                    "requests": one.requests,
                    "errors": one.errors,
                    "error rate %": round(100 * one.error_rate, 1),
                    "half within ms": one.p50_ms,
                    "95 % within ms": one.p95_ms,
                }
                for step in self.steps
                for one in step.health
            ]
        )

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.reason:
            old = ", ".join(f"{name} {weight}" for name, weight in self.before.items())
            return f"✗ Rolled back to {old}: at {self.steps[-1].weight} %, {self.reason}."
        if not self.steps:
            return "No step was finished."
        return f"✓ {self.to} has {self.steps[-1].weight} % of the traffic, and every limit was kept."


@dataclass
class Course:
    """What a shift works with."""

    api: Api
    journal: Journal
    rule: Rule
    """As it was before."""
    wide: Rule
    """The same with the destination that gets the traffic, where it was none of the rule's."""
    target: int
    """Which of the destinations that is."""
    names: Mapping[Destination, str]
    kept: Kept
    shift: Shift
    requests: int
    say: Callable[[str], None]

    def look(self, since: float) -> Seen:
        """What became of the requests sent after *since*."""
        answers = self.kept.since(since)
        answered = answers[answers["status"].notna()]
        tags = answered["tag"].tolist()
        begin = (answered if tags else answers)["time"].min()
        lines = self.journal.lines_of(tags, begin.to_pydatetime())
        proxies = find_proxies(self.api, self.journal.namespaces)
        slow_ms = self.shift.limits.p95_ms
        return seen(answers, lines.frame, lines.request_ids, proxies, self.names, slow_ms=slow_ms)


class Kept:
    """The answers of the stream, in order, safe to read meanwhile."""

    def __init__(self) -> None:
        self._rows: list[pd.DataFrame] = []
        self._lock = threading.Lock()

    def take(self, rows: pd.DataFrame) -> None:
        with self._lock:
            self._rows.append(rows)

    def since(self, at: float) -> pd.DataFrame:
        """Those sent after *at*, seconds since the epoch."""
        with self._lock:
            rows = list(self._rows)
        if not rows:
            return pd.DataFrame()
        every = pd.concat(rows, ignore_index=True)
        return every[every["time"] >= pd.Timestamp(at, unit="s", tz="UTC")]


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
    requests: int = 100,
    rate: float = 50.0,
    headers: Headers | None = None,
    limits: Limits | None = None,
    say: Callable[[str], None] = print,
) -> Shift:
    """Shift the traffic of *rule* to its destination *to* step by step; see the module.

    new: *to* as a VirtualService writes it, where the rule does not have it yet. names: what to call each of
    the destinations, *to* the last if it is new. steps: *to*'s weights in turn, 0 to 100.
    requests: how many answers a step waits for; more where they are not enough to judge by, fewer where
    a limit is broken before. rate: requests a second. headers: of each request. Raises UsageError for what
    makes no sense.
    """
    wanted, rate = _checked(steps, requests), number("rate", rate)
    _check_mark(headers)
    wide = rule if to in rule.destinations or new is None else rule.joined_by(new)
    rule = _as_before(rule, say)
    shares = dict(zip(rule.destinations, as_hundredths(rule), strict=True))
    before = {name: shares.get(destination, 0) for destination, name in names.items()}
    found, kept = Shift(names[to], limits or Limits(), before), Kept()
    course = Course(api, journal, rule, wide, list(names).index(to), names, kept, found, requests, say)
    most = len(wanted) * int(requests + rate * _PATIENCE)
    with closing(Stream(where, kept.take, headers=headers, rate=rate, total=most)) as stream:
        try:
            stream.start()
            _climb(course, wanted)
            _forget(course)
        finally:
            if found.reason or len(found.steps) < len(wanted):
                found.rolled_back_at = _roll_back(course)
    found.answers = kept.since(0)
    return found


def _as_before(rule: Rule, say: Callable[[str], None]) -> Rule:
    """*rule* with the weights it had before a shift that was cut off; itself where there was none."""
    if rule.kept is None:
        return rule
    say(
        f"A shift of {rule.name} was cut off. Should this one be rolled back, the weights before that return."
    )
    return rule.with_weights(rule.kept)


def _checked(steps: Sequence[int], requests: int) -> list[int]:
    wanted, requests = [whole("A step", step) for step in steps], whole("requests", requests)
    if not wanted or any(not 0 <= weight <= 100 for weight in wanted):
        raise UsageError(
            f"The steps of a shift are weights from 0 to 100, such as [10, 50, 100], not {wanted}."
        )
    if requests < 1:
        raise UsageError(f"A step of a shift needs at least 1 request, not {requests}.")
    return wanted


def _check_mark(headers: Headers | None) -> None:
    if any(str(name).lower() == "user-agent" for name in headers or {}):
        raise UsageError(
            "A shift finds its requests in the access logs by its own mark in their User-Agent, so headers= "
            "can't hold another: let the route look at a header of your own, such as x-canary."
        )


def _climb(course: Course, weights: Sequence[int]) -> None:
    began = time.time()
    for turn, weight in enumerate(weights):
        change = _set(course, share_out(course.wide, course.target, weight))
        course.say(f"{course.shift.to} {weight} %: {change.sentence}")
        step = _observe(course, weight, change, began, is_last=turn == len(weights) - 1)
        course.shift.steps.append(step)
        course.say(f"  {step}")
        if step.reason:
            return


def _set(course: Course, weights: Sequence[int]) -> Change:
    wanted, before = course.wide.with_weights(weights), course.rule.written
    return make_change(
        course.api, course.rule, lambda now: [*now.patch_to_keep(before), *now.patch_to(wanted)]
    )


def _forget(course: Course) -> None:
    """The end is reached: nothing is to be kept any more."""
    if not course.shift.reason:
        make_change(course.api, course.rule, Rule.patch_to_forget)


def _observe(course: Course, weight: int, change: Change, began: float, *, is_last: bool) -> Step:
    """Watch one step until it is judged: broken, well, or without enough evidence for either."""
    deadline = time.monotonic() + _PATIENCE
    acknowledged = change.acknowledged
    refused = [one.error for one in acknowledged.refusals] + [one.error for one in acknowledged.faults]
    if refused:
        words = f"the weights are not in force: {refused[0]}"
        return Step(weight, change.at, 1000 * acknowledged.seconds, (), words)
    while True:
        time.sleep(_LOOK)
        answers = course.kept.since(change.at)
        health: tuple[Health, ...] = ()
        reason, enough = None, False
        if len(answers):
            now, whole = course.look(change.at), course.look(began)
            health = now.health
            reason = _broken(course, now, whole, change.rule.weights)
            enough = len(answers) >= course.requests and _shown(course, weight, now, whole, is_last=is_last)
        late = time.monotonic() > deadline
        if late and not reason and not enough:
            reason = _too_little(course, weight, len(answers), health)
        if reason or enough:
            return Step(weight, change.at, 1000 * acknowledged.seconds, health, reason)


def _broken(course: Course, now: Seen, whole: Seen, weights: Sequence[int]) -> str | None:
    """Why the shift must end here, by what was *now* seen in this step and in the *whole* shift."""
    limits = course.shift.limits
    for one, weight in zip(now.health, weights, strict=True):
        if one.requests and not weight:
            return f"{one.destination} got {one.requests} requests though it has no weight"
    found = [why for one in now.health if (why := limits.broken_by(one))]
    in_all = limits.broken_by(whole.health[course.target], " since the shift began")
    return next(iter(found), None) or in_all or limits.lost(now)


def _shown(course: Course, weight: int, now: Seen, whole: Seen, *, is_last: bool) -> bool:
    """Whether there is evidence enough to go on: of the step for each, and in the end for the whole."""
    target = course.target
    if not weight:
        return True
    if now.health[target].requests < course.shift.limits.at_least:
        return False
    return not is_last or course.shift.limits.judge(whole.health[target]) == "good"


def _too_little(course: Course, weight: int, answers: int, health: Sequence[Health]) -> str:
    had = health[course.target].requests if health else 0
    if had < course.shift.limits.at_least:
        return (
            f"only {had} of the {answers} answers of {_PATIENCE:.0f} s came from {course.shift.to}: "
            "too few to judge it by, and no evidence is no success"
        )
    return f"{answers} answers in {_PATIENCE:.0f} s do not show that {course.shift.to} keeps the limits"


def _roll_back(course: Course) -> float:
    """Put the rule back, whatever it takes: a cluster that is gone is waited for, an interrupt as well."""
    told = False
    while True:
        try:
            change = make_change(
                course.api,
                course.rule,
                lambda now: [*now.patch_to(course.rule), *now.patch_to_forget()],
            )
        except UsageError:
            raise
        except (LabkitError, KeyboardInterrupt) as error:
            if not told:
                why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
                course.say(
                    f"The weights are not back yet ({why}); trying again. By hand:\n{command(course.rule)}"
                )
            elif isinstance(error, KeyboardInterrupt):
                raise
            told = True
            time.sleep(_AGAIN)
        else:
            course.say(f"back to {_old(course)}: {change.sentence}")
            return change.at


def _old(course: Course) -> str:
    return ", ".join(f"{name} {weight}" for name, weight in course.shift.before.items())
