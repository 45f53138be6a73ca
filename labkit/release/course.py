"""The course of a shift: its steps, how each destination did with them, and what has come of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from labkit.language import gettext
from labkit.release.health import Health
from labkit.release.limits import Limits


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
    mirrored: float | None = None
    """In a shadow phase: the share of requests that were copied, in per cent."""
    copies: Health | None = None
    """How the destination did with those."""

    @property
    def all_health(self) -> tuple[Health, ...]:
        """Of each destination, and of the copies behind them."""
        return (*self.health, *([self.copies] if self.copies else []))

    def __str__(self) -> str:
        return f"{'✗' if self.reason else '✓'} {' · '.join(map(str, self.all_health))}"


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
    trouble: str = ""
    """What was broken in the mesh itself when a limit was: then nothing is said of the destination."""

    @property
    def reason(self) -> str | None:
        """Why it was rolled back; None where it came through."""
        return self.trouble.rstrip(".") or next((step.reason for step in self.steps if step.reason), None)

    @property
    def succeeded(self) -> bool:
        """Whether every step was shown to keep the limits."""
        return bool(self.steps) and self.reason is None and self.rolled_back_at is None

    @property
    def table(self) -> pd.DataFrame:
        """One row a step and destination; times in milliseconds, rates in per cent."""
        shadowed = any(step.mirrored for step in self.steps)
        return pd.DataFrame(
            [
                {
                    f"weight of {self.to} %": step.weight,
                    **({"mirrored %": step.mirrored or 0.0} if shadowed else {}),
                    "acknowledged ms": round(step.acknowledged_ms),
                    "destination": one.destination,
                    "requests": one.requests,
                    "errors": one.errors,
                    "error rate %": round(100 * one.error_rate, 1),
                    "half within ms": one.p50_ms,
                    "95 % within ms": one.p95_ms,
                }
                for step in self.steps
                for one in step.all_health
            ]
        )

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.reason:
            old = ", ".join(f"{name} {weight}" for name, weight in self.before.items())
            last = self.steps[-1]
            if last.mirrored is not None:
                return gettext(
                    "✗ Rolled back to {old}: before anybody was exposed, {reason}.",
                    old=old,
                    reason=self.reason,
                )
            return gettext(
                "✗ Rolled back to {old}: at {weight} %, {reason}.",
                old=old,
                weight=last.weight,
                reason=self.reason,
            )
        if not self.steps:
            return gettext("No step was finished.")
        return gettext(
            "✓ {to} has {weight} % of the traffic, and every limit was kept.",
            to=self.to,
            weight=self.steps[-1].weight,
        )
