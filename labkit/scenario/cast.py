"""Who is who: the workloads of the scenario, and the names people and hosts have for them.

Namespaces are those of the manifests; a learner of a class has namespaces of their own for them, see
:meth:`labkit.scenario.learner.Learner.own`.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.errors import UsageError
from labkit.language import gettext

HOME = "dev-service-mesh"
"""The namespace of ServiceA, ServiceB and ServiceC."""
EXTERNAL = "external-cluster"
OUTSIDE = "outside"
PRACTICE = "practice"
"""The namespace a learner makes in the task of step 0."""
SYSTEM = "istio-system"
NAMESPACES = (HOME, EXTERNAL, OUTSIDE, PRACTICE)
"""The namespaces that belong to the lab."""


@dataclass(frozen=True)
class Workload:
    """One Deployment of the scenario."""

    name: str
    """Short name: ``service-a``."""
    title: str
    """As it calls itself in its answers: ``ServiceA``."""
    namespace: str
    """In the manifests."""
    app: str
    """Label ``app`` of its pods."""
    deployment: str
    hosts: tuple[str, ...] = ()
    """Services that stand for it."""
    nicknames: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """For `kubectl logs -l`."""
        return f"app={self.app}"


INGRESS = Workload(
    "istio-ingressgateway",
    "ingress gateway",
    SYSTEM,
    "istio-ingressgateway",
    "istio-ingressgateway",
    ("istio-ingressgateway",),
    ("ingress", "gateway"),
)
EGRESS = Workload(
    "istio-egressgateway",
    "egress gateway",
    SYSTEM,
    "istio-egressgateway",
    "istio-egressgateway",
    ("istio-egressgateway",),
    ("egress",),
)
SERVICE_A = Workload(
    "service-a", "ServiceA", HOME, "service-a-app", "service-a-v1-deployment", ("service-a-srv",), ("a",)
)
SERVICE_B = Workload(
    "service-b",
    "ServiceB",
    HOME,
    "service-b-app",
    "service-b-deployment",
    ("producer-internal-host",),
    ("b",),
)
SERVICE_C = Workload(
    "service-c", "ServiceC", HOME, "service-c-app", "service-c-deployment", ("service-c-srv",), ("c",)
)
SERVICE_EXT = Workload(
    "service-ext",
    "External Cluster Service",
    EXTERNAL,
    "service-ext-app",
    "service-ext-deployment",
    ("service-ext-srv",),
    ("external", "ext"),
)
OUTBOUND_CALLER = Workload(
    "outbound", "Outbound", HOME, "outbound-app", "outbound-deployment", ("outbound-srv",)
)

WORKLOADS = (INGRESS, SERVICE_A, SERVICE_B, SERVICE_C, SERVICE_EXT, EGRESS, OUTBOUND_CALLER)

BY_APP = {workload.app: workload.title for workload in WORKLOADS}
"""Label ``app`` of a pod → who that is."""

TITLES = {host: workload.title for workload in WORKLOADS for host in workload.hosts}
"""Host of an upstream cluster → who answers there."""


def find_workload(name: str) -> Workload:
    """The workload called *name*: ``service-a``, ``ServiceA``, ``A``, a Deployment or an ``app`` label."""
    wanted = name.casefold()
    for workload in WORKLOADS:
        names = (workload.name, workload.title, workload.app, workload.deployment, *workload.nicknames)
        if wanted in (one.casefold() for one in names):
            return workload
    known = ", ".join(workload.name for workload in WORKLOADS)
    raise UsageError(
        gettext("The scenario has no workload {name!r}. It has {known}.", name=name, known=known)
    )
