"""Manifests applied and deleted as kubectl does it, with the same command for it and kubectl's own lines."""

from __future__ import annotations

from labkit.kube.api.api import Api
from labkit.kube.api.delete import delete_object
from labkit.kube.api.manifests import Source, parse
from labkit.kube.api.wait import wait_for_rollouts
from labkit.kube.applying.apply import AppliedObject, apply, kubectl_command, kubectl_delete_command


def apply_and_tell(api: Api, source: Source, namespace: str, *, timeout: float) -> list[AppliedObject]:
    """Apply *source*, and wait up to *timeout* seconds until its Deployments are rolled out."""
    print(f"$ {kubectl_command(source, namespace)}")
    objects = apply(api, source, namespace)
    for one in objects:
        print(one.line, *(f"Warning: {warning}" for warning in one.warnings), sep="\n")
    deployments = [(one.namespace, one.name) for one in objects if one.resource.kind == "Deployment"]
    wait_for_rollouts(api, deployments, timeout=timeout)
    for _, name in deployments:
        print(f'deployment "{name}" successfully rolled out')
    return objects


def delete_and_tell(api: Api, source: Source, namespace: str) -> None:
    """Delete the objects of *source*, the last one first, and wait until they are gone."""
    print(f"$ {kubectl_delete_command(source, namespace)}")
    for found in reversed(parse(source)):
        title, gone = delete_object(api, found.object, namespace)
        print(f"{title} {'deleted' if gone else 'not found'}")
