"""What the HTTP routes of VirtualServices say: the one reader of where they lead, and by which weights.

https://istio.io/latest/docs/reference/config/networking/virtual-service/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from labkit.kube.api.api import Obj
from labkit.kube.mesh.destinations import Destination

Find = Callable[[str, str], Obj | None]
"""(namespace, name) → the VirtualService of that name; None where there is none."""
EVERYWHERE = ("*",)
"""Where a VirtualService without ``exportTo`` is seen, unless the mesh's settings say otherwise."""


@dataclass(frozen=True)
class HttpRoute:
    """One entry of a VirtualService's ``spec.http``."""

    object: Obj
    """The VirtualService in which it is written."""
    number: int
    """Which of ``spec.http``."""
    within: Obj | None = None
    """The route of a root VirtualService that hands its requests over to this one, if any does."""

    @property
    def http(self) -> Obj:
        """The entry itself."""
        return entries(self.object)[self.number]

    @property
    def namespace(self) -> str:
        """Whose short names it uses."""
        return str(self.object["metadata"]["namespace"])

    @property
    def targets(self) -> list[Obj]:
        """Its destinations with their weights, as they are written."""
        return self.http.get("route") or []

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where its requests may go, in the order in which they are written."""
        return tuple(Destination.of(one.get("destination") or {}, self.namespace) for one in self.targets)

    @property
    def weights(self) -> tuple[int, ...]:
        """A weight for each of :attr:`destinations`, as Istio understands them: one alone needs none."""
        if len(self.targets) == 1:
            return (int(self.targets[0].get("weight") or 100),)
        return tuple(int(one.get("weight") or 0) for one in self.targets)


def entries(virtual_service: Obj) -> list[Obj]:
    """``spec.http``."""
    return (virtual_service.get("spec") or {}).get("http") or []


def routes_of(virtual_service: Obj, find: Find, default: Collection[str] = EVERYWHERE) -> Iterator[HttpRoute]:
    """The routes of *virtual_service* in order, those of a delegate in the place of the one that names it.

    default: the ``exportTo`` of those that have none.

    A delegate that is not there, or not exported to its root's namespace, has none. There is one level of
    them, as in Istio.
    """
    namespace = str(virtual_service["metadata"]["namespace"])
    for number, http in enumerate(entries(virtual_service)):
        named = _delegate(http, namespace)
        if named is None:
            yield HttpRoute(virtual_service, number)
            continue
        found = find(*named)
        if found is not None and is_exported_to(found, namespace, default):
            own = enumerate(entries(found))
            yield from (HttpRoute(found, i, http) for i, one in own if not one.get("delegate"))


def delegates_of(virtual_service: Obj) -> list[tuple[str, str]]:
    """(namespace, name) of those that *virtual_service* hands requests over to."""
    namespace = str(virtual_service["metadata"]["namespace"])
    named = [_delegate(http, namespace) for http in entries(virtual_service)]
    return [one for one in named if one is not None]


def _delegate(http: Obj, namespace: str) -> tuple[str, str] | None:
    named = http.get("delegate")
    return (str(named.get("namespace") or namespace), str(named.get("name") or "")) if named else None


def is_exported_to(virtual_service: Obj, namespace: str, default: Collection[str] = EVERYWHERE) -> bool:
    """Whether it holds in *namespace*, by its ``exportTo``, *default* where it has none."""
    return bool({"*", namespace} & _exported_to(virtual_service, default))


def precedence(virtual_service: Obj, default: Collection[str] = EVERYWHERE) -> tuple[int, str, str, str]:
    """Istio's order of those that name the same host, the first one acts: what is its namespace's alone,
    what is exported to some by name, what all may see; the oldest of each first."""
    meta, to = virtual_service["metadata"], _exported_to(virtual_service, default)
    private = to == {str(meta["namespace"])}
    rank = 0 if private else 2 if "*" in to else 1
    return rank, str(meta.get("creationTimestamp") or ""), str(meta["name"]), str(meta["namespace"])


def _exported_to(virtual_service: Obj, default: Collection[str]) -> set[str]:
    own = str(virtual_service["metadata"]["namespace"])
    given = (virtual_service.get("spec") or {}).get("exportTo") or default
    return {own if one == "." else str(one) for one in given}
