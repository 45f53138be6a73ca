"""Requests about kinds that are kept, and acted on by nobody here, for both servers."""

from typing import Any

from .differential_requests import CORE, MERGE, NETWORKING, NS, TABLE, Request

POLICIES = f"{NETWORKING}/namespaces/{NS}/networkpolicies"
CLAIMS, TEMPLATES, CONTROLLERS = (
    f"{CORE}/{kind}" for kind in ("persistentvolumeclaims", "podtemplates", "replicationcontrollers")
)
VOLUMES, CLASSES = "/api/v1/persistentvolumes", "/apis/storage.k8s.io/v1/storageclasses"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = f"{_ADMISSION}/validatingwebhookconfigurations"
MUTATING = f"{_ADMISSION}/mutatingwebhookconfigurations"
_CONTAINER = {"name": "c", "image": "none.invalid/none:1"}
_TEMPLATE = {"metadata": {"labels": {"app": "kept"}}, "spec": {"containers": [_CONTAINER]}}
_RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


def _object(path: str, kind: str, version: str, name: str, **fields: Any) -> Request:
    return Request("POST", path, {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields})


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in fields.items() if each is not None}


def _policy(name: str, **spec: Any) -> Request:
    return _object(POLICIES, "NetworkPolicy", "networking.k8s.io/v1", name, spec={"podSelector": {}, **spec})


def _from(peer: dict[str, Any] | None = None, port: dict[str, Any] | None = None) -> Request:
    rule = {"from": peer and [peer] if peer != {} else [{}], "ports": port and [port]}
    return _policy("bad", ingress=[_said(rule)])


def _class(name: str, **fields: Any) -> Request:
    return _object(CLASSES, "StorageClass", "storage.k8s.io/v1", name, **fields)


def _claim(name: str, size: str = "1Gi", **spec: Any) -> Request:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return _object(CLAIMS, "PersistentVolumeClaim", "v1", name, spec=wanted)


def _volume(name: str, **spec: Any) -> Request:
    own = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
    return _object(VOLUMES, "PersistentVolume", "v1", name, spec=_said({**own, **spec}))


def _controller(name: str, **spec: Any) -> Request:
    whole = _said({"replicas": 0, "template": _TEMPLATE, **spec})
    return _object(CONTROLLERS, "ReplicationController", "v1", name, spec=whole)


def _hook(config: str, path: str = VALIDATING, **fields: Any) -> Request:
    hook = {
        "name": "a.b.c",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"name": "s", "namespace": NS}},
        "namespaceSelector": {"matchLabels": {"no": "where"}},
        "rules": [_RULE],
    }
    kind = "ValidatingWebhookConfiguration" if path == VALIDATING else "MutatingWebhookConfiguration"
    hooks = [_said({**hook, **fields})]
    return _object(path, kind, "admissionregistration.k8s.io/v1", config, webhooks=hooks)


def _ruled(**rule: Any) -> Request:
    return _hook("bad", rules=[{**_RULE, **rule}])


