"""Who is who: the workloads of a scenario, and the names people and hosts have for them.

Namespaces are those of the manifests; a learner of a class has namespaces of their own for them, see
:meth:`labkit.scenario.learner.Learner.own`. Istio's gateways are in every cast.
"""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM = "istio-system"


@dataclass(frozen=True)
class Workload:
    """A service of a scenario: the Deployments whose pods have one ``app`` label."""

    name: str
    """Short name, for commands."""
    title: str
    """As people call it, and pictures."""
    namespace: str
    """In the manifests."""
    app: str
    """Label ``app`` of its pods."""
    deployments: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    """Services that stand for it."""
    nicknames: tuple[str, ...] = ()
    greets: str = ""
    """What stands in its answers for it: ``Hello from NAME!``; empty where only logs tell who answered."""
    colour: str = ""
    """``#RRGGBB``, in every picture; empty for the next that is free."""
    short: str = ""
    """Its title where there is little room."""

    @property
    def deployment(self) -> str:
        """Its Deployment; of several the first."""
        return self.deployments[0]

    @property
    def selector(self) -> str:
        """For `kubectl logs -l`."""
        return f"app={self.app}"

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever it may be called."""
        return (self.name, self.title, self.app, *self.deployments, *self.nicknames)


INGRESS = Workload(
    "istio-ingressgateway",
    "ingress gateway",
    SYSTEM,
    "istio-ingressgateway",
    ("istio-ingressgateway",),
    ("istio-ingressgateway",),
    ("ingress", "gateway"),
    colour="#666666",
)
EGRESS = Workload(
    "istio-egressgateway",
    "egress gateway",
    SYSTEM,
    "istio-egressgateway",
    ("istio-egressgateway",),
    ("istio-egressgateway",),
    ("egress",),
    colour="#CC79A7",
)
