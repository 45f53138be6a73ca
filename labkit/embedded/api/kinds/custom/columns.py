"""Additional printer columns: a JSONPath each, typed as the definition says."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from labkit.embedded.api.kinds.common.columns import Column, Row
from labkit.embedded.api.kinds.common.durations import since
from labkit.embedded.api.kinds.custom.jsonpath import JsonPath
from labkit.embedded.objects import Obj

_AGE = Column("Age", attrgetter("age"), "date", path=".metadata.creationTimestamp")


def of(columns: Iterable[Obj] | None) -> list[Column]:
    """The columns of ``additionalPrinterColumns``; where there are none, the age."""
    return [_column(each) for each in columns] if columns else [_AGE]


def _column(given: Obj) -> Column:
    path, type_ = JsonPath(given["jsonPath"]), given["type"]
    return Column(
        given["name"],
        lambda row: _cell(path, type_, row),
        type_,
        given.get("priority", 0),
        given.get("format", ""),
        given["jsonPath"],
        given.get("description", ""),
    )


def _cell(path: JsonPath, type_: str, row: Row) -> Any:
    """An empty cell where there is nothing, or nothing of that type."""
    found = path.find(row.obj)
    if not found or (found[0] is None and type_ != "string"):
        return None
    value = found[0]
    if type_ == "string":
        return _text(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if type_ in ("integer", "number"):
        return ({"integer": int, "number": float}[type_](value)) if number else None
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    return _date(value, row.now) if isinstance(value, str) else None


def _text(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _date(text: str, now: dt.datetime) -> str:
    try:
        return since(text, now)
    except ValueError:
        return "<invalid>"
