"""A gradual shift: more and more of the traffic to ServiceC, as long as it does well.

Requests run all the time, also while weights change. After each change the access logs are read, and
each destination is judged by what the mesh has seen:

* **An error of a destination** is a request that failed on the way to it (the caller's proxy logged
  400 or more, or no code at all, for the call), or one that made the destination's own calls fail: a
  line of 400 or more that its proxy wrote. So ServiceC counts as broken when the external cluster is
  missing, although it politely answers 200 with the failure in its text, as the lesson's ServiceA does too.
* **Its latency** is the duration of the caller's line, in milliseconds.

A limit that is broken ends the shift at once, and the weights there were before come back. So they do
when the cell is interrupted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pandas as pd

from labkit.errors import UsageError, WaitTimeout
from labkit.kube.api import Api
from labkit.scenario import cast
from labkit.scenario.weights import WeightsSet, set_weights, weights_now
from labkit.traffic.journal import Journal
from labkit.traffic.numbers import number, whole
from labkit.traffic.split import host_of
from labkit.traffic.stream import Stream

_LOOK = 0.5
"""Seconds between two looks at the answers."""
_PATIENCE = 60.0
"""Seconds a step may take."""
_CHANCE = 0.001
"""What is less likely than this is not taken for chance."""
_APPS = {workload.title: workload.app for workload in (cast.SERVICE_B, cast.SERVICE_C)}


@dataclass(frozen=True)
class Limits:
    """What a destination may cost.

    Judged once it has had ``at_least`` requests of a step. Before that only errors count, and only where
    a destination that keeps the limit would hardly ever show so many (an exact test, p < 0.001).
    """

    error_rate: float = 0.05
    """Share of its requests, 0 to 1."""
    p95_ms: float = 1000.0
    """95 of 100 requests are answered within that."""
    at_least: int = 20

    def too_many(self, errors: int, requests: int) -> bool:
        """Whether so many *errors* in *requests* break the limit of errors."""
        from scipy.stats import binomtest

        if requests >= self.at_least:
            return errors > self.error_rate * requests
        return bool(errors) and binomtest(errors, requests, self.error_rate, "greater").pvalue < _CHANCE

    def broken_by(self, seen: Health) -> str | None:
        """The reason in words, or None."""
        if self.too_many(seen.errors, seen.requests):
            return (
                f"{seen.destination} failed {seen.errors} of {seen.requests} requests "
                f"({100 * seen.error_rate:.0f} %; the limit is {100 * self.error_rate:g} %): {seen.example}"
            )
        if seen.requests >= self.at_least and seen.p95_ms > self.p95_ms:
            return (
                f"{seen.destination} took {seen.p95_ms:.0f} ms for the slowest 5 of 100 requests "
                f"(the limit is {self.p95_ms:g} ms)"
            )
        return None


@dataclass(frozen=True)
class Health:
    """One destination within one step, from the access logs."""

    destination: str
    requests: int
    errors: int
    p50_ms: float
    p95_ms: float
    example: str = ""
    """One of the errors, as the log has it."""

    @property
    def error_rate(self) -> float:
        """0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        if not self.requests:
            return f"{self.destination} none"
        errors = f"{self.errors or 'no'} error{'s' * (self.errors != 1)}"
        return f"{self.destination} {self.requests}, {errors}, 95 % within {self.p95_ms:g} ms"


@dataclass(frozen=True)
class Step:
    """One setting of the weights, and how each destination did."""

    weight: int
    """Of 100: the share asked for."""
    at: float
    """Seconds since the epoch: all proxies had the weights."""
    acknowledged_ms: float
    health: tuple[Health, ...]
    reason: str | None = None
    """Why the shift ended here, if a limit was broken."""

    def __str__(self) -> str:
        return f"{'✗' if self.reason else '✓'} {' · '.join(map(str, self.health))}"


@dataclass
class Shift:
    """The whole course."""

    to: str
    limits: Limits
    before: dict[str, int]
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
        """Whether every step kept the limits."""
        return bool(self.steps) and self.reason is None

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


