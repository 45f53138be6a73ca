"""What in a cluster is a learner's: whole namespaces, and gateways that the lab has made.

Namespaces are known by name and, in class mode, by label as well. Gateways stay where a class works,
which shares them. A namespace that an administrator gave, so that it can't be deleted, is emptied.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.kube.api.api import Api
from labkit.kube.api.delete import delete
from labkit.kube.api.permissions import may_delete
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, SERVICES, Resource
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB
from labkit.language import gettext
from labkit.scenario import cast
from labkit.scenario.learner import LEARNER_LABEL, Learner
from labkit.scenario.neighbours import learners_here
from labkit.scenario.place import made_by_people, remove_all


@dataclass(frozen=True)
class Belonging:
    """One object, with all that is in it."""

    resource: Resource
    namespace: str
    name: str
    stays: bool = False
    """Whether it may not be deleted, only emptied."""

    def __str__(self) -> str:
        title = self.resource.title(self.name)
        return gettext("{title} (emptied, it stays)", title=title) if self.stays else title


def belongings(api: Api, learner: Learner) -> list[Belonging]:
    """What is *learner*'s, in the order in which it can go."""
    labelled = {"labelSelector": f"{LEARNER_LABEL}={learner.name}"} if learner.name else {}
    there = {namespace["metadata"]["name"] for namespace in api.items(NAMESPACES.path(), **labelled)}
    namespaces = [
        Belonging(NAMESPACES, "", name, stays=not may_delete(api, NAMESPACES, name))
        for name in learner.namespaces
        if name in there
    ]
    return [*namespaces, *([] if learner.name or learners_here(api) else _gateways(api))]


def _gateways(api: Api) -> list[Belonging]:
    return [
        Belonging(resource, cast.SYSTEM, obj["metadata"]["name"])
        for resource in (DEPLOYMENTS, SERVICES)
        for obj in api.items(resource.path(cast.SYSTEM), labelSelector=f"{PART_OF}={PART_OF_LAB}")
    ]


def remove(api: Api, learner: Learner, one: Belonging) -> None:
    """Delete it, or what is in it, and wait until that is gone."""
    if one.stays:
        remove_all(api, list(made_by_people(api, learner, [one.name])))
    else:
        delete(api, one.resource, one.namespace, one.name)
