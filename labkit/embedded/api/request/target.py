"""What a request's path names: ``/apis/apps/v1/namespaces/dev/deployments/web/scale``.

The counterpart of the real server's ``RequestInfoResolver``.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType, Subresource
from labkit.embedded.status import ApiError, generic

_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True)
class Target:
    """A collection, an object or a subresource."""

    kind: ResourceType
    version: str
    """The version asked for."""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource (``pods/web:8080/proxy/REST``), with its leading slash."""

    @property
    def api_version(self) -> str:
        """``apps/v1``: as asked for, which need not be how it is stored."""
        return self.kind.api_version(self.version)

    @property
    def part(self) -> Subresource | None:
        """The subresource that is meant; None for the object itself, or one that its kind has not."""
        return self.kind.subresource(self.subresource, self.version) if self.subresource else None


def resolve(registry: Registry, path: str) -> Target | None:
    """The target of *path* (still percent-encoded); None where no such resource is served."""
    raw = path.removeprefix("/").split("/")
    group, version, at = _split_group(raw)
    namespace, at = _split_namespace(raw, at)
    plural, name, subresource = (unquote(each) for each in [*raw[at : at + 3], "", "", ""][:3])
    kind = registry.find(group, version, plural)
    if kind is None or not _fits(kind, namespace, name):
        return None
    rest = "".join(f"/{each}" for each in raw[at + 3 :])
    target = Target(kind, version, namespace, name, subresource, rest)
    known = not subresource or target.part is not None or kind.custom
    return target if known and (not rest or subresource == "proxy") else None


def _fits(kind: ResourceType, namespace: str, name: str) -> bool:
    """A namespaced object is only reached through its namespace, another one never through any."""
    return bool(namespace) or not name if kind.namespaced else not namespace


def _split_group(raw: list[str]) -> tuple[str, str, int]:
    """Group, version, and where the rest begins."""
    if raw[0] == "api" and len(raw) > 2:
        return "", raw[1], 2
    if raw[0] == "apis" and len(raw) > 3:
        return raw[1], raw[2], 3
    return "", "", len(raw)


def _split_namespace(raw: list[str], at: int) -> tuple[str, int]:
    """``namespaces/x/pods`` is a collection in x, ``namespaces/x/finalize`` a part of the namespace x."""
    parts = raw[at:]
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in _NAMESPACE_SUBRESOURCES:
        return unquote(parts[1]), at + 2
    return "", at


def not_allowed() -> ApiError:
    """405."""
    return generic(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
