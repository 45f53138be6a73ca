"""How much a YAML document stands for, found out before anything of it is built.

Aliases let some hundred bytes stand for gigabytes (CVE-2019-11253), and brackets alone make a
parser recurse as deep as they are many. Both are seen in the parser's events, which cost nothing
but the document's own length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MOST_NODES = 100_000
"""Of a document, aliases expanded: building one in Python takes ten microseconds."""
_LONGEST_TAGGED = 100  # characters of what a tag says is a number, a date …
_TEXTS = (None, "!", "tag:yaml.org,2002:str")


@dataclass
class _Size:
    """What a node stands for."""

    nodes: int = 1
    bytes: int = 2

    def add(self, other: _Size) -> None:
        self.nodes += other.nodes
        self.bytes += other.bytes


@dataclass
class _Open:
    """A list or map that is being read."""

    anchor: str | None
    size: _Size = field(default_factory=_Size)


def check(data: bytes, *, deepest: int, largest: int) -> None:
    """ValueError for a document of *data* that is nested deeper or, written out, longer than allowed.

    yaml.YAMLError for what is no YAML.
    """
    outer, anchors = [_Open(None)], dict[str, _Size | None]()
    for kind, anchor, length in _events(data):
        if kind == "begin":
            outer.append(_Open(anchor))
            if anchor:
                anchors[anchor] = None  # not whole yet: an alias would contain itself
            if len(outer) > deepest + 1:
                raise ValueError("exceeded max depth")
            continue
        if kind == "end":
            done = outer.pop()
            size, anchor = done.size, done.anchor
        else:
            size = _aliased(anchors, anchor) if kind == "alias" else _Size(1, 2 + length)
        if anchor and kind != "alias":
            anchors[anchor] = size
        outer[-1].size.add(size)
        _check(outer[-1].size, largest)


def _aliased(anchors: dict[str, _Size | None], anchor: str | None) -> _Size:
    if anchor not in anchors:
        raise ValueError(f"unknown anchor '{anchor}' referenced")
    size = anchors[anchor]
    if size is None:
        raise ValueError(f"anchor '{anchor}' value contains itself")
    return size


def _check(size: _Size, largest: int) -> None:
    if size.bytes > largest or size.nodes > MOST_NODES:
        raise ValueError("document contains excessive aliasing, or is too large")


def _events(data: bytes) -> Iterator[tuple[str, str | None, int]]:
    """What happens: ``begin``, ``end``, ``alias`` or ``scalar``; its anchor; a scalar's length."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for event in yaml.parse(data, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            yield "begin", event.anchor, 0
        elif isinstance(event, yaml.CollectionEndEvent):
            yield "end", None, 0
        elif isinstance(event, yaml.AliasEvent):
            yield "alias", event.anchor, 0
        elif isinstance(event, yaml.ScalarEvent):
            if len(event.value) > _LONGEST_TAGGED and event.tag not in _TEXTS:
                raise ValueError(f"cannot decode {event.tag}: the value is too long")
            yield "scalar", event.anchor, len(event.value)
