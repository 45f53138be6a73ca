"""Delete objects, and wait until they are gone."""

from __future__ import annotations

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import Resource, resource_of
from labkit.kube.api.wait import wait_until_gone


def delete(
    api: Api, resource: Resource, namespace: str, name: str, *, wait: bool = True, uid: str = ""
) -> bool:
    """Delete one object after all that belongs to it (a Deployment goes when its pods have gone).

    False where it was not there. With *wait*, back when it is gone. uid: which one is meant, should there be
    another of that name by now.
    """
    options: Obj = {"propagationPolicy": "Foreground", **({"preconditions": {"uid": uid}} if uid else {})}
    try:
        deleted = api.request("DELETE", resource.path(namespace, name), body=options).object
    except ApiRefused as error:
        if error.code != 404 and not (uid and error.code == 409):
            raise
        return False
    if wait:
        wait_until_gone(api, resource, namespace, name, uid=uid or _uid_in(deleted))
    return True


def _uid_in(answer: Obj) -> str:
    """Of the object that is being deleted, or of the Status that says it is."""
    found = answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")
    return str((found or {}).get("uid") or "")


def delete_object(api: Api, obj: Obj, default_namespace: str) -> tuple[str, bool]:
    """Delete what a manifest describes; its title, and whether it was there."""
    resource, metadata = resource_of(api, obj), obj["metadata"]
    namespace = metadata.get("namespace") or default_namespace if resource.namespaced else ""
    return resource.title(metadata["name"]), delete(api, resource, namespace, metadata["name"])
