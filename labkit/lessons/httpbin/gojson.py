"""How Go writes: JSON with HTML's characters escaped, durations with their unit."""

from __future__ import annotations

import json
import re
from typing import Any

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)?")


def dumps(value: Any) -> str:
    """As ``json.Encoder`` with an indent of two blanks."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(_ESCAPED.get(each, each) for each in text) + "\n"


def duration(text: str) -> float:
    """Seconds of ``1``, ``0.5``, ``250ms``, ``1m30s``; ValueError for what is none."""
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise ValueError(f"invalid duration: {text}")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
