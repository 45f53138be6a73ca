"""The objects of an Istio installation, as ``istioctl install`` makes them.

Names, labels, ports and images are those of the charts of Istio 1.30. What only matters to a real
container (volumes, capabilities) is left out; probes ask at once, because an Envoy is ready in 0.1 s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from labkit.istio import webhooks
from labkit.istio.profiles import NAMESPACE, VERSION, Gateway, Settings
from labkit.kube.api.api import Obj

OWNER = "install.operator.istio.io/owning-resource"
COMPONENT = "operator.istio.io/component"
PROXY_IMAGE = f"docker.io/istio/proxyv2:{VERSION}"
PILOT_IMAGE = f"docker.io/istio/pilot:{VERSION}"


@dataclass(frozen=True)
class ListenPorts:
    """The ports of the load balancer that the node can open; Istio's own wherever possible."""

    http: int = 80
    https: int = 443


def core(settings: Settings) -> list[Obj]:
    """`Istio core`: what the rest stands on."""
    return [_service_account("istio-reader-service-account", "Base"), _service_account("istiod", "Pilot")]


def namespace() -> Obj:
    """The namespace everything goes to."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def istiod(settings: Settings) -> list[Obj]:
    """The control plane, its two ConfigMaps and its webhooks."""
    return [
        _mesh_config(settings),
        _injector_values(settings),
        *webhooks.configurations(),
        _istiod_service(),
        _istiod_deployment(settings),
    ]


def gateway(gateway: Gateway, ports: ListenPorts) -> list[Obj]:
    """One gateway: account, the right to read TLS secrets, Service, Deployment."""
    component = _component(gateway)
    return [
        _service_account(f"{gateway.name}-service-account", component),
        *_secret_reader(gateway),
        _gateway_service(gateway, ports),
        _gateway_deployment(gateway),
    ]


def _component(gateway: Gateway) -> str:
    return "IngressGateways" if gateway.kind == "ingress" else "EgressGateways"


def _labels(component: str) -> dict[str, str]:
    return {
        OWNER: "unknown",
        COMPONENT: component,
        "operator.istio.io/managed": "Reconcile",
        "operator.istio.io/version": VERSION,
        "istio.io/rev": "default",
        "release": "istio",
    }


def _object(api_version: str, kind: str, name: str, labels: dict[str, str], **rest: Any) -> Obj:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _service_account(name: str, component: str) -> Obj:
    return _object("v1", "ServiceAccount", name, {"app": name, **_labels(component)})


def _mesh_config(settings: Settings) -> Obj:
    import yaml

    mesh = yaml.safe_dump(settings.mesh, default_flow_style=False)
    return _object(
        "v1", "ConfigMap", "istio", _labels("Pilot"), data={"mesh": mesh, "meshNetworks": "networks: {}"}
    )


def _injector_values(settings: Settings) -> Obj:
    values = {
        "global": {
            "hub": "docker.io/istio",
            "tag": VERSION,
            "istioNamespace": NAMESPACE,
            "proxy": {
                "image": "proxyv2",
                "clusterDomain": "cluster.local",
                "resources": settings.proxy_resources,
            },
        },
        "revision": "",
        "sidecarInjectorWebhook": {
            "enableNamespacesByDefault": False,
            "defaultTemplates": [],
            "neverInjectSelector": [],
            "alwaysInjectSelector": [],
            "rewriteAppHTTPProbe": True,
            "injectedAnnotations": {},
            "templates": {},
        },
    }
    data = {"config": _INJECTION, "values": json.dumps(values, indent=2)}
    return _object("v1", "ConfigMap", "istio-sidecar-injector", _labels("Pilot"), data=data)


_INJECTION = """\
# istiod's webhook fills pods in; its templates are labkit's own, so none stand here.
policy: enabled
alwaysInjectSelector: []
neverInjectSelector: []
injectedAnnotations: {}
defaultTemplates: [sidecar]
"""


def _istiod_service() -> Obj:
    ports = [
        {"name": "grpc-xds", "port": 15010, "protocol": "TCP", "targetPort": 15010},
        {"name": "https-dns", "port": 15012, "protocol": "TCP", "targetPort": 15012},
        {"name": "https-webhook", "port": 443, "protocol": "TCP", "targetPort": 15017},
        {"name": "http-monitoring", "port": 15014, "protocol": "TCP", "targetPort": 15014},
    ]
    labels = {"app": "istiod", "istio": "pilot", **_labels("Pilot")}
    return _object("v1", "Service", "istiod", labels, spec={"ports": ports, "selector": _pilot_selector()})


def _pilot_selector() -> dict[str, str]:
    return {"app": "istiod", "istio": "pilot"}


def _istiod_deployment(settings: Settings) -> Obj:
    container = {
        "name": "discovery",
        "image": PILOT_IMAGE,
        "args": [
            "discovery",
            "--monitoringAddr=:15014",
            "--log_output_level=default:info",
            "--domain",
            "cluster.local",
        ],
        "ports": [
            {"name": "http-debug", "containerPort": 8080, "protocol": "TCP"},
            {"name": "grpc-xds", "containerPort": 15010, "protocol": "TCP"},
            {"name": "tls-xds", "containerPort": 15012, "protocol": "TCP"},
            {"name": "https-webhooks", "containerPort": 15017, "protocol": "TCP"},
            {"name": "http-monitoring", "containerPort": 15014, "protocol": "TCP"},
        ],
        "env": [
            {"name": "REVISION", "value": "default"},
            _from_field("POD_NAME", "metadata.name"),
            _from_field("POD_NAMESPACE", "metadata.namespace"),
        ],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": 8080},
            "periodSeconds": 3,
            "timeoutSeconds": 5,
        },
        "resources": settings.istiod_resources,
    }
    labels = {**_pilot_selector(), **_labels("Pilot")}
    template = {
        "metadata": {"labels": {**labels, "sidecar.istio.io/inject": "false"}},
        "spec": {"serviceAccountName": "istiod", "containers": [container]},
    }
    spec = {
        "replicas": settings.istiod_replicas,
        "selector": {"matchLabels": _pilot_selector()},
        "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
        "template": template,
    }
    return _object("apps/v1", "Deployment", "istiod", labels, spec=spec)


def _secret_reader(gateway: Gateway) -> list[Obj]:
    name, labels = f"{gateway.name}-sds", _labels(_component(gateway))
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": f"{gateway.name}-service-account", "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        _object(rbac, "Role", name, labels, rules=rules),
        _object(rbac, "RoleBinding", name, labels, roleRef=reference, subjects=[subject]),
    ]


def _gateway_service(gateway: Gateway, ports: ListenPorts) -> Obj:
    labels = {**gateway.labels, **_labels(_component(gateway))}
    listed = ingress_ports(ports) if gateway.kind == "ingress" else _web_ports(80, 443)
    spec = {"type": gateway.service_type, "selector": gateway.labels, "ports": listed}
    service = _object("v1", "Service", gateway.name, labels, spec=spec)
    if gateway.service_annotations:
        service["metadata"]["annotations"] = gateway.service_annotations
    return service


def ingress_ports(ports: ListenPorts) -> list[Obj]:
    """Istio's ports. Where the node can't open 80 and 443, outside callers use the ports it can open
    and callers inside the mesh (who never meet the node's ports) keep 80 and 443."""
    inside = [
        _port(name, port, target)
        for name, port, target, opened in (
            ("http-mesh", 80, 8080, ports.http),
            ("https-mesh", 443, 8443, ports.https),
        )
        if port != opened
    ]
    return [_port("status-port", 15021, 15021), *_web_ports(ports.http, ports.https), *inside]


def _web_ports(http: int, https: int) -> list[Obj]:
    return [_port("http2", http, 8080), _port("https", https, 8443)]


def _port(name: str, port: int, target: int) -> Obj:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": target}


def _gateway_deployment(gateway: Gateway) -> Obj:
    labels = {**gateway.labels, **_labels(_component(gateway))}
    canonical = {
        "service.istio.io/canonical-name": gateway.name,
        "service.istio.io/canonical-revision": "latest",
        "sidecar.istio.io/inject": "false",
    }
    annotations = {"istio.io/rev": "default", "sidecar.istio.io/inject": "false", **gateway.pod_annotations}
    account = f"{gateway.name}-service-account"
    template = {
        "metadata": {"labels": {**labels, **canonical}, "annotations": annotations},
        "spec": {"serviceAccountName": account, "containers": [_proxy_container(gateway)]},
    }
    spec = {
        "replicas": gateway.replicas,
        "selector": {"matchLabels": gateway.labels},
        "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
        "template": template,
    }
    return _object("apps/v1", "Deployment", gateway.name, labels, spec=spec)


def _proxy_container(gateway: Gateway) -> Obj:
    ports = [15021, 8080, 8443]
    return {
        "name": "istio-proxy",
        "image": PROXY_IMAGE,
        "args": [
            "proxy",
            "router",
            "--domain",
            "$(POD_NAMESPACE).svc.cluster.local",
            "--proxyLogLevel=warning",
            "--proxyComponentLogLevel=misc:error",
            "--log_output_level=default:info",
        ],
        "ports": [
            *({"containerPort": port, "protocol": "TCP"} for port in ports),
            {"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"},
        ],
        "env": _proxy_environment(gateway),
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"},
            "failureThreshold": 30,
            "periodSeconds": 2,
            "timeoutSeconds": 1,
        },
        "resources": gateway.resources,
    }


def _proxy_environment(gateway: Gateway) -> list[Obj]:
    owner = f"kubernetes://apis/apps/v1/namespaces/{NAMESPACE}/deployments/{gateway.name}"
    fields = {
        "NODE_NAME": "spec.nodeName",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "INSTANCE_IP": "status.podIP",
        "HOST_IP": "status.hostIP",
        "SERVICE_ACCOUNT": "spec.serviceAccountName",
    }
    values = {
        "PILOT_CERT_PROVIDER": "istiod",
        "CA_ADDR": f"istiod.{NAMESPACE}.svc:15012",
        "ISTIO_META_WORKLOAD_NAME": gateway.name,
        "ISTIO_META_OWNER": owner,
        "ISTIO_META_MESH_ID": "cluster.local",
        "TRUST_DOMAIN": "cluster.local",
        "ISTIO_META_UNPRIVILEGED_POD": "true",
        "ISTIO_META_CLUSTER_ID": "Kubernetes",
    }
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *(_from_field(name, path) for name, path in fields.items()),
    ]


def _from_field(name: str, path: str) -> Obj:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
