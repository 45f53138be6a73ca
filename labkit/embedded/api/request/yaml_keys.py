"""Keys that stand twice in a YAML document, in the words of Go's parser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_STRING = "tag:yaml.org,2002:str"


def repeated(node: Any) -> list[str]:
    """What is said of each of them in *node*, a composed document: inner ones first."""
    return list(_lines(node, set()))


def error(lines: list[str]) -> str:
    """All of that as one error (``yaml.UnmarshalStrict``)."""
    return "\n  ".join(["yaml: unmarshal errors:", *lines])


def _lines(node: Any, seen: set[int]) -> Iterator[str]:
    """What aliases stand for is told of once."""
    if node is None or isinstance(node.value, str) or id(node) in seen:
        return
    seen.add(id(node))
    if node.id == "sequence":
        for each in node.value:
            yield from _lines(each, seen)
        return
    keys = set()
    for key, value in node.value:
        yield from _lines(value, seen)
        if not isinstance(key.value, str):
            continue
        if (key.tag, key.value) in keys:
            shown = json.dumps(key.value, ensure_ascii=False) if key.tag == _STRING else key.value
            yield f"line {value.start_mark.line + 1}: key {shown} already set in map"
        keys.add((key.tag, key.value))
