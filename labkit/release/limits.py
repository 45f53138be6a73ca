"""What a destination may cost, and whether what was seen of it keeps to that."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.language import gettext
from labkit.release.copies import Copies
from labkit.release.evidence import Judgement, SequentialTest
from labkit.release.health import Health, Seen

_GOOD = 0.2
"""A share of failures that is well, as a part of the limit."""
_SLOW = SequentialTest(good=0.05, bad=0.2)
"""95 of 100 within the limit is well; more than 1 of 5 above it is not."""
_COPIED = 0.5
"""Where some of the requests are copied nobody knows which: half as many copies as there should be are
too few."""


@dataclass(frozen=True)
class Limits:
    """What a destination may cost."""

    error_rate: float = 0.05
    """Share of its requests, 0 to 1, from which on it is broken; a fifth of that is well."""
    p95_ms: float = 1000.0
    """95 of 100 requests are answered within that."""
    at_least: int = 20
    """Requests a destination has to have had in a step."""

    @property
    def errors(self) -> SequentialTest:
        """The test of its errors."""
        return SequentialTest(_GOOD * self.error_rate, self.error_rate, self.at_least)

    def missing(self, share: float) -> SequentialTest:
        """The test of copies that never came, among requests of which that *share* is copied."""
        return SequentialTest(1 - share * (1 - self.errors.good), 1 - share * _COPIED)

    def judge(self, one: Health) -> Judgement:
        """Whether a destination is well, broken, or not known well enough."""
        found = {self.errors.judge(one.errors, one.requests), _SLOW.judge(one.slow, one.requests)}
        return "bad" if "bad" in found else "open" if "open" in found else "good"

    def broken_by(self, one: Health, since: str = "") -> str | None:
        """The reason in words why a destination is broken, or None; *since* when its requests count."""
        if self.errors.judge(one.errors, one.requests) == "bad":
            return gettext(
                "{destination} failed {errors} of {requests} requests{since} ({rate:.0f} %; the limit "
                "is {limit:g} %): {example}",
                destination=one.destination,
                errors=one.errors,
                requests=one.requests,
                since=since,
                rate=100 * one.error_rate,
                limit=100 * self.error_rate,
                example=one.example,
            )
        if _SLOW.judge(one.slow, one.requests) == "bad":
            return gettext(
                "{destination} took longer than {p95_ms:g} ms for {slow} of {requests} "
                "requests{since}, {slowest:.0f} ms for the slowest 5 of 100",
                destination=one.destination,
                p95_ms=self.p95_ms,
                slow=one.slow,
                requests=one.requests,
                since=since,
                slowest=one.p95_ms,
            )
        return None

    def broken_by_copies(self, copies: Copies, share: float) -> str | None:
        """Why a destination is broken that gets copies of that *share* of the requests, in words; or None."""
        if reason := self.broken_by(copies.health):
            return reason
        if share == 1 or self.missing(share).judge(copies.missing, copies.due) != "bad":
            return None
        return gettext(
            "of {due} requests {came} came to {destination}, where it should be about {share:g} of 100",
            due=copies.due,
            came=copies.due - copies.missing,
            destination=copies.health.destination,
            share=100 * share,
        )

    def lost(self, seen: Seen) -> str | None:
        """Why the mesh itself is broken: requests that never came to a destination."""
        if self.errors.judge(seen.astray, seen.answers) != "bad":
            return None
        return gettext(
            "{astray} of {answers} requests never came to a destination: {example}",
            astray=seen.astray,
            answers=seen.answers,
            example=seen.example,
        )
