"""The columns of ``kubectl get``, each with what stands in it.

kubectl asks for a Table and prints its cells as they are, so every human word in them comes from a
kind's columns; the words are those of ``k8s.io/kubernetes/pkg/printers``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from labkit.embedded.api.kinds.common.durations import since
from labkit.embedded.objects import Obj

_SHOWN = 3  # endpoints a cell shows before "+ n more..."


class Row:
    """One object at one moment, as its cells see it; a kind may have a row of its own."""

    def __init__(self, obj: Obj, now: dt.datetime) -> None:
        self.obj, self.now = obj, now
        self.meta: Obj = obj["metadata"]
        self.name = self.meta["name"]
        self.spec: Obj = obj.get("spec", {})
        self.status: Obj = obj.get("status", {})

    @property
    def age(self) -> str:
        return since(self.meta.get("creationTimestamp"), self.now)

    @property
    def conditions(self) -> list[Obj]:
        """Marks of the row, such as that its object is finished."""
        return []


@dataclass(frozen=True)
class Column:
    name: str
    cell: Callable[[Any], Any]
    """What stands in it, of a :class:`Row` (the one its kind has)."""
    type: str = "string"
    priority: int = 0
    """1 is shown by ``-o wide`` only."""
    format: str = ""
    path: str = ""
    """Where a custom resource's column takes its value."""
    description: str = ""
    """Of a custom resource's column, where its definition has one."""

    def definition(self) -> Obj:
        """As the head of a Table has it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description
            or (self.path and f"Custom resource definition column (in JSONPath format): {self.path}"),
            "priority": self.priority,
        }


def wide(name: str, cell: Callable[[Any], Any]) -> Column:
    """A column that ``-o wide`` adds."""
    return Column(name, cell, priority=1)


NAME = Column("Name", attrgetter("name"), format="name")
AGE = Column("Age", attrgetter("age"))
PLAIN = (NAME, Column("Created At", lambda row: row.meta.get("creationTimestamp"), "date"))
"""Of kinds without a printer of their own (roles)."""


def format_labels(pairs: dict[str, str] | None) -> str:
    """``a=1,b=2``, or ``<none>``."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or "<none>"


def with_more(items: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f" + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else ""
    return ",".join(items[:_SHOWN]) + more
