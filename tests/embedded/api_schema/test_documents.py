"""Discovery and OpenAPI: every reference resolves, every kind can be explained."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labkit.embedded.api.describe import discovery, openapi
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.types import schemas

REGISTRY = catalogue.registry()
OPENAPI = openapi.OpenApi(REGISTRY)

KEYS = list(OPENAPI.v3_index()["paths"])


def document(key: str) -> Any:
    body = OPENAPI.v3(key)
    assert body
    return json.loads(body)


def complete(obj: dict[str, Any]) -> None:
    type_ = REGISTRY.find_kind(obj["apiVersion"], obj["kind"])
    assert type_
    catalogue.of(type_).default(obj)


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {found for item in node for found in references(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own | {found for value in node.values() for found in references(value)}


def kinds(schemas_: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (each["group"], each["version"], each["kind"])
        for schema in schemas_.values()
        for each in schema.get("x-kubernetes-group-version-kind", [])
    }


@pytest.mark.parametrize("key", KEYS)
def test_every_reference_of_v3_resolves(key: str) -> None:
    content = document(key)
    names = {f"#/components/schemas/{name}" for name in content["components"]["schemas"]}
    assert references(content) <= names


def test_every_kind_of_every_version_is_documented_and_patchable() -> None:
    for type_ in REGISTRY.values():
        for version in type_.versions:
            root = f"apis/{type_.group}/{version}" if type_.group else f"api/{version}"
            content = document(root)
            kind = (type_.group, version, type_.kind)
            assert kind in kinds(content["components"]["schemas"]), type_.name
            patches = [
                item["patch"]
                for path, item in content["paths"].items()
                if f"/{type_.plural}/" in path and "patch" in item
            ]
            if "patch" in type_.verbs:
                assert any(query["name"] == "fieldValidation" for query in patches[0]["parameters"])
                strategic = "application/strategic-merge-patch+json" in patches[0]["requestBody"]["content"]
                assert strategic is not type_.custom


def test_v2_is_whole_in_json() -> None:
    content = json.loads(OPENAPI.v2_json())
    assert references(content) <= {f"#/definitions/{name}" for name in content["definitions"]}
    served = {(t.group, version, t.kind) for t in REGISTRY.values() for version in t.versions}
    assert served <= kinds(content["definitions"])


def test_v2_protobuf_holds_every_definition() -> None:
    body = OPENAPI.v2_protobuf()
    for name in json.loads(OPENAPI.v2_json())["definitions"]:
        assert name.encode() in body


def test_unknown_group_versions_have_no_document() -> None:
    assert OPENAPI.v3("apis/apps/v9") is None
    assert OPENAPI.v3("apis/nope/v1") is None


def test_weight_is_described() -> None:
    schema = document("apis/networking.istio.io/v1")["components"]["schemas"][
        "io.istio.networking.v1.VirtualService"
    ]
    http = schema["properties"]["spec"]["properties"]["http"]
    weight = http["items"]["properties"]["route"]["items"]["properties"]["weight"]
    assert (weight["type"], "proportion of traffic" in weight["description"]) == ("integer", True)


def test_old_and_aggregated_discovery_agree() -> None:
    for group, versions in REGISTRY.groups().items():
        for version in versions:
            old = discovery.resource_list(REGISTRY, group, version)
            assert old
            names = {each["name"] for each in old["resources"]}
            items = discovery.aggregated(REGISTRY, "/apis" if group else "/api", "v2")["items"]
            (found,) = [each for each in items if each["metadata"].get("name", "") == group]
            (entry,) = [each for each in found["versions"] if each["version"] == version]
            new = {each["resource"] for each in entry["resources"]} | {
                f"{each['resource']}/{sub['subresource']}"
                for each in entry["resources"]
                for sub in each.get("subresources", [])
            }
            assert names == new


def test_preferred_versions_come_first() -> None:
    found = discovery.group(REGISTRY, "networking.istio.io")
    assert found
    assert [each["version"] for each in found["versions"]] == ["v1", "v1beta1", "v1alpha3"]
    assert discovery.group(REGISTRY, "nope.io") is None


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", "v2"),
        ("application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2beta1", "v2beta1"),
        ("application/json, */*", ""),
    ],
)
def test_aggregated_discovery_is_asked_for(accept: str, version: str) -> None:
    assert discovery.is_aggregated(accept) == version


def test_lookups() -> None:
    assert REGISTRY["deployments.apps"].kind == "Deployment"
    assert REGISTRY.find("apps", "v1", "deployments") is REGISTRY["deployments.apps"]
    assert REGISTRY.find("apps", "v2", "deployments") is None
    found = REGISTRY.find_kind("networking.istio.io/v1alpha3", "VirtualService")
    assert found
    assert found.short_names == ("vs",)


def test_the_data_file_says_where_it_comes_from() -> None:
    provenance = schemas.documented()["provenance"]
    assert all("Apache-2.0" in text for text in provenance.values())


def test_the_data_file_is_what_the_package_says() -> None:
    pytest.importorskip("kubernetes_validate")
    from labkit.embedded.api.generated import schemas as generate

    definitions = generate.kubernetes_definitions(generate.installed_kubernetes())
    shipped = schemas.documented()["definitions"]
    assert {name: definitions[name] for name in shipped} == shipped


def test_defaults_of_a_deployment() -> None:
    containers = [{"name": "c", "image": "c", "readinessProbe": {"httpGet": {"port": 1}}}]
    spec = {"template": {"spec": {"containers": containers}}}
    obj: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}
    complete(obj)
    assert obj["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (obj["spec"]["replicas"], obj["spec"]["progressDeadlineSeconds"]) == (1, 600)
    container = obj["spec"]["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "Always"
    assert container["readinessProbe"]["httpGet"] == {"port": 1, "path": "/", "scheme": "HTTP"}
    assert container["readinessProbe"]["failureThreshold"] == 3


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("host:5000/a", "Always"),
        ("a:1", "IfNotPresent"),
        ("host:5000/a:1", "IfNotPresent"),
        ("a@sha256:0", "IfNotPresent"),
        ("a:latest@sha256:0", "Always"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": image}]}}
    complete(obj)
    assert obj["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_defaults_are_idempotent() -> None:
    for kind in ("Pod", "Service", "Secret"):
        obj: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": kind,
            "spec": {"containers": [{"image": "a"}], "ports": [{"port": 1}]},
        }
        complete(obj)
        again = json.loads(json.dumps(obj))
        complete(again)
        assert again == obj
