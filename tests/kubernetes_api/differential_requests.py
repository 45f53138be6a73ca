"""The requests that a real API server and the embedded one are both sent, in this order, by name.

Some build on what others made.
"""

import copy
from typing import Any, NamedTuple

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
STEPS = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


_TWICE = (
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m3"},"foo":1,'
    '"immutable":false,"immutable":true,"bar":2,"data":{"a":"1","a":"2"}}'
)


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"


NS = "zz-differential"
CORE, APPS = f"/api/v1/namespaces/{NS}", f"/apis/apps/v1/namespaces/{NS}"
MAPS, PODS, SERVICES, WEBS = f"{CORE}/configmaps", f"{CORE}/pods", f"{CORE}/services", f"{APPS}/deployments"

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices"
NETWORKING = "/apis/networking.k8s.io/v1"
INGRESSES, CLASSES = f"{NETWORKING}/namespaces/{NS}/ingresses", f"{NETWORKING}/ingressclasses"
RBAC = "rbac.authorization.k8s.io"
ROLES, BINDINGS = (f"/apis/{RBAC}/v1/namespaces/{NS}/{kind}" for kind in ("roles", "rolebindings"))
_RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
_BINDING = {
    "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "r"},
    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": NS}],
}


def _object(kind: str, name: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def _map(name: str = "m", meta: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    made = _object("ConfigMap", name, data={"k": "v"})
    made["metadata"] |= {"labels": {"a": "1"}, **(meta or {})}
    return {**made, **fields}


def _with(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with *value* at a dotted path; numbers are indexes."""
    made = copy.deepcopy(obj)
    *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
    inner: Any = made
    for key in way:
        inner = inner[key]
    inner[last] = value
    return made


SERVICE = _object(
    "Service",
    "s",
    spec={"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
)
POD = _object("Pod", "p", spec={"containers": [{"name": "c", "image": "none.invalid/none:1"}]})
_CONTAINER = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
_TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [_CONTAINER]}}
_SPEC = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": _TEMPLATE}
WEB = _object("Deployment", "web", "apps/v1", spec=_SPEC)
IN_POD, FIRST = "spec.template.spec", "spec.template.spec.containers.0"


_BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
_PATH = {"path": "/p", "pathType": "Prefix", "backend": _BACKEND}
INGRESS = _object(
    "Ingress",
    "i",
    "networking.k8s.io/v1",
    spec={"rules": [{"host": "a.example", "http": {"paths": [_PATH]}}]},
)
CLASS = _object("IngressClass", "ic", "networking.k8s.io/v1", spec={"controller": "x.io/c"})
_CLASS_OF_OLD = {"kubernetes.io/ingress.class": "istio"}
FIRST_RULE, FIRST_PATH = "spec.rules.0", "spec.rules.0.http.paths.0"


def _ingress(name: str, **spec: Any) -> Request:
    """One that is taken, with *spec* beside its rule."""
    made = _with(INGRESS, "metadata.name", name)
    return Request("POST", INGRESSES, {**made, "spec": {**made["spec"], **spec}})


def _bad_ingress(path: str, value: Any) -> Request:
    return Request("POST", INGRESSES, _with(_with(INGRESS, "metadata.name", "bad"), path, value))


def _class(name: str, **spec: Any) -> Request:
    made = _with(CLASS, "metadata.name", name)
    return Request("POST", CLASSES, {**made, "spec": {**made["spec"], **spec}})


def _bad_web(path: str, value: Any) -> Request:
    return Request("POST", WEBS, _with(_with(WEB, "metadata.name", "bad"), path, value))


def _bad_service(path: str, value: Any) -> Request:
    return Request("POST", SERVICES, _with(_with(SERVICE, "metadata.name", "bad"), path, value))


def _patch(path: str, body: Any, content_type: str = MERGE) -> Request:
    return Request("PATCH", path, body, content_type)


def _containers(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [container]}}


def _template(**container: Any) -> dict[str, Any]:
    return {"spec": {"template": _containers(**container)}}


def _get(path: str, accept: str = "application/json") -> Request:
    return Request("GET", path, accept=accept)


def _debug(**container: Any) -> Request:
    body = {"spec": {"ephemeralContainers": [{"image": "none.invalid/none:1", **container}]}}
    return _patch(f"{PODS}/p/ephemeralcontainers", body, STRATEGIC)


def _applied(data: dict[str, str], query: str, name: str = "app") -> Request:
    return _patch(f"{MAPS}/app?{query}", _object("ConfigMap", name, data=data), APPLY)


def _review(kind: str, group: str, **fields: Any) -> Request:
    path = f"/apis/{group}/v1/{kind.lower()}s"
    return Request("POST", path, {"apiVersion": f"{group}/v1", "kind": kind, **fields})


AUTHORIZATION = "authorization.k8s.io"
LOCAL_REVIEWS = f"/apis/{AUTHORIZATION}/v1/namespaces/{NS}/localsubjectaccessreviews"


def _local_review(namespace: str, asked: str) -> dict[str, Any]:
    spec = {"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": asked}}
    header = {"apiVersion": f"{AUTHORIZATION}/v1", "kind": "LocalSubjectAccessReview"}
    return {**header, "metadata": {"namespace": namespace}, "spec": spec}


def _token_request(spec: dict[str, Any], meta: dict[str, Any] | None = None) -> Request:
    header = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    return Request(
        "POST", f"{CORE}/serviceaccounts/sa/token", {**header, "metadata": meta or {}, "spec": spec}
    )


def _scale(replicas: int) -> dict[str, Any]:
    made = _object("Scale", "web", "autoscaling/v1", spec={"replicas": replicas})
    return _with(made, "metadata.namespace", NS)


REQUESTS = {
    # namespaces
    "namespace that is not there": _get("/api/v1/namespaces/nope"),
    "namespace": Request("POST", "/api/v1/namespaces", _object("Namespace", NS)),
    "namespace again": Request("POST", "/api/v1/namespaces", _object("Namespace", NS)),
    "namespace with a bad name": Request("POST", "/api/v1/namespaces", _object("Namespace", "UPPER_x")),
    "namespace as a table": _get(f"/api/v1/namespaces/{NS}", TABLE),
    "object in no namespace": Request("POST", "/api/v1/namespaces/nope/configmaps", _map()),
    # create and update
    "config map": Request("POST", MAPS, _map()),
    "config map read": _get(f"{MAPS}/m"),
    "config map again": Request("POST", MAPS, _map()),
    "another namespace": Request("POST", MAPS, _map("m2", {"namespace": "other"})),
    "no name": Request("POST", MAPS, _object("ConfigMap", "")),
    "another kind": Request("POST", MAPS, _map(kind="Pod")),
    "no json": Request("POST", MAPS, "{bad"),
    "no yaml": Request("POST", MAPS, "a: [", "application/yaml"),
    "text": Request("POST", MAPS, "x", "text/plain"),
    "unknown field, strict": Request("POST", f"{MAPS}?fieldValidation=Strict", _map("m3", foo=1)),
    "unknown field and one twice, strict": Request("POST", f"{MAPS}?fieldValidation=Strict", _TWICE),
    "unknown field, warn": Request("POST", f"{MAPS}?fieldValidation=Warn&dryRun=All", _map("m3", foo=1)),
    "unknown validation": Request("POST", f"{MAPS}?fieldValidation=Some", _map("m3")),
    "unknown dry run": Request("POST", f"{MAPS}?dryRun=Some", _map("m3")),
    "dry run": Request("POST", f"{MAPS}?dryRun=All", _map("dry")),
    "dry run left nothing": _get(f"{MAPS}/dry"),
    "old version": Request("PUT", f"{MAPS}/m", _map("m", {"resourceVersion": "1"})),
    "another name": Request("PUT", f"{MAPS}/m", _map("other")),
    "another uid": Request("PUT", f"{MAPS}/m", _map("m", {"uid": "abc"})),
    "update of nothing": Request("PUT", f"{MAPS}/none", _map("none")),
    "label that is none": Request("POST", MAPS, _map("m4", {"labels": {"bad label": "x"}})),
    "key that is none": Request("POST", MAPS, _map("m4", data={"bad key!": "x"})),
    # patches
    "merge patch": _patch(f"{MAPS}/m", {"data": {"z": "1"}}),
    "merge patch that does not fit": _patch(f"{MAPS}/m", {"data": 5}),
    "test that fails": _patch(f"{MAPS}/m", [{"op": "test", "path": "/data/z", "value": "2"}], STEPS),
    "step from nowhere": _patch(f"{MAPS}/m", [{"op": "remove", "path": "/data/nope"}], STEPS),
    "step nobody knows": _patch(f"{MAPS}/m", [{"op": "weird", "path": "/data/nope"}], STEPS),
    "steps that are none": _patch(f"{MAPS}/m", {"a": 1}, STEPS),
    "patch in plain json": _patch(f"{MAPS}/m", {"a": 1}, "application/json"),
    "patch of nothing": _patch(f"{MAPS}/none", {"data": {}}),
    "force without apply": _patch(f"{MAPS}/m?force=true", {"data": {}}),
    # apply
    "apply by nobody": _applied({"a": "1"}, ""),
    "apply": _applied({"a": "1", "b": "1"}, "fieldManager=one"),
    "apply in conflict": _applied({"a": "2", "b": "2"}, "fieldManager=two"),
    "apply with force": _applied({"a": "2"}, "fieldManager=two&force=true"),
    "apply of another name": _applied({}, "fieldManager=one", "app2"),
    "apply of no kind": _patch(f"{MAPS}/app?fieldManager=one", {"data": {}}, APPLY),
    # lists
    "field nobody knows": _get(f"{MAPS}?fieldSelector=foo%3Dbar"),
    "field a pod has not": _get(f"{PODS}?fieldSelector=foo%3Dbar"),
    "fields of pods": _get(f"{PODS}?fieldSelector=status.phase%3DRunning,spec.nodeName%3Dx"),
    "field selector that is none": _get(f"{MAPS}?fieldSelector=foo"),
    "labels": _get(f"{PODS}?labelSelector=a%20in%20(b,c),!d"),
    "label selector that ends": _get(f"{MAPS}?labelSelector=a%20in"),
    "label selector without brackets": _get(f"{MAPS}?labelSelector=a%20in%20b"),
    "label selector with two words": _get(f"{MAPS}?labelSelector=a%20b"),
    "label selector with a rest": _get(f"{MAPS}?labelSelector=a%3Db%20c"),
    "label selector with two signs": _get(f"{MAPS}?labelSelector=a%3D%3D%3D"),
    "label key that is none": _get(f"{MAPS}?labelSelector=-a"),
    "label value that is none": _get(f"{MAPS}?labelSelector=a%3D-b"),
    "label that is no number": _get(f"{MAPS}?labelSelector=a%3Eb"),
    "limit that is none": _get(f"{MAPS}?limit=x"),
    "limit below nothing": _get(f"{MAPS}?limit=-1&labelSelector=a%3D1"),
    "version that is none": _get(f"{MAPS}?resourceVersion=abc"),
    "token that is none": _get(f"{MAPS}?continue=garbage"),
    "watch of no version": _get(f"{MAPS}?watch=1&resourceVersion=abc"),
    "list": _get(f"{MAPS}?labelSelector=a%3D1"),
    "only metadata": _get(f"{MAPS}/m", METADATA),
    "form nobody has": _get(f"{MAPS}/m", "application/xml"),
    # paths
    "unknown resource": _get("/api/v1/nope"),
    "unknown group": _get("/apis/nope.io/v1"),
    "unknown version": _get("/apis/apps/v9/deployments"),
    "unknown path": _get("/nope"),
    "unknown part": _get(f"{PODS}/p/nope"),
    "create everywhere": Request("POST", "/api/v1/pods", POD),
    "update of a list": Request("PUT", PODS, POD),
    "create with a name": Request("POST", f"{PODS}/x", POD),
    # workloads
    "deployment": Request("POST", WEBS, WEB),
    "deployment read": _get(f"{WEBS}/web"),
    "other labels": _bad_web("spec.template.metadata.labels", {"app": "x"}),
    "no selector": _bad_web("spec.selector", None),
    "no containers": _bad_web(f"{IN_POD}.containers", []),
    "no image": _bad_web(f"{FIRST}.image", ""),
    "container with a bad name": _bad_web(f"{FIRST}.name", "Bad_Name"),
    "port too high": _bad_web(f"{FIRST}.ports.0.containerPort", 70000),
    "fewer than none": _bad_web("spec.replicas", -1),
    "replicas in words": _bad_web("spec.replicas", "two"),
    "never restarted": _bad_web(f"{IN_POD}.restartPolicy", "Never"),
    "quantity that is none": _bad_web(f"{FIRST}.resources", {"limits": {"memory": "32Qi"}}),
    "more asked than allowed": _bad_web(
        f"{FIRST}.resources", {"limits": {"memory": "1Mi"}, "requests": {"memory": "2Mi"}}
    ),
    "pulled sometimes": _bad_web(f"{FIRST}.imagePullPolicy", "Sometimes"),
    "two of one name": _bad_web(f"{IN_POD}.containers", [_CONTAINER, _CONTAINER]),
    "selector that changes": _patch(f"{WEBS}/web", {"spec": {"selector": {"matchLabels": {"app": "zzz"}}}}),
    "strategic patch": _patch(
        f"{WEBS}/web", _template(name="c", env=[{"name": "A", "value": "1"}]), STRATEGIC
    ),
    "container without an image": _patch(f"{WEBS}/web", _template(name="d"), STRATEGIC),
    "deployments as a table": _get(WEBS, TABLE),
    "scale": _get(f"{WEBS}/web/scale"),
    "scale below nothing": Request("PUT", f"{WEBS}/web/scale", _scale(-3)),
    "scale to nothing": _patch(f"{WEBS}/web/scale", {"spec": {"replicas": 0}}),
    # services
    "service": Request("POST", SERVICES, SERVICE),
    "service read": _get(f"{SERVICES}/s"),
    "service with a bad name": _bad_service("metadata.name", "Bad"),
    "service without ports": _bad_service("spec.ports", None),
    "ports without names": _bad_service("spec.ports", [{"port": 80}, {"port": 81}]),
    "type nobody knows": _bad_service("spec.type", "Foo"),
    "port zero": _bad_service("spec.ports.0.port", 0),
    "address that is none": _bad_service("spec.clusterIP", "1.2.3"),
    "address that changes": _patch(f"{SERVICES}/s", {"spec": {"clusterIP": "10.0.0.77"}}),
    "service with a node port": Request(
        "POST", SERVICES, _with(_with(SERVICE, "metadata.name", "n"), "spec.type", "NodePort")
    ),
    "services as a table": _get(SERVICES, TABLE),
    # pods
    "pod": Request("POST", PODS, POD),
    "pod of no priority class": Request(
        "POST", PODS, _with(_with(POD, "metadata.name", "q"), "spec.priorityClassName", "nope")
    ),
    "pod with a priority": Request("POST", PODS, _with(_with(POD, "metadata.name", "q"), "spec.priority", 7)),
    "critical pod": Request(
        "POST",
        f"{PODS}?dryRun=All",
        _with(_with(POD, "metadata.name", "q"), "spec.priorityClassName", "system-node-critical"),
    ),
    "other image": _patch(
        f"{PODS}/p", {"spec": {"containers": [{"name": "c", "image": "other"}]}}, STRATEGIC
    ),
    "other node": _patch(f"{PODS}/p", {"spec": {"nodeName": "x"}}),
    "pod with a bad label": _patch(f"{PODS}/p", {"metadata": {"labels": {"bad label": "x"}}}),
    "finalizer of nobody": _patch(f"{PODS}/p", {"metadata": {"finalizers": ["nodomain"]}}),
    "finalizer": _patch(f"{PODS}/p", {"metadata": {"finalizers": ["x.io/keep"]}}),
    "debugging": _debug(name="look", targetContainerName="c"),
    "debugging what is there": _debug(name="look", image="another"),
    "debugging nobody": _debug(name="bad", targetContainerName="nobody"),
    "debugging as another": _debug(name="c"),
    "debugging by no image": _debug(name="bad", image=""),
    "debugging with more than that": _debug(
        name="bad",
        ports=[{"containerPort": 80}],
        livenessProbe={"exec": {"command": ["a"]}},
        resources={"limits": {"cpu": "1"}},
        lifecycle={"preStop": {"exec": {"command": ["a"]}}},
    ),
    "debuggers": _get(f"{PODS}/p/ephemeralcontainers"),
    "debuggers from the start": Request(
        "POST",
        PODS,
        _with(
            _with(POD, "metadata.name", "q"), "spec.ephemeralContainers", [{"name": "look", "image": "i:1"}]
        ),
    ),
    "debuggers by the front door": _patch(
        f"{PODS}/p", {"spec": {"ephemeralContainers": [{"name": "more", "image": "i:1"}]}}, STRATEGIC
    ),
    "log of nothing": _get(f"{PODS}/none/log"),
    "log of no container": _get(f"{PODS}/p/log?container=zzz"),
    "log of fewer lines than none": _get(f"{PODS}/p/log?tailLines=-1"),
    "no finalizer": _patch(f"{PODS}/p", {"metadata": {"finalizers": None}}),
    # status, other kinds
    "status of a deployment": _patch(f"{WEBS}/web/status", {"status": {"observedGeneration": 9}}),
    "status of a service": _get(f"{SERVICES}/s/status"),
    "status of a namespace": _get(f"/api/v1/namespaces/{NS}/status"),
    "status of a config map": _get(f"{MAPS}/m/status"),
    "immutable": Request("POST", MAPS, _map("fixed", immutable=True)),
    "change of what is immutable": _patch(f"{MAPS}/fixed", {"data": {"k": "w"}}),
    "lease": Request(
        "POST", LEASES, _object("Lease", "l", "coordination.k8s.io/v1", spec={"holderIdentity": "me"})
    ),
    "lease for no time": Request(
        "POST", LEASES, _object("Lease", "l2", "coordination.k8s.io/v1", spec={"leaseDurationSeconds": 0})
    ),
    "role": Request("POST", ROLES, _object("Role", "r", f"{RBAC}/v1", rules=[_RULE])),
    "role without verbs": Request(
        "POST", ROLES, _object("Role", "r2", f"{RBAC}/v1", rules=[{**_RULE, "verbs": []}])
    ),
    "role binding": Request("POST", BINDINGS, _object("RoleBinding", "b", f"{RBAC}/v1", **_BINDING)),
    "role binding to nothing": Request(
        "POST", BINDINGS, _object("RoleBinding", "b2", f"{RBAC}/v1", **{**_BINDING, "roleRef": {}})
    ),
    "role binding to another": _patch(
        f"{BINDINGS}/b", {"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "other"}}
    ),
    "endpoint slice": Request(
        "POST", SLICES, _object("EndpointSlice", "e", "discovery.k8s.io/v1", addressType="IPv4", endpoints=[])
    ),
    "endpoint slice of no type": Request(
        "POST", SLICES, _object("EndpointSlice", "e2", "discovery.k8s.io/v1", endpoints=[])
    ),
    "replica set": Request(
        "POST", f"{APPS}/replicasets", {**_with(WEB, "metadata.name", "rs"), "kind": "ReplicaSet"}
    ),
    "scale of a replica set": _get(f"{APPS}/replicasets/rs/scale"),
    "external name": Request(
        "POST", SERVICES, _object("Service", "x", spec={"type": "ExternalName", "externalName": "a.example"})
    ),
    "external name of nobody": Request(
        "POST", SERVICES, _object("Service", "y", spec={"type": "ExternalName"})
    ),
    "headless": Request(
        "POST", SERVICES, _with(_with(SERVICE, "metadata.name", "h"), "spec.clusterIP", "None")
    ),
    "two ports alike": _bad_service("spec.ports", [{"name": n, "port": 80} for n in "ab"]),
    "node port out of range": Request(
        "POST",
        SERVICES,
        _with(
            _with(_with(SERVICE, "metadata.name", "bad"), "spec.type", "NodePort"),
            "spec.ports.0.nodePort",
            80,
        ),
    ),
    # ingresses
    "ingress": Request("POST", INGRESSES, INGRESS),
    "ingress as a table": _get(f"{INGRESSES}/i", TABLE),
    "status of an ingress": _patch(
        f"{INGRESSES}/i/status",
        {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "b"}]}}},
    ),
    "ingress with an address": _get(f"{INGRESSES}/i", TABLE),
    "ingress changed": _patch(
        f"{INGRESSES}/i", {"spec": {"tls": [{"hosts": ["a.example"], "secretName": "t"}]}}
    ),
    "ingress of four hosts": _ingress("four", rules=[{"host": f"{x}.example"} for x in "abcd"], tls=[{}]),
    "ingress of four hosts as a table": _get(f"{INGRESSES}/four", TABLE),
    "ingress of a default backend": _ingress("rest", rules=[], defaultBackend=_BACKEND),
    "ingress of a default backend as a table": _get(f"{INGRESSES}/rest", TABLE),
    "ingress of nothing": _bad_ingress("spec", {}),
    "ingress of no spec": Request("POST", INGRESSES, _object("Ingress", "i2", "networking.k8s.io/v1")),
    "ingress of no paths": _bad_ingress(f"{FIRST_RULE}.http", {"paths": []}),
    "ingress of an address": _bad_ingress(f"{FIRST_RULE}.host", "10.0.0.1"),
    "ingress of a bad host": _bad_ingress(f"{FIRST_RULE}.host", "A.example"),
    "ingress of a wildcard": _ingress("wild", rules=[{"host": "*.example"}]),
    "ingress of a bad wildcard": _bad_ingress(f"{FIRST_RULE}.host", "*"),
    "path of no type": _bad_ingress(FIRST_PATH, {"path": "/", "backend": _BACKEND}),
    "path of another type": _bad_ingress(f"{FIRST_PATH}.pathType", "Regex"),
    "path that is relative": _bad_ingress(f"{FIRST_PATH}.path", "p"),
    "path that is none": _bad_ingress(f"{FIRST_PATH}.path", ""),
    "path of its own kind": _bad_ingress(
        FIRST_PATH, {**_PATH, "path": "p", "pathType": "ImplementationSpecific"}
    ),
    "path with dots": _bad_ingress(f"{FIRST_PATH}.path", "/a/../b//c/."),
    "no backend": _bad_ingress(f"{FIRST_PATH}.backend", {}),
    "backend of nobody": _bad_ingress(f"{FIRST_PATH}.backend", {"service": {"port": {"number": 80}}}),
    "backend without a port": _bad_ingress(f"{FIRST_PATH}.backend", {"service": {"name": "Bad_"}}),
    "backend of two ports": _bad_ingress(
        f"{FIRST_PATH}.backend.service.port", {"number": 80, "name": "http"}
    ),
    "backend of a bad port": _bad_ingress(f"{FIRST_PATH}.backend.service.port", {"number": 70000}),
    "backend of a badly named port": _bad_ingress(f"{FIRST_PATH}.backend.service.port", {"name": "Bad_"}),
    "two backends": _bad_ingress(
        f"{FIRST_PATH}.backend", {**_BACKEND, "resource": {"kind": "K", "name": "n"}}
    ),
    "backend that is a resource": _bad_ingress(f"{FIRST_PATH}.backend", {"resource": {"kind": "a/b"}}),
    "tls of a bad host": _ingress("bad", tls=[{"hosts": ["*", "_"], "secretName": "Bad_"}]),
    "bad class": _ingress("bad", ingressClassName="Bad_"),
    "class by annotation": Request(
        "POST",
        INGRESSES,
        _with(_with(INGRESS, "metadata.name", "old"), "metadata.annotations", _CLASS_OF_OLD),
    ),
    "two classes": Request(
        "POST",
        INGRESSES,
        _with(_ingress("bad", ingressClassName="other").body, "metadata.annotations", _CLASS_OF_OLD),
    ),
    "ingress class": _class("ic"),
    "ingress class as a table": _get(f"{CLASSES}/ic", TABLE),
    "ingress class with parameters": _class("ic2", parameters={"apiGroup": "x.io", "kind": "P", "name": "p"}),
    "ingress class with parameters as a table": _get(f"{CLASSES}/ic2", TABLE),
    "ingress class of nobody": _class("ic3", controller=""),
    "ingress class without a domain": _class("ic3", controller="c"),
    "ingress class of a bad name": _class("ic3", controller="X_/ "),
    "ingress class of a long name": _class("ic3", controller="x.io/" + "c" * 250),
    "parameters of no kind": _class("ic3", parameters={"scope": "Cluster", "namespace": "x"}),
    "parameters of no namespace": _class("ic3", parameters={"kind": "P", "name": "p", "scope": "Namespace"}),
    "parameters of a bad scope": _class("ic3", parameters={"kind": "P", "name": "p", "scope": "World"}),
    "ingress class of another": _patch(f"{CLASSES}/ic", {"spec": {"controller": "y.io/c"}}),
    "default class": _patch(
        f"{CLASSES}/ic",
        {"metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}},
    ),
    "ingress of the default class": _ingress("by-default"),
    "delete ingress class": Request("DELETE", f"{CLASSES}/ic"),
    "delete other ingress class": Request("DELETE", f"{CLASSES}/ic2"),
    "delete ingress": Request("DELETE", f"{INGRESSES}/i"),
    "ingress groups": _get("/apis/networking.k8s.io"),
    "probe of two kinds": _bad_web(
        f"{FIRST}.readinessProbe", {"tcpSocket": {"port": 80}, "httpGet": {"port": 80}}
    ),
    "probe of no kind": _bad_web(f"{FIRST}.readinessProbe", {"periodSeconds": 3}),
    "variable without a name": _bad_web(f"{FIRST}.env", [{"value": "1"}]),
    "volume that is not there": _bad_web(f"{FIRST}.volumeMounts", [{"name": "v", "mountPath": "/v"}]),
    "rolling without moving": _bad_web(
        "spec.strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
    ),
    "annotation that is none": Request("POST", MAPS, _map("m5", {"annotations": {"bad key": "x"}})),
    "owner that is none": Request("POST", MAPS, _map("m6", {"ownerReferences": [{"kind": "Pod"}]})),
    "name that is too long": Request("POST", MAPS, _map("m" * 254)),
    "version that is given": Request("POST", MAPS, _map("m7", {"resourceVersion": "5"})),
    "delete everywhere": Request("DELETE", "/api/v1/configmaps?labelSelector=a%3Dnope"),
    "groups": _get("/apis/apps"),
    # others
    "service account": Request("POST", f"{CORE}/serviceaccounts", _object("ServiceAccount", "sa")),
    "secret": Request("POST", f"{CORE}/secrets", _object("Secret", "x", stringData={"a": "b"})),
    "secret in plain": Request("POST", f"{CORE}/secrets", _object("Secret", "y", data={"a": "not base64!"})),
    "may I": _review(
        "SelfSubjectAccessReview",
        "authorization.k8s.io",
        spec={"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": NS}},
    ),
    "who am I": _review("SelfSubjectReview", "authentication.k8s.io"),
    "may I as a table": _review("SelfSubjectAccessReview", AUTHORIZATION)._replace(
        accept=TABLE.partition(",")[0]
    ),
    "may I nothing": _review("SelfSubjectAccessReview", AUTHORIZATION, spec={}),
    "may I two things": _review(
        "SelfSubjectAccessReview",
        AUTHORIZATION,
        spec={"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/x"}},
    ),
    "may they all": _review(
        "SubjectAccessReview",
        AUTHORIZATION,
        spec={"user": "x", "groups": ["system:masters"], "resourceAttributes": {"verb": "*", "group": "*"}},
    ),
    "may they": _review(
        "SubjectAccessReview",
        AUTHORIZATION,
        spec={"user": "x", "groups": ["a"], "nonResourceAttributes": {"verb": "get", "path": "/healthz"}},
    ),
    "may somebody": _review(
        "SubjectAccessReview", AUTHORIZATION, spec={"resourceAttributes": {"verb": "get"}}
    ),
    "may they here": Request("POST", LOCAL_REVIEWS, _local_review(NS, NS)),
    "may they elsewhere": Request("POST", LOCAL_REVIEWS, _local_review(NS, "default")),
    "may they, said elsewhere": Request("POST", LOCAL_REVIEWS, _local_review("default", "default")),
    "all rules of nowhere": _review("SelfSubjectRulesReview", AUTHORIZATION, spec={}),
    "review of a token": _review("TokenReview", "authentication.k8s.io", spec={"token": "nonsense"}),
    "review of a token in parts": _review("TokenReview", "authentication.k8s.io", spec={"token": "a.b.c"}),
    "review of no token": _review("TokenReview", "authentication.k8s.io", spec={"token": ""}),
    "token of nobody": Request(
        "POST",
        f"{CORE}/serviceaccounts/nope/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"},
    ),
    "token for a moment": _token_request({"expirationSeconds": 5}),
    "token for a thing": _token_request({"boundObjectRef": {"kind": "Thing", "apiVersion": "x.io/v1"}}),
    "token for no pod": _token_request({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "no"}}),
    "token for another map": _token_request(
        {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "x", "uid": "other"}}
    ),
    "token by another name": _token_request({}, {"name": "other"}),
    "token of another": _token_request({}, {"uid": "other"}),
    "list of reviews": _get(f"/apis/{AUTHORIZATION}/v1/subjectaccessreviews"),
    # deletion
    "delete nothing": Request("DELETE", f"{MAPS}/none"),
    "delete nothing, soon": Request("DELETE", f"{PODS}/none?gracePeriodSeconds=-1"),
    "delete another": Request(
        "DELETE",
        f"{MAPS}/app",
        {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "nope"}},
    ),
    "delete": Request("DELETE", f"{MAPS}/app"),
    "delete pod": Request("DELETE", f"{PODS}/p?gracePeriodSeconds=0"),
    "delete sideways": Request("DELETE", f"{WEBS}/web?propagationPolicy=Foo"),
    "delete service": Request("DELETE", f"{SERVICES}/s"),
    "delete all": Request("DELETE", f"{MAPS}?labelSelector=a%3D1"),
    "delete default": Request("DELETE", "/api/v1/namespaces/default"),
    "delete namespace": Request("DELETE", f"/api/v1/namespaces/{NS}"),
}
