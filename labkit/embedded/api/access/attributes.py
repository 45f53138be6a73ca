"""What a request wants to do, in the words that rules are written in.

The counterpart of the real server's ``RequestInfo``: a verb on a resource, or on a path that is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from labkit.embedded.api.request import options
from labkit.embedded.api.request.target import Target
from labkit.embedded.objects import Obj

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_WITHOUT_NAME = {"get": "list", "delete": "deletecollection"}


@dataclass(frozen=True)
class Attributes:
    """One question to the rules."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """Of a request that is about no resource."""
    is_resource: bool = True

    @property
    def combined(self) -> str:
        """``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def of_request(method: str, path: str, target: Target | None, query: Mapping[str, str]) -> Attributes:
    """Of a request for *path* (still percent-encoded), which leads to *target* if to anything.

    Where it does, that is what is asked about: so nobody can make the rules see something else.
    """
    if target is not None:
        found = _of_target(method, target)
    else:
        found = _of_path(method, [unquote(part) for part in path.strip("/").split("/")], unquote(path))
    return _of_collection(found, query) if found.is_resource and not found.name else found


def _of_target(method: str, target: Target) -> Attributes:
    is_namespace = target.kind.name == "namespaces"
    return Attributes(
        _VERBS.get(method, ""),
        target.kind.group,
        target.kind.plural,
        target.subresource,
        target.name if is_namespace else target.namespace,
        target.name,
    )


def _of_path(method: str, parts: list[str], path: str) -> Attributes:
    """Of a path that leads nowhere, to be refused before that is said."""
    least = {"api": 3, "apis": 4}.get(parts[0], 0)
    if not least or len(parts) < least:
        return Attributes(method.lower(), path=path, is_resource=False)
    group, rest = (parts[1] if least == 4 else ""), parts[least - 1 :]
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 1 else ""
    if namespace and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        rest = rest[2:]
    resource, name, subresource = [*rest[:3], "", ""][:3]
    return Attributes(_VERBS.get(method, ""), group, resource, subresource, namespace, name)


def _of_collection(found: Attributes, query: Mapping[str, str]) -> Attributes:
    """A get without a name is a list or a watch; one that selects a name is about that name."""
    verb = _WITHOUT_NAME.get(found.verb, found.verb)
    if verb != "list":
        return Attributes(verb, found.group, found.resource, found.subresource, found.namespace)
    verb = "watch" if options.flag(query, "watch") else "list"
    name = options.name_selected(query.get("fieldSelector", ""))
    return Attributes(verb, found.group, found.resource, found.subresource, found.namespace, name)


def of_review(spec: Obj) -> Attributes:
    """Of the spec of a review."""
    asked: Obj | None = spec.get("resourceAttributes")
    if asked is None:
        path = spec.get("nonResourceAttributes") or {}
        return Attributes(path.get("verb", ""), path=path.get("path", ""), is_resource=False)
    return Attributes(
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
    )
