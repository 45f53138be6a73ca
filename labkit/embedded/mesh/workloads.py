"""What Istio calls a workload: whose pod a proxy stands in, as metrics and peers are told it.

A proxy knows it of itself by its environment (the names that Istio's own template gives, as far as it has
them), so that what it is configured with is the same for all proxies; of those it calls by their endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.embedded.objects import Obj, labels_of, name_of, namespace_of

CLUSTER_ID = "Kubernetes"
UNKNOWN = "unknown"
LATEST = "latest"
CANONICAL_NAME, CANONICAL_REVISION = (
    "service.istio.io/canonical-name",
    "service.istio.io/canonical-revision",
)

VARIABLES: Mapping[str, str] = {
    "workload": "ISTIO_META_WORKLOAD_NAME",
    "namespace": "POD_NAMESPACE",
    "service": "CANONICAL_SERVICE",
    "revision": "CANONICAL_REVISION",
    "app": "LABKIT_APP",
    "version": "LABKIT_VERSION",
    "cluster": "ISTIO_META_CLUSTER_ID",
}
"""What a proxy is told of its workload: field → variable."""
PEER_VARIABLE, UNKNOWN_VARIABLE, HTTP_VARIABLE = "LABKIT_PEER", "LABKIT_UNKNOWN", "LABKIT_HTTP"
"""All of it in one text, and two constants: a proxy's formats have no other place for those."""


@dataclass(frozen=True)
class Workload:
    """Fields in the order in which one proxy tells them to another."""

    workload: str
    namespace: str
    service: str
    """The canonical service."""
    revision: str
    app: str
    version: str
    cluster: str = CLUSTER_ID

    @classmethod
    def of(cls, pod: Obj) -> Workload:
        """The workload that *pod* belongs to."""
        labels, name = labels_of(pod), workload_name(pod)
        return cls(
            workload=name,
            namespace=namespace_of(pod),
            service=_first(labels, CANONICAL_NAME, "app.kubernetes.io/name", "app") or name,
            revision=_first(labels, CANONICAL_REVISION, "app.kubernetes.io/version", "version") or LATEST,
            app=labels.get("app") or UNKNOWN,
            version=labels.get("version") or UNKNOWN,
        )

    @property
    def fields(self) -> dict[str, str]:
        """By name, in order."""
        return {name: str(getattr(self, name)) for name in VARIABLES}

    @property
    def told(self) -> str:
        """What goes from proxy to proxy in ``x-envoy-peer-metadata``."""
        return ";".join(self.fields.values())

    @property
    def compressed(self) -> str:
        """How istiod writes it into an endpoint's metadata."""
        revision = "" if self.revision == LATEST else self.revision
        return ";".join((self.workload, self.namespace, self.service, revision, self.cluster))


def environment(pod: Obj) -> dict[str, str]:
    """The variables of the proxy of *pod*."""
    own = Workload.of(pod)
    named = {VARIABLES[name]: value for name, value in own.fields.items()}
    return named | {PEER_VARIABLE: own.told, UNKNOWN_VARIABLE: UNKNOWN, HTTP_VARIABLE: "http"}


def workload_name(pod: Obj) -> str:
    """The name of what made *pod*, as Istio finds it: of a ReplicaSet its Deployment's."""
    labels = labels_of(pod)
    if given := labels.get("service.istio.io/workload-name"):
        return given
    owner = next(
        (each for each in pod["metadata"].get("ownerReferences") or [] if each.get("controller")), None
    )
    if owner is None:
        return name_of(pod)
    digest = labels.get("pod-template-hash")
    name = str(owner.get("name") or "")
    return name.removesuffix(f"-{digest}") if digest and owner.get("kind") == "ReplicaSet" else name


def _first(labels: Mapping[str, str], *names: str) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
