"""What was looked at, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.cli.progress import CROSS, NOTE, TICK


@dataclass(frozen=True)
class Finding:
    """One thing looked at: *good*, or a *remedy*; only what is *needed* makes the lab impossible."""

    thing: str
    good: bool
    remedy: str = ""
    needed: bool = True

    @property
    def stops(self) -> bool:
        """Whether the lab can't run for it."""
        return self.needed and not self.good

    @property
    def line(self) -> str:
        if self.good:
            return f"{TICK} {self.thing}"
        return f"{CROSS if self.needed else NOTE} {self.thing}: {self.remedy}"
