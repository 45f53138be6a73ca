"""What in a cluster is this learner's: whole namespaces, known by name and, in class mode, by label."""

from __future__ import annotations

from labkit.kube.api import Api
from labkit.kube.delete import delete
from labkit.kube.resources import NAMESPACES
from labkit.kube.wait import wait_until_gone
from labkit.scenario import cast
from labkit.scenario.learner import LEARNER, LEARNER_LABEL


def belongings(api: Api) -> list[str]:
    """Names of the namespaces that are this learner's."""
    labelled = {"labelSelector": f"{LEARNER_LABEL}={LEARNER}"} if LEARNER else {}
    there = {namespace["metadata"]["name"] for namespace in api.items(NAMESPACES.path(), **labelled)}
    return [name for name in cast.NAMESPACES if name in there]


def remove(api: Api, namespace: str) -> None:
    """Delete one of them, and wait until it is gone."""
    delete(api, NAMESPACES, "", namespace, wait=False)
    wait_until_gone(api, NAMESPACES, "", namespace)