REQUESTS = {
    "network policy": _policy("np"),
    "network policy of both": _policy("np2", egress=[{"ports": [{"port": 53}]}]),
    "network policies as a table": Request("GET", POLICIES, accept=TABLE),
    "network policy from nobody": _from({}),
    "network policy from two": _from({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}),
    "network policy from no block": _from({"ipBlock": {"cidr": "ten"}}),
    "network policy but for others": _from({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}),
    "network policy to an odd port": _from(port={"port": 0, "protocol": "ABC"}),
    "network policy to ports backwards": _from(port={"port": 80, "endPort": 70}),
    "network policy to a name and on": _from(port={"port": "http", "endPort": 70}),
    "network policy of an odd type": _policy("bad", policyTypes=["Sideways"]),
    "delete network policy": Request("DELETE", f"{POLICIES}/np"),
    "storage class": _class("zz-sc", provisioner="x.io/disk"),
    "storage class as a table": Request("GET", CLASSES, accept=TABLE),
    "storage class of nobody": _class("bad"),
    "storage class that keeps somehow": _class("bad", provisioner="x.io/disk", reclaimPolicy="Burn"),
    "storage class that binds somehow": _class("bad", provisioner="x.io/disk", volumeBindingMode="Some"),
    "storage class that changes": Request("PATCH", f"{CLASSES}/zz-sc", {"reclaimPolicy": "Retain"}, MERGE),
    "delete storage class": Request("DELETE", f"{CLASSES}/zz-sc"),
    "claim of a disk": _claim("c"),
    "claims as a table": Request("GET", CLAIMS, accept=TABLE),
    "claim of nothing": _claim("bad", "0"),
    "claim for nobody": _claim("bad", accessModes=[]),
    "claim in an odd way": _claim("bad", accessModes=["Some"]),
    "claim in ways that exclude": _claim("bad", accessModes=["ReadWriteOnce", "ReadWriteOncePod"]),
    "claim without a size": _claim("bad", resources={}),
    "claim of an odd mode": _claim("bad", volumeMode="Odd"),
    "disk": _volume("zz-pv"),
    "disks as a table": Request("GET", VOLUMES, accept=TABLE),
    "disk of no source": _volume("bad", hostPath=None),
    "disk of two sources": _volume("bad", nfs={"server": "s", "path": "/p"}),
    "disk of no size": _volume("bad", capacity=None),
    "disk that is kept somehow": _volume("bad", persistentVolumeReclaimPolicy="Burn"),
    "pod template": _object(TEMPLATES, "PodTemplate", "v1", "pt", template=_TEMPLATE),
    "pod templates as a table": Request("GET", TEMPLATES, accept=TABLE),
    "pod template of nothing": _object(TEMPLATES, "PodTemplate", "v1", "bad", template={}),
    "delete pod template": Request("DELETE", f"{TEMPLATES}/pt"),
    "controller": _controller("rc"),
    "controllers as a table": Request("GET", CONTROLLERS, accept=TABLE),
    "controller of others": _controller("bad", selector={"app": "other"}),
    "controller of nothing": _controller("bad", template=None),
    "controller of less than none": _controller("bad", replicas=-1),
    "scale of a controller": Request("GET", f"{CONTROLLERS}/rc/scale"),
    "delete controller": Request("DELETE", f"{CONTROLLERS}/rc?propagationPolicy=Background"),
    "webhook": _hook("zz-v"),
    "webhook that changes": _hook("zz-m", MUTATING),
    "webhooks as a table": Request("GET", f"{VALIDATING}?fieldSelector=metadata.name%3Dzz-v", accept=TABLE),
    "webhook of a short name": _hook("bad", name="a.b"),
    "webhook of no name": _hook("bad", name=""),
    "webhook with effects": _hook("bad", sideEffects="Some"),
    "webhook with effects unsaid": _hook("bad", sideEffects=None),
    "webhook of no versions": _hook("bad", admissionReviewVersions=[]),
    "webhook of other versions": _hook("bad", admissionReviewVersions=["v9"]),
    "webhook of nobody": _hook("bad", clientConfig={}),
    "webhook that fails somehow": _hook("bad", failurePolicy="Some"),
    "webhook that takes long": _hook("bad", timeoutSeconds=31),
    "webhook for odd operations": _ruled(operations=["LOOK"]),
    "webhook for all and more": _ruled(operations=["*", "CREATE"]),
    "webhook for an odd scope": _ruled(scope="Some"),
    "webhook for nothing": _ruled(apiVersions=[]),
    "delete webhook": Request("DELETE", f"{VALIDATING}/zz-v"),
    "delete webhook that changes": Request("DELETE", f"{MUTATING}/zz-m"),
    "health": Request("GET", "/healthz"),
    "health without a check": Request("GET", "/livez?exclude=etcd"),
    "one check": Request("GET", "/readyz/ping"),
    "no such check": Request("GET", "/livez/nothing"),
    "checks of nothing": Request("GET", "/readyz/"),
    "path with two slashes inside": Request("GET", "/api/v1//namespaces/default"),
    "path with a slash at its end": Request("GET", "/apis/apps/"),
}
