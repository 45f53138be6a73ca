"""Resource types, as data. A type may have several versions of one schema with one storage (the Istio
kinds), or share its storage with a type of another group (events); see :mod:`.convert`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)
MEASURED = ("get", "list")
"""Of what is not stored: it is worked out anew for everybody who looks."""
READ_ONLY = ("get", "list", "watch")
OF_STATUS = ("status", "approval")
"""Subresources by which parts of a status are written."""
PROXY_VERBS = ("create", "delete", "get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """``pods/NAME/log`` and its kin; *kind* may belong to another group than its parent."""

    name: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str = ""
    version: str = ""
    parents: tuple[str, ...] = ()
    """The versions of its parent that have it; all where empty."""


@dataclass(frozen=True)
class ResourceType:
    """One resource type of one API group."""

    group: str
    """API group; empty for the core group."""
    versions: tuple[str, ...]
    """Served versions, preferred first."""
    kind: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: tuple[Subresource, ...] = ()
    storage_version: str = ""
    """The version objects are stored in; the preferred one unless given."""
    stored_as: str = ""
    """The :attr:`name` of the type that owns the storage, where it is another one."""
    list_kind: str = ""
    """``PodList``, where it is named otherwise."""
    custom: bool = False
    """Whether it is served from a CustomResourceDefinition."""
    revision: str = ""
    """Of the definition: another one may have other schemas."""
    definition: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The ``spec`` of the CustomResourceDefinition it is served from."""
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What has been worked out from this type, such as its schemas; it goes with the type."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage_version", self.storage_version or self.versions[0])
        object.__setattr__(self, "stored_as", self.stored_as or self.name)
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.kind}List")

    @property
    def name(self) -> str:
        """As kubectl names it: ``pods``, ``deployments.apps``."""
        return qualified(self.plural, self.group)

    @property
    def persisted(self) -> bool:
        """False for the reviews, which are answered and forgotten, and for what is measured."""
        return self.verbs not in (CREATE_ONLY, MEASURED)

    def api_version(self, version: str = "") -> str:
        """``apps/v1``; of the storage version unless *version* is given."""
        version = version or self.storage_version
        return f"{self.group}/{version}" if self.group else version

    def subresource(self, name: str, version: str = "") -> Subresource | None:
        """The one called *name*, if it has that (in *version*, where given)."""
        return next((sub for sub in self.subresources_in(version) if sub.name == name), None)

    def subresources_in(self, version: str = "") -> tuple[Subresource, ...]:
        """Those of *version*; of any where it is empty."""
        return tuple(
            sub for sub in self.subresources if not version or not sub.parents or version in sub.parents
        )


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``, or the bare plural for the core group."""
    return f"{plural}.{group}" if group else plural


def split_api_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` → ``("apps", "v1")``; ``v1`` → ``("", "v1")``."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", group)


def status_of(kind: str) -> Subresource:
    """``/status`` of *kind*."""
    return Subresource("status", kind)
