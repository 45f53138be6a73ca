"""Values as Go prints them; the API's error texts are full of them."""

from __future__ import annotations

import json
from typing import Any


def quoted(text: str) -> str:
    """``%q``."""
    return json.dumps(text, ensure_ascii=False)


def value(thing: Any) -> str:
    """``%v``: ``map[a:1 b:x]``, ``[a b]``, ``<nil>``."""
    if isinstance(thing, dict):
        return "map[" + " ".join(f"{key}:{value(each)}" for key, each in sorted(thing.items())) + "]"
    if isinstance(thing, list):
        return "[" + " ".join(value(each) for each in thing) + "]"
    if thing is None or isinstance(thing, bool):
        return {None: "<nil>", True: "true", False: "false"}[thing]
    return str(thing)


def json_type(thing: Any) -> str:
    """What ``encoding/json`` calls the type of a value."""
    if isinstance(thing, bool):
        return "bool"
    if isinstance(thing, (int, float)):
        return "number"
    names: dict[type, str] = {str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(thing)]


def compact(thing: Any) -> str:
    """*thing* as ``json.Marshal`` writes it: no spaces, keys sorted."""
    return json.dumps(thing, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


class Shown(str):
    """A value as it is to stand in a message already."""

    __slots__ = ()


def number(thing: float) -> str:
    """A float64 as ``%v``: ``3``, ``0.5``, ``1e+21``."""
    if abs(thing) < 1e21 and float(thing).is_integer():
        return str(int(thing))
    return repr(float(thing))
