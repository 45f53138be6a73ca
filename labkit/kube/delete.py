"""Delete objects, and wait until they are gone."""

from __future__ import annotations

from labkit.errors import ApiRefused
from labkit.kube.api import Api, Obj
from labkit.kube.resources import Resource, resource_of
from labkit.kube.wait import wait_until_gone


def delete(api: Api, resource: Resource, namespace: str, name: str, *, wait: bool = True) -> bool:
    """Delete one object after all that belongs to it (a Deployment goes when its pods have gone).

    False where it was not there. With *wait*, back when it is gone.
    """
    policy = {"propagationPolicy": "Foreground"}
    try:
        api.request("DELETE", resource.path(namespace, name), body=policy)
    except ApiRefused as error:
        if error.code != 404:
            raise
        return False
    if wait:
        wait_until_gone(api, resource, namespace, name)
    return True


def delete_object(api: Api, obj: Obj, default_namespace: str) -> tuple[str, bool]:
    """Delete what a manifest describes; its title, and whether it was there."""
    resource, metadata = resource_of(api, obj), obj["metadata"]
    namespace = metadata.get("namespace") or default_namespace if resource.namespaced else ""
    return resource.title(metadata["name"]), delete(api, resource, namespace, metadata["name"])
