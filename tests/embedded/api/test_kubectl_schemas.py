"""kubectl against the schema side: definitions, OpenAPI in both versions, field managers' moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FIRST_WITH_SERVER_SIDE_VALIDATION = 27


@pytest.fixture(autouse=True)
def _new_enough(kubectl: Any) -> None:
    client = json.loads(kubectl("version", "--client", "-o", "json"))["clientVersion"]
    if int(client["minor"].rstrip("+")) < FIRST_WITH_SERVER_SIDE_VALIDATION:
        pytest.skip("this kubectl validates by itself and has none of the flags used here")


VIRTUAL_SERVICE = {
    "apiVersion": "networking.istio.io/v1alpha3",
    "kind": "VirtualService",
    "metadata": {"name": "vs", "namespace": "dev"},
    "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]},
}


def config_map(**data: str) -> str:
    metadata = {"name": "c", "namespace": "dev"}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def managers(kubectl: Any, *resource: str) -> list[tuple[str, str]]:
    obj = json.loads(kubectl("get", *resource, "-n", "dev", "-o", "json", "--show-managed-fields"))
    return sorted((each["manager"], each["operation"]) for each in obj["metadata"]["managedFields"])


def test_the_meshs_definitions_are_there(kubectl: Any) -> None:
    listed = kubectl("get", "crd")
    assert listed.split()[:3] == ["NAME", "CREATED", "AT"]
    assert "virtualservices.networking.istio.io" in listed
    found = json.loads(kubectl("get", "crd", "virtualservices.networking.istio.io", "-o", "json"))
    stored = [each["name"] for each in found["spec"]["versions"] if each["storage"]]
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert (stored, "http" in schema["properties"]["spec"]["properties"]) == (["v1"], True)


def test_explain_reads_the_old_openapi_too(kubectl: Any) -> None:
    path = "virtualservice.spec.http.route.weight"
    assert "proportion of traffic" in kubectl("explain", path, "--output", "plaintext-openapiv2")
    assert "proportion of traffic" in kubectl("explain", path, "--api-version", "networking.istio.io/v1beta1")


def test_going_from_client_side_to_server_side_apply_needs_no_force(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=config_map(a="1", b="2"))
    assert managers(kubectl, "cm", "c") == [("kubectl-client-side-apply", "Update")]
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map(a="3"))
    found = json.loads(kubectl("get", "cm", "c", "-n", "dev", "-o", "json"))
    assert found["data"] == {"a": "3"}
    assert ("kubectl", "Apply") in managers(kubectl, "cm", "c")
    assert ("kubectl-client-side-apply", "Update") not in managers(kubectl, "cm", "c")


def test_applying_nothing_new_keeps_the_revision(kubectl: Any) -> None:
    def revision() -> str:
        return str(kubectl("get", "vs", "vs", "-n", "dev", "-o", "jsonpath={.metadata.resourceVersion}"))

    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(VIRTUAL_SERVICE))
    first = revision()
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(VIRTUAL_SERVICE))
    assert revision() == first


@pytest.mark.parametrize("flag", ["--validate=strict", "--validate=warn"])
def test_an_unknown_field_is_an_error_or_a_warning(kubectl: Any, tmp_path: Path, flag: str) -> None:
    wrong = {**VIRTUAL_SERVICE, "spec": {**VIRTUAL_SERVICE["spec"], "host": ["b"]}}  # type: ignore[dict-item]
    strict = flag.endswith("strict")
    printed = kubectl("apply", flag, "-f", "-", stdin=json.dumps(wrong), fails=strict)
    assert 'unknown field "spec.host"' in printed
    assert ("strict decoding error" in printed) is strict
    assert ("created" in printed) is not strict


def test_server_side_apply_names_the_undeclared_field(kubectl: Any) -> None:
    wrong = {**VIRTUAL_SERVICE, "spec": {"hosts": ["a"], "htttp": []}}
    printed = kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(wrong), fails=True)
    assert (
        "failed to create typed patch object (dev/vs; networking.istio.io/v1alpha3, Kind=VirtualService): "
        ".spec.htttp: field not declared in schema"
    ) in printed


def test_all_versions_show_one_object(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(VIRTUAL_SERVICE))
    for version in ("v1", "v1beta1", "v1alpha3"):
        resource = f"virtualservices.{version}.networking.istio.io"
        found = json.loads(kubectl("get", resource, "vs", "-n", "dev", "-o", "json"))
        assert (found["apiVersion"], found["spec"]) == (
            f"networking.istio.io/{version}",
            VIRTUAL_SERVICE["spec"],
        )
