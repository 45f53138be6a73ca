"""List a kind in some namespaces: those that are not there have nothing, whoever asks."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import NAMESPACES, Resource


def items_in(api: Api, resource: Resource, namespaces: Iterable[str]) -> list[Obj]:
    """All objects of *resource* in *namespaces*; an empty name means everywhere."""
    return [obj for namespace in namespaces for obj in _items(api, resource, namespace)]


def _items(api: Api, resource: Resource, namespace: str) -> list[Obj]:
    """Who has rights by namespace is refused (403) where there is none; others get an empty list."""
    try:
        return api.items(resource.path(namespace))
    except ApiRefused as error:
        if error.code != 403 or not namespace or api.find(NAMESPACES.path("", namespace)):
            raise
        return []
