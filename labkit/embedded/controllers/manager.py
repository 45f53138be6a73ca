"""All controllers, under one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from labkit.embedded.controllers.aggregated_roles import AggregatedRoles
from labkit.embedded.controllers.autoscalers import Autoscalers
from labkit.embedded.controllers.autoscaling_metrics import Measure
from labkit.embedded.controllers.certificate_signing import CertificateSigning, Sign
from labkit.embedded.controllers.cron_jobs import CronJobs
from labkit.embedded.controllers.daemon_sets import DaemonSets
from labkit.embedded.controllers.deployments import Deployments
from labkit.embedded.controllers.disruption_budgets import DisruptionBudgets
from labkit.embedded.controllers.endpoint_mirroring import EndpointMirroring
from labkit.embedded.controllers.endpoints import EndpointsOfServices
from labkit.embedded.controllers.events_expiry import expire_events
from labkit.embedded.controllers.garbage import GarbageCollector
from labkit.embedded.controllers.injection.notices import IgnoredAnnotations
from labkit.embedded.controllers.jobs import FinishedJobs, Jobs, OrphanedJobPods
from labkit.embedded.controllers.load_balancers import LoadBalancers
from labkit.embedded.controllers.namespaces import (
    NamespaceDeletion,
    default_service_account,
    root_certificate,
)
from labkit.embedded.controllers.node_taints import NodeTaints
from labkit.embedded.controllers.pod_collection import PodCollection
from labkit.embedded.controllers.replicasets import CONTROLLERS, ReplicaSets
from labkit.embedded.controllers.resource_quotas import ResourceQuotas
from labkit.embedded.controllers.runtime import Controller, Loop
from labkit.embedded.controllers.stateful_sets import StatefulSets
from labkit.embedded.controllers.storage_protection import StorageProtection
from labkit.embedded.controllers.taint_eviction import TaintEviction
from labkit.embedded.interfaces import Client


class ControllerManager:
    """What kube-controller-manager is elsewhere."""

    def __init__(
        self,
        client: Client,
        block: int,
        kinds: Mapping[tuple[str, str], str],
        namespaced: Collection[str],
        authority: str = "",
        measure: Measure | None = None,
        sign: Sign | None = None,
    ) -> None:
        """*kinds*: (group, kind) → resource of all that is stored; *namespaced*: those in namespaces (both
        may grow); *authority*: the API server's CA certificate, told to every namespace; *measure*: what
        pods use; *sign* issues certificates to the API's clients."""
        self._client = client
        controllers: list[Controller] = [
            default_service_account(client),
            ReplicaSets(client),  # before the Deployments, which go by the ReplicaSets' counts
            ReplicaSets(client, CONTROLLERS, "ReplicationController"),
            Deployments(client),
            StatefulSets(client),
            DaemonSets(client),
            Jobs(client),
            OrphanedJobPods(client),
            FinishedJobs(client),
            CronJobs(client),
            EndpointsOfServices(client),
            EndpointMirroring(client),
            LoadBalancers(client, block),
            AggregatedRoles(client),
            IgnoredAnnotations(client),
            NodeTaints(client),
            TaintEviction(client),
            PodCollection(client),
            DisruptionBudgets(client),
            ResourceQuotas(client),
            StorageProtection(client),
            NamespaceDeletion(client, namespaced),
            GarbageCollector(client, kinds),
        ]
        if measure:
            controllers.append(Autoscalers(client, kinds, measure))
        if sign:
            controllers.append(CertificateSigning(client, sign))
        if authority:
            controllers.append(root_certificate(client, authority))
        self.loop = Loop(client, controllers)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.loop.run())
            parts.create_task(expire_events(self._client))
