"""Ages as kubectl prints them: two or three significant figures, ``5m30s``, ``47h``, ``2y3d``.

The thresholds are those of ``k8s.io/apimachinery/pkg/util/duration.HumanDuration``.
"""

from __future__ import annotations

import datetime as dt

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400

_STEPS = (
    # (up to, unit, its letter, the finer unit or 0, its letter)
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (48 * _HOUR, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def human_duration(seconds: float) -> str:
    """*seconds* for people; ``<invalid>`` for what lies two seconds or more in the future."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    for limit, unit, letter, finer, finer_letter in _STEPS:
        if whole < limit:
            rest = whole % unit // finer if finer else 0
            return f"{whole // unit}{letter}" + (f"{rest}{finer_letter}" if rest else "")
    return f"{whole // _YEAR}y"


def parse_time(text: str) -> dt.datetime | None:
    """A ``metav1.Time`` or ``MicroTime``; ``None`` for an empty or malformed one."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def since(text: str | None, now: dt.datetime) -> str:
    """How long ago *text* was; ``<unknown>`` where there is no time."""
    moment = parse_time(text) if text else None
    return human_duration((now - moment).total_seconds()) if moment else "<unknown>"
