"""What schemas refer to: ``$ref`` by ``$ref``, until nothing is left that has not been followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def closure(definitions: Mapping[str, Any], roots: Iterable[str]) -> dict[str, Any]:
    """What *roots*, names of *definitions*, refer to, directly or not, themselves included; by name."""
    wanted = set(roots)
    todo = list(wanted)
    while todo:
        for name in _references(definitions[todo.pop()]):
            if name not in wanted:
                wanted.add(name)
                todo.append(name)
    return {name: definitions[name] for name in sorted(wanted)}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
