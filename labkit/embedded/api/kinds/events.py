"""Events: two groups serve them under different field names, and they are stored once, as core/v1."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import Column, Row, wide
from labkit.embedded.api.kinds.common.durations import since
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj, namespace_of

CORE_NAMES = {
    # events.k8s.io/v1: v1
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
"""The fields of events.k8s.io by the names under which they are stored."""
SELECTED_AS = {"regarding.": "involvedObject.", "reportingController": "reportingComponent"}
"""The same, as far as field selectors know them."""
_INVOLVED = tuple(
    f"involvedObject.{each}"
    for each in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    about = (obj.get("involvedObject") or {}).get("namespace") or "default"
    if about != namespace_of(obj):
        causes.invalid("involvedObject.namespace", about, "does not match event.namespace")


class _Row(Row):
    """An event in its core/v1 form."""

    @property
    def first(self) -> str:
        return since(self.obj.get("firstTimestamp") or self.obj.get("eventTime"), self.now)

    @property
    def last(self) -> str:
        series = self.obj.get("series")
        if series:
            return since(series.get("lastObservedTime"), self.now)
        return since(self.obj["lastTimestamp"], self.now) if self.obj.get("lastTimestamp") else self.first

    @property
    def about(self) -> Obj:
        found: Obj = self.obj.get("involvedObject", {})
        return found

    @property
    def target(self) -> str:
        name = f"/{self.about['name']}" if self.about.get("name") else ""
        return str(self.about.get("kind", "").lower()) + name

    @property
    def count(self) -> Any:
        series = self.obj.get("series")
        return (series or self.obj).get("count") or (0 if series else 1)


def _source(obj: Obj) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


_COLUMNS = (
    Column("Last Seen", lambda row: row.last),
    Column("Type", lambda row: row.obj.get("type", "")),
    Column("Reason", lambda row: row.obj.get("reason", "")),
    Column("Object", lambda row: row.target),
    wide("Subobject", lambda row: row.about.get("fieldPath", "")),
    wide("Source", lambda row: _source(row.obj)),
    Column("Message", lambda row: (row.obj.get("message") or "").strip()),
    wide("First Seen", lambda row: row.first),
    wide("Count", lambda row: row.count),
    Column("Name", lambda row: row.name, priority=1, format="name"),
)
EVENT = Kind(
    ResourceType("", ("v1",), "Event", "events", "event", short_names=("ev",)),
    columns=_COLUMNS,
    row=_Row,
    zero={"involvedObject": {}, "source": {}},
    validate=_validate,
    fields=(*_INVOLVED, "reason", "reportingComponent", "source", "type"),
    has_generation=False,
)
NEW_EVENT = Kind(
    ResourceType(
        "events.k8s.io", ("v1",), "Event", "events", "event", short_names=("ev",), stored_as="events"
    ),
)
"""The same objects by the names of events.k8s.io; all but its type is :data:`EVENT`'s."""
