"""What is about to happen, as webhooks and policies are told of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from labkit.embedded.api.types.resources import ResourceType, Subresource
from labkit.embedded.api.types.schemas import Schema, schema_of
from labkit.embedded.interfaces import User
from labkit.embedded.objects import Obj, name_of, namespace_of

_UNSET_YET = ("uid", "creationTimestamp", "generation")
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
_CONTROLLERS = User("system:kube-controller-manager", groups=("system:authenticated",))


@dataclass(frozen=True)
class Attributes:
    """One write; the counterpart of ``admission.Attributes``."""

    operation: str
    kind: ResourceType
    version: str
    object: Obj | None
    old: Obj | None
    subresource: str = ""
    dry_run: bool = False
    user: User | None = None
    """None for the cluster's own controllers."""
    is_named: bool = True
    """Whether a new object has its name, uid and age already; not before all mutating is done."""

    @property
    def name(self) -> str:
        """Of the object; empty where it is yet to be made from ``generateName``."""
        return name_of(self.shown or self.old or {})

    @property
    def namespace(self) -> str:
        """The namespace; of a Namespace, as the real server has it, its own name."""
        found = self.object or self.old or {}
        return name_of(found) if self.kind.name == "namespaces" else namespace_of(found)

    @property
    def shown(self) -> Obj | None:
        """The new object as others see it."""
        if self.object is None or self.is_named or self.operation != "CREATE":
            return self.object
        metadata = {key: each for key, each in self.object["metadata"].items() if key not in _UNSET_YET}
        base = metadata.get("generateName")
        if base and metadata["name"].startswith(base):
            del metadata["name"]
        return {**self.object, "metadata": metadata}

    @property
    def schema(self) -> Schema:
        """Of the objects, as expressions see them."""
        return schema_of(self.kind, self.version)

    def with_object(self, obj: Obj) -> Attributes:
        return replace(self, object=obj)

    def request(self, uid: str) -> dict[str, Any]:
        """The ``AdmissionRequest``."""
        kind = self._told_kind
        resource = {"group": self.kind.group, "version": self.version, "resource": self.kind.plural}
        told = {
            "uid": uid,
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": self.name,
            "namespace": self.namespace,
            "operation": self.operation,
            "userInfo": _user_info(self.user or _CONTROLLERS),
            "object": self.shown,
            "oldObject": self.old,
            "dryRun": self.dry_run,
            "options": self._told_options,
        }
        if self.subresource:
            told |= {"subResource": self.subresource, "requestSubResource": self.subresource}
        return {key: each for key, each in told.items() if each != "" or key == "uid"}

    @property
    def _told_kind(self) -> Obj:
        return {"group": self.kind.group, "version": self.version, "kind": self.kind.kind}

    @property
    def _told_options(self) -> Obj | None:
        return {"kind": _OPTIONS[self.operation], "apiVersion": "meta.k8s.io/v1"}


@dataclass(frozen=True, kw_only=True)
class Connection(Attributes):
    """A conversation that shall begin: exec, attach, port-forward or proxy; the object is its options."""

    part: Subresource
    target: str
    """The name of the pod or service."""
    where: str

    @property
    def name(self) -> str:
        return self.target

    @property
    def namespace(self) -> str:
        return self.where

    @property
    def schema(self) -> Schema:
        return {}

    @property
    def _told_kind(self) -> Obj:
        return {"group": self.part.group, "version": self.version, "kind": self.part.kind}

    @property
    def _told_options(self) -> None:
        return None


def _user_info(user: User) -> dict[str, Any]:
    told = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(each) for key, each in user.extra.items()},
    }
    return {key: each for key, each in told.items() if each}
