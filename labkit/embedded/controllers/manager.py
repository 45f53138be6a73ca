"""All controllers, under one loop."""

from __future__ import annotations

import asyncio

from labkit.embedded.controllers.deployments import Deployments
from labkit.embedded.controllers.endpoints import EndpointsOfServices
from labkit.embedded.controllers.events_expiry import expire_events
from labkit.embedded.controllers.garbage import GarbageCollector
from labkit.embedded.controllers.load_balancers import LoadBalancers
from labkit.embedded.controllers.namespaces import DefaultServiceAccounts, NamespaceDeletion
from labkit.embedded.controllers.replicasets import ReplicaSets
from labkit.embedded.controllers.runtime import Loop
from labkit.embedded.interfaces import Client


class ControllerManager:
    """What kube-controller-manager is elsewhere."""

    def __init__(
        self, client: Client, block: int, kinds: dict[tuple[str, str], str], namespaced: list[str]
    ) -> None:
        """*kinds*: (group, kind) → resource of all that is stored; *namespaced*: those in namespaces."""
        self._client = client
        self.loop = Loop(
            client,
            [
                DefaultServiceAccounts(client),
                Deployments(client),
                ReplicaSets(client),
                EndpointsOfServices(client),
                LoadBalancers(client, block),
                NamespaceDeletion(client, namespaced),
                GarbageCollector(client, kinds, sorted(set(kinds.values()))),
            ],
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.loop.run())
            parts.create_task(expire_events(self._client))
