"""Durations: Go's notation, as Istio's objects carry it, to that of proto3 JSON."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_PART = re.compile(r"([0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(ns|us|µs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})++")


def seconds(text: str) -> Decimal:
    """``1m30s``, ``1.5h``, ``250ms`` in seconds; ValueError for anything else."""
    if text == "0":
        return Decimal(0)
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 5s, 250ms or 1h30m")
    total = sum((Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(text)), Decimal(0))
    return -total if text.startswith("-") else total


def proto(text: str) -> str:
    """*text* as ``google.protobuf.Duration`` reads in JSON: seconds with an ``s``."""
    plain = format(seconds(text), "f")
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) + "s"
