"""What is in a cluster from the start: namespaces, roles, priorities, Istio's definitions, the API itself."""

from __future__ import annotations

from labkit.embedded.addresses import API_SERVICE_IP
from labkit.embedded.api.access import reconciliation
from labkit.embedded.api.kinds import crds, istio, priority_classes, service_cidrs
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_META: Obj = {"name": "kubernetes", "namespace": "default"}


def ensure(client: Client, host: str, port: int) -> None:
    """Make what is missing; *host* and *port* are where the API listens now."""
    new = client.find("namespaces", NAMESPACES[0]) is None
    for name in NAMESPACES:
        _ensure(client, "namespaces", {"metadata": {"name": name}})
    reconciliation.ensure(client)
    for priority in priority_classes.SYSTEM:
        if client.find(priority_classes.RESOURCE, priority["metadata"]["name"]) is None:
            client.create(priority_classes.RESOURCE, priority)
    _ensure(client, service_cidrs.RESOURCE, service_cidrs.OF_CLUSTER)
    if new or _has_istiod_alone(client):
        define_istio(client)
    known = client.find("services", _META["name"], _META["namespace"]) or {}
    _ensure(client, "services", _service(port, known.get("spec", {}).get("clusterIP") or API_SERVICE_IP))
    _ensure(client, "endpoints", _endpoints(host, port))
    _ensure(client, "endpointslices.discovery.k8s.io", _slice(host, port))


def _has_istiod_alone(client: Client) -> bool:
    """Whether a mesh is there without definitions: in a folder of a labkit that stored none."""
    names = (each["metadata"]["name"] for each in istio.DEFINITIONS)
    has_istiod = client.find("deployments.apps", "istiod", "istio-system") is not None
    return has_istiod and not any(client.find(crds.RESOURCE, each) for each in names)


def define_istio(client: Client) -> None:
    """Make those of Istio's definitions that are missing."""
    for definition in istio.DEFINITIONS:
        if client.find(crds.RESOURCE, definition["metadata"]["name"]) is None:
            client.create(crds.RESOURCE, definition)


class IstioDefinitions:
    """An admission plug-in: whoever installs istiod installs Istio's definitions along, as charts do."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        metadata = request.object.get("metadata", {})
        is_istiod = request.resource == "deployments.apps" and metadata.get("name") == "istiod"
        if is_istiod and request.namespace == "istio-system" and not request.dry_run:
            define_istio(self._client)
        return []


def _ensure(client: Client, resource: str, wanted: Obj) -> None:
    """Create *wanted*, or bring what is there up to it."""
    meta = wanted["metadata"]
    namespace = meta.get("namespace", "")
    if client.find(resource, meta["name"], namespace) is None:
        client.create(resource, wanted)
    else:
        client.patch(resource, meta["name"], namespace, wanted)


def _service(port: int, cluster_ip: str) -> Obj:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]
    return {
        "metadata": {**_META, "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": cluster_ip, "ports": ports},
    }


def _endpoints(host: str, port: int) -> Obj:
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return {
        "metadata": {**_META, "labels": labels},
        "subsets": [{"addresses": [{"ip": host}], "ports": ports}],
    }


def _slice(host: str, port: int) -> Obj:
    return {
        "metadata": {**_META, "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