class _Kept:
    """The answers of the stream, in order, safe to read meanwhile; and the logs that tell more of them."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._rows: list[pd.DataFrame] = []
        self._lock = threading.Lock()

    def take(self, rows: pd.DataFrame) -> None:
        with self._lock:
            self._rows.append(rows)

    def since(self, at: float) -> pd.DataFrame:
        with self._lock:
            rows = list(self._rows)
        if not rows:
            return pd.DataFrame()
        every = pd.concat(rows, ignore_index=True)
        return every[every["time"] >= pd.Timestamp(at, unit="s", tz="UTC")]


def shift(
    api: Api,
    where: Callable[[], str],
    journal: Journal,
    *,
    to: str = "C",
    steps: Iterable[int] = (10, 25, 50, 75, 100),
    requests: int = 100,
    rate: float = 50.0,
    limits: Limits | None = None,
    say: Callable[[str], None] = print,
) -> Shift:
    """Shift the traffic to *to* step by step; see the module for what is judged and how.

    steps: *to*'s weights in turn, 0 to 100. requests: how many answers a step waits for; fewer where a
    limit is broken before. rate: requests a second. Raises UsageError for what makes no sense.
    """
    target, wanted, rate = _target(to), _checked(steps, requests), number("rate", rate)
    before = weights_now(api)
    if before is None:
        raise UsageError("Nothing is split yet, so nothing can be shifted: lab.goto(3) brings you there.")
    course, kept = Shift(target, limits or Limits(), before), _Kept(journal)
    most = len(wanted) * int(requests + rate * _PATIENCE)
    with closing(Stream(where, kept.take, rate=rate, total=most)) as stream:
        try:
            stream.start()
            _climb(api, course, kept, wanted, requests, say)
        finally:
            if not course.succeeded or len(course.steps) < len(wanted):
                course.rolled_back_at = _roll_back(api, before, say)
    course.answers = kept.since(0)
    return course


def _target(name: str) -> str:
    with suppress(UsageError):
        if (title := cast.find_workload(name).title) in _APPS:
            return title
    raise UsageError(f"Traffic is shifted to {' or '.join(_APPS)}, not to {name}.")


def _checked(steps: Iterable[int], requests: int) -> list[int]:
    wanted, requests = [whole("A step", step) for step in steps], whole("requests", requests)
    if not wanted or any(not 0 <= weight <= 100 for weight in wanted):
        raise UsageError(
            f"The steps of a shift are weights from 0 to 100, such as [10, 50, 100], not {wanted}."
        )
    if requests < 1:
        raise UsageError(f"A step of a shift needs at least 1 request, not {requests}.")
    return wanted


def _climb(
    api: Api, course: Shift, kept: _Kept, weights: list[int], requests: int, say: Callable[[str], None]
) -> None:
    for weight in weights:
        change = set_weights(api, weight if course.to == "ServiceC" else 100 - weight)
        say(f"{course.to} {weight} %: {change.sentence}")
        step = _observe(course, kept, weight, change, requests)
        course.steps.append(step)
        say(f"  {step}")
        if step.reason:
            return


def _observe(course: Shift, kept: _Kept, weight: int, change: WeightsSet, requests: int) -> Step:
    """Watch one step until it has had its requests, or has broken a limit."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        time.sleep(_LOOK)
        rows = kept.since(change.at)
        step = _judged(kept.journal, course, rows, weight, change)
        if step.reason or len(rows) >= requests:
            return step
        if time.monotonic() > deadline:
            raise WaitTimeout(
                f"{weight} %: only {len(rows)} of {requests} answers came in {_PATIENCE:.0f} s."
            )


def _judged(journal: Journal, course: Shift, rows: pd.DataFrame, weight: int, change: WeightsSet) -> Step:
    seen = health(journal, rows)
    reason = next((why for one in seen if (why := course.limits.broken_by(one))), None)
    if reason is None:
        reason = _unanswered(rows, course.limits)
    return Step(weight, change.at, 1000 * change.acknowledged.seconds, seen, reason)


def _unanswered(rows: pd.DataFrame, limits: Limits) -> str | None:
    """The gateway's own failures: they have no destination, and no line to find them by."""
    failed = int(rows["status"].isna().sum()) if len(rows) else 0
    if not limits.too_many(failed, len(rows)):
        return None
    return f"{failed} of {len(rows)} requests were not answered at all: {rows['error'].dropna().iloc[-1]}"


def health(journal: Journal, answers: pd.DataFrame) -> tuple[Health, ...]:
    """How each destination did with *answers*' requests, from every proxy's access log."""
    answered = answers[answers["status"].notna()] if len(answers) else answers
    if answered.empty:
        return ()
    since = answered["time"].min().to_pydatetime()
    lines = journal.lines_of(answered["tag"].tolist(), since).frame
    return tuple(_health(lines, name) for name in _APPS)


def _health(lines: pd.DataFrame, name: str) -> Health:
    clusters = lines["upstream_cluster"].astype("str").fillna("")
    hosts = clusters.map({cluster: host_of(cluster) for cluster in clusters.unique()})
    calls = lines[(lines["app"] == cast.SERVICE_A.app) & (hosts.map(cast.TITLES) == name)]
    bad = (lines["response_code"] >= 400) | (lines["response_code"] == 0)
    own = lines[(lines["app"] == _APPS[name]) & bad]
    failed = pd.concat([calls[bad.reindex(calls.index)], own])
    failed = failed[failed["request_id"].isin(calls["request_id"])]
    times = calls["duration"].astype("float64")
    return Health(
        name,
        calls["request_id"].nunique(),
        failed["request_id"].nunique(),
        _quantile(times, 0.5),
        _quantile(times, 0.95),
        _example(failed),
    )


def _quantile(times: pd.Series[float], share: float) -> float:
    return round(float(times.quantile(share)), 1) if len(times) else 0.0


def _example(failed: pd.DataFrame) -> str:
    if failed.empty:
        return ""
    last = failed.iloc[-1]
    why = last["response_flags"]
    flags = f" ({why})" if isinstance(why, str) else ""
    return f"its log says {last['response_code']}{flags} for {last['authority']}{last['path']}"


def _roll_back(api: Api, before: dict[str, int], say: Callable[[str], None]) -> float:
    change = set_weights(api, before["ServiceC"])
    say(f"back to ServiceC {before['ServiceC']} %: {change.sentence}")
    return change.at
