"""An Istio object as the translation sees it, and the order istiod puts them in: oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.embedded.mesh.services import is_exported
from labkit.embedded.objects import Obj, annotations_of, name_of, namespace_of


@dataclass(frozen=True)
class Config:
    """One Istio object."""

    name: str
    namespace: str
    created: str
    spec: dict[str, Any] = field(compare=False)
    export_to: frozenset[str] = frozenset({"*"})
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key: oldest first, then by name, then by namespace."""
        return self.created, self.name, self.namespace

    @property
    def is_private(self) -> bool:
        return self.export_to == {"."} or self.export_to == {self.namespace}

    def is_visible_from(self, namespace: str) -> bool:
        return is_exported(self.export_to, self.namespace, namespace)

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def created_at(obj: Obj) -> str:
    """``metadata.creationTimestamp``: RFC 3339 in UTC, so that text order is age order."""
    return str(obj.get("metadata", {}).get("creationTimestamp") or "")


def config_of(obj: Obj, default_export_to: Iterable[str] = ("*",)) -> Config:
    spec = obj.get("spec") or {}
    export_to = frozenset(spec.get("exportTo") or default_export_to)
    return Config(name_of(obj), namespace_of(obj), created_at(obj), spec, export_to, annotations_of(obj))


def configs_of(objects: Iterable[Obj], default_export_to: Iterable[str] = ("*",)) -> list[Config]:
    """*objects*, oldest first."""
    return sorted((config_of(obj, default_export_to) for obj in objects), key=lambda each: each.age)
