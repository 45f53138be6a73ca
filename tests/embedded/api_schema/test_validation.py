"""Wrong objects are refused in the real server's words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.custom.cel import programs
from labkit.embedded.api.kinds.validation import check, validate
from labkit.embedded.api.request.decode import decode
from labkit.embedded.api.types import schemas
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()


def complete(obj: dict[str, Any]) -> Any:
    type_ = REGISTRY.find_kind(obj["apiVersion"], obj["kind"])
    assert type_
    version = obj["apiVersion"].rpartition("/")[2]
    decoded = decode(json.dumps(obj).encode(), REGISTRY, type_, version).object
    catalogue.of(type_).default(decoded)
    return decoded, type_


def messages(obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    new, type_ = complete(obj)
    before = complete(old)[0] if old else None
    return [f"{field}: {message}" for field, _, message in validate(new, type_, before)]


def deployment(**spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    }
    body = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "dev"},
        "spec": body,
    }


def with_container(**fields: Any) -> dict[str, Any]:
    obj = deployment()
    obj["spec"]["template"]["spec"]["containers"][0] |= fields
    return obj


def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "dev"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": list(ports), **spec},
    }


def virtual_service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {"name": "vs", "namespace": "dev"},
        "spec": spec,
    }


def named(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "dev"}}


def endpoint_slice(*endpoints: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": "s", "namespace": "dev"}
    header = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta}
    return {**header, "addressType": "IPv4", "endpoints": list(endpoints)}


def event_about(namespace: str) -> dict[str, Any]:
    meta = {"name": "e", "namespace": "dev"}
    about = {"kind": "Pod", "name": "p", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about}


def test_a_good_deployment_passes() -> None:
    assert messages(deployment(replicas=0)) == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (deployment(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (deployment(selector=None), "spec.selector: Required value"),
        (
            deployment(selector={"matchLabels": {"app": "other"}}),
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
            "`selector` does not match template `labels`",
        ),
        (
            with_container(image=""),
            "spec.template.spec.containers[0].image: Required value",
        ),
        (
            with_container(imagePullPolicy="Sometimes"),
            'spec.template.spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": '
            'supported values: "Always", "IfNotPresent", "Never"',
        ),
        (
            with_container(ports=[{"containerPort": 70000}]),
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: "
            "must be between 1 and 65535, inclusive",
        ),
        (
            with_container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
            'spec.template.spec.containers[0].resources.requests: Invalid value: "2": '
            "must be less than or equal to cpu limit of 1",
        ),
        (
            with_container(readinessProbe={"periodSeconds": 1}),
            "spec.template.spec.containers[0].readinessProbe: Required value: must specify a handler type",
        ),
        (
            with_container(volumeMounts=[{"name": "x", "mountPath": "/x"}]),
            'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "x"',
        ),
        (
            deployment(
                strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
            ),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (service(), "spec.ports: Required value"),
        (
            service({"port": 0}),
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (service({"port": 1, "name": "a"}, {"port": 2}), "spec.ports[1].name: Required value"),
        (
            service({"port": 1, "name": "a"}, {"port": 2, "name": "a"}),
            'spec.ports[1].name: Duplicate value: "a"',
        ),
        (
            service({"port": 1}, type="Balancer"),
            'spec.type: Unsupported value: "Balancer": '
            'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ),
        (
            {**named("ConfigMap", "c"), "data": {"a b": "1"}},
            'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '
            "'-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
            "'[-._a-zA-Z0-9]+')",
        ),
        (
            named("ConfigMap", "Web_1"),
            'metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of lower '
            "case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'example.com', regex used for validation is "
            r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        (
            {**service({"port": 1}), "metadata": {"name": "1s", "namespace": "dev"}},
            'metadata.name: Invalid value: "1s": a DNS-1035 label must consist of lower case alphanumeric '
            "characters or '-', start with an alphabetic character, and end with an alphanumeric character "
            "(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        ),
        (
            {**named("ConfigMap", "c"), "metadata": {"name": "c", "labels": {"a": "b c"}}},
            'metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of '
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            endpoint_slice({"addresses": []}),
            "endpoints[0].addresses: Required value: must contain at least 1 address",
        ),
        (
            endpoint_slice({"addresses": ["10.0.0.1"]}, {"addresses": ["x"]}),
            'endpoints[1].addresses[0]: Invalid value: "x": '
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        (
            event_about("other"),
            'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
        ),
    ],
)
def test_common_mistakes(obj: dict[str, Any], expected: str) -> None:
    assert expected in messages(obj)


def with_deadline(seconds: int | None) -> dict[str, Any]:
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "dev"}}
    pod["spec"] = {"containers": [{"name": "web", "image": "web"}]}
    pod["spec"] |= {} if seconds is None else {"activeDeadlineSeconds": seconds}
    return pod


DEADLINE = "spec.activeDeadlineSeconds: Invalid value: "


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (0, None, [f"{DEADLINE}0: must be between 1 and 2147483647, inclusive"]),
        (5, 3, [f"{DEADLINE}5: must be less than or equal to previous value"]),
        (None, 3, [f"{DEADLINE}null: must not update from a positive integer to nil value"]),
        (2, 3, []),
    ],
)
def test_a_pods_deadline(new: int | None, old: int | None, expected: list[str]) -> None:
    before = None if old is None else with_deadline(old)
    assert messages(with_deadline(new), before) == expected


def test_a_pods_sysctls() -> None:
    pod = with_deadline(None)
    given = ("kernel.shmmax", "foo-", "net/ipv4/tcp_syncookies", "bar..", "", "kernel.shmmax")
    pod["spec"]["securityContext"] = {"sysctls": [{"name": each, "value": "1"} for each in given]}
    field = "spec.securityContext.sysctls"
    part = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
    why = f"must have at most 253 characters and match regex ^({part}[\\./])*{part}$"
    assert messages(pod) == [
        f'{field}[1].name: Invalid value: "foo-": {why}',
        f'{field}[3].name: Invalid value: "bar..": {why}',
        f"{field}[4].name: Required value",
        f'{field}[5].name: Duplicate value: "kernel.shmmax"',
    ]


def test_a_deployments_pods_have_no_deadline() -> None:
    obj = deployment()
    obj["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 3
    field = "spec.template.spec.activeDeadlineSeconds"
    why = "activeDeadlineSeconds in ReplicaSet is not Supported"
    assert messages(obj) == [f"{field}: Forbidden: {why}"]


def test_the_selector_is_immutable() -> None:
    changed = deployment(selector={"matchLabels": {"app": "new"}})
    changed["spec"]["template"]["metadata"]["labels"] = {"app": "new"}
    assert messages(changed, deployment()) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"new"}}: field is immutable'
    ]


def test_a_pod_may_change_its_image_and_be_bound_but_nothing_else() -> None:
    pod = {**named("Pod", "p"), "spec": {"containers": [{"name": "c", "image": "a"}]}}
    changed = copy.deepcopy(pod)
    changed["spec"] |= {"containers": [{"name": "c", "image": "b"}], "nodeName": "node"}
    assert messages(changed, pod) == []
    changed["spec"]["dnsPolicy"] = "Default"
    assert messages(changed, pod)[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than"
    )


def test_cluster_ip_may_not_change() -> None:
    old = service({"port": 1}, clusterIP="127.10.0.5", clusterIPs=["127.10.0.5"])
    new = service({"port": 1}, clusterIP="127.10.0.6", clusterIPs=["127.10.0.6"])
    assert messages(new, old) == [
        'spec.clusterIPs[0]: Invalid value: ["127.10.0.6"]: may not change once set'
    ]


def test_the_refusal_reads_as_kubectl_prints_it() -> None:
    obj, type_ = complete(deployment(replicas=-1))
    with pytest.raises(ApiError) as refused:
        check(obj, type_)
    assert refused.value.message == (
        'Deployment.apps "web" is invalid: '
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    )


def route(**fields: Any) -> dict[str, Any]:
    return virtual_service(hosts=["a"], http=[{"route": [{"destination": {"host": "a"}, **fields}]}])


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            route(weight="50"),
            'spec.http[0].route[0].weight: Invalid value: "string": '
            'spec.http[0].route[0].weight in body must be of type integer: "string"',
        ),
        (
            virtual_service(hosts="a"),
            'spec.hosts: Invalid value: "string": spec.hosts in body must be of type array: "string"',
        ),
        (
            virtual_service(hosts=["a"], http=[{"route": [{"weight": 1}]}]),
            "spec.http[0].route[0].destination: Required value",
        ),
        (
            virtual_service(hosts=["a"], http=[{"timeout": "0s"}]),
            'spec.http[0].timeout: Invalid value: "string": must be a valid duration greater than 1ms',
        ),
        (
            virtual_service(hosts=["a"], http=[{"timeout": "soon"}]),
            "spec.http[0].timeout: Invalid value: \"string\": type conversion error from 'string' to "
            "'google.protobuf.Duration' evaluating rule: must be a valid duration greater than 1ms",
        ),
        (
            virtual_service(hosts=["a"], http=[{"match": [{"uri": {"exact": "/a", "prefix": "/b"}}]}]),
            '<nil>: Invalid value: "": "spec.http[0].match[0].uri" must validate one and only one schema '
            "(oneOf). Found 2 valid alternatives",
        ),
    ],
)
def test_istio_objects_meet_their_definition(obj: dict[str, Any], expected: str) -> None:
    assert expected in messages(obj)


def test_a_good_virtual_service_passes() -> None:
    assert messages(route(weight=50)) == []


def test_enum_values_are_listed() -> None:
    entry = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "se", "namespace": "dev"},
        "spec": {"hosts": ["a.com"], "location": "MOON", "ports": [{"number": 80, "name": "http"}]},
    }
    found = messages(entry)
    assert found[0] == (
        'spec.location: Unsupported value: "MOON": supported values: "MESH_EXTERNAL", "MESH_INTERNAL"'
    )
    assert found[1].startswith("<nil>: Invalid value: null: some validation rules were not checked")


def every_rule(node: Any) -> set[str]:
    if isinstance(node, list):
        return {rule for item in node for rule in every_rule(item)}
    if not isinstance(node, dict):
        return set()
    own = node.get("x-kubernetes-validations")
    rules = {each["rule"] for each in own} if isinstance(own, list) else set()
    return rules | {rule for value in node.values() for rule in every_rule(value)}


def test_every_rule_of_the_schemas_can_be_asked() -> None:
    found = every_rule(schemas.documented()["custom"])
    assert len(found) > 30
    for rule in found:
        programs.check(rule, "dyn", False, "BOOL")
