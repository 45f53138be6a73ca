"""JSONPath as ``k8s.io/client-go/util/jsonpath`` knows it, as far as definitions use it.

Fields (also quoted, also with a dot escaped by ``\\``), indexes, slices, ``*``, ``..`` and filters that
compare a field with a value: ``.status.conditions[?(@.type=="Ready")].status``.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

_STEP = re.compile(
    r"""
      \.\.(?P<deep>[^\s.\[\]]+)
    | \.?\[\?\((?P<filter>.*?)\)\]
    | \.?\['(?P<single>(?:[^'\\]|\\.)*)'\]
    | \.?\["(?P<double>(?:[^"\\]|\\.)*)"\]
    | \.?\[(?P<range>-?\d*(?::-?\d*){0,2}|\*)\]
    | \.(?P<field>(?:\\.|[^\s.\[\]\\])+)
    | \.?\*
    | \.$
    """,
    re.VERBOSE,
)
_FILTER = re.compile(r"\s*@(?P<path>[^\s=!<>]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+?)\s*)?")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
Step = Callable[[Any], Iterator[Any]]


class JsonPath:
    """A path, read once; ValueError for one that can't be."""

    def __init__(self, text: str) -> None:
        self._steps: list[Step] = []
        at = 0
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None or match.end() == at:
                raise ValueError(f"unrecognized path {text}")
            self._steps.append(_step(match))
            at = match.end()

    def find(self, value: Any) -> list[Any]:
        """All that is there; nothing where a key is missing."""
        found = [value]
        for step in self._steps:
            found = [each for one in found for each in step(one)]
        return found


def _step(match: re.Match[str]) -> Step:
    for name, make in _MAKERS.items():
        if match[name] is not None:
            return make(match[name])
    return _itself if match[0] == "." else _children


def _itself(value: Any) -> Iterator[Any]:
    yield value


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        yield from value.values() if isinstance(value, dict) else value


def _field(text: str) -> Step:
    name = re.sub(r"\\(.)", r"\1", text)

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return _children if text == "*" else step


def _deep(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]
        for each in _children(value):
            yield from step(each)

    return step


def _range(text: str) -> Step:
    if text in ("*", ""):
        return _children
    parts = [int(each) if each else None for each in text.split(":")]
    chosen = slice(*parts) if len(parts) > 1 else slice(parts[0], (parts[0] or 0) + 1 or None)

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[chosen]

    return step


def _filtered(text: str) -> Step:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise ValueError(f"unrecognized filter {text}")
    path = JsonPath(match["path"]) if match["path"] else None
    compare, wanted = _OPERATORS.get(match["op"] or ""), _literal(match["value"])

    def chosen(item: Any) -> bool:
        found = path.find(item) if path else [item]
        if not found or compare is None:
            return bool(found)
        try:
            return compare(found[0], wanted)
        except TypeError:
            return False

    def step(value: Any) -> Iterator[Any]:
        yield from (item for item in _children(value) if chosen(item))

    return step


def _literal(text: str | None) -> Any:
    if text is None:
        return None
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"unrecognized value {text}") from None


_MAKERS: dict[str, Callable[[str], Step]] = {
    "deep": _deep,
    "filter": _filtered,
    "single": _field,
    "double": _field,
    "range": _range,
    "field": _field,
}
