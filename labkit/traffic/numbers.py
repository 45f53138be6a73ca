"""Numbers that a caller gives: notebooks' parameters come as texts from some tools."""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat

from labkit.errors import UsageError
from labkit.language import gettext

LONGEST_SECONDS = 86_400.0


def whole(name: str, value: object) -> int:
    """*value* as a whole number; UsageError for anything else, also for a text that looks like one."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(
            gettext("{name} is a whole number such as 30, not {value!r}.", name=name, value=value)
        ) from None


def number(name: str, value: object) -> float:
    """*value* as a finite number; UsageError for anything else."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat) or not math.isfinite(float(value)):
        raise UsageError(gettext("{name} is a number such as 0.5, not {value!r}.", name=name, value=value))
    return float(value)


def milliseconds(timeout: object) -> int:
    """Seconds to wait, as libcurl takes them: at least one millisecond, for 0 would mean without an end."""
    seconds = number("timeout", timeout)
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageError(
            gettext(
                "timeout is a number of seconds above 0, at most {longest_seconds:.0f}, not {timeout!r}.",
                longest_seconds=LONGEST_SECONDS,
                timeout=timeout,
            )
        )
    return max(1, round(seconds * 1000))
