"""What the decoder lets through, and its words for the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.request.decode import decode
from labkit.embedded.quantities import amount, quantity
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()

DEPLOYMENT = REGISTRY["deployments.apps"]
VIRTUAL_SERVICE = REGISTRY["virtualservices.networking.istio.io"]
SECRET = REGISTRY["secrets"]


def deployment(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def in_container(**fields: Any) -> dict[str, Any]:
    return deployment(template={"spec": {"containers": [{"name": "c", **fields}]}})


def virtual_service(**spec: Any) -> dict[str, Any]:
    header = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "vs"}}
    return {**header, "spec": spec}


def decoded(obj: Any, type_: Any = DEPLOYMENT, **options: Any) -> Any:
    data = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
    return decode(data, REGISTRY, type_, **options)


def refused(obj: Any, type_: Any = DEPLOYMENT, **options: Any) -> str:
    with pytest.raises(ApiError) as error:
        decoded(obj, type_, **options)
    assert error.value.code == 400
    return error.value.message


FIELD = "into Go struct field "
CANNOT = 'Deployment in version "v1" cannot be handled as a Deployment: '


def test_unknown_fields_are_dropped_with_a_warning() -> None:
    result = decoded(in_container(imag="x", ports=[{"containerPort": 80, "nam": "y"}]))
    assert result.warnings == [
        'unknown field "spec.template.spec.containers[0].imag"',
        'unknown field "spec.template.spec.containers[0].ports[0].nam"',
    ]
    container = result.object["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "c", "ports": [{"containerPort": 80}]}


def test_strict_refuses_and_ignore_says_nothing() -> None:
    obj = deployment(replica=2, selectr={})
    assert refused(obj, field_validation="Strict") == (
        CANNOT + 'strict decoding error: unknown field "spec.replica", unknown field "spec.selectr"'
    )
    assert decoded(obj, field_validation="Ignore").warnings == []


def test_duplicate_fields() -> None:
    body = b'{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1,"replicas":2}}'
    result = decoded(body)
    assert (result.object["spec"], result.warnings) == ({"replicas": 2}, ['duplicate field "spec.replicas"'])


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        (
            deployment(replicas="2"),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=1.5),
            f"json: cannot unmarshal number 1.5 {FIELD}DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=2**40),
            f"json: cannot unmarshal number {2**40} {FIELD}DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(template=[]),
            "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template "
            "of type v1.PodTemplateSpec",
        ),
        (
            in_container(image=5),
            f"json: cannot unmarshal number {FIELD}Container.spec.template.spec.containers.image "
            "of type string",
        ),
        (
            in_container(ports={}),
            f"json: cannot unmarshal object {FIELD}Container.spec.template.spec.containers.ports "
            "of type []v1.ContainerPort",
        ),
        (
            {**deployment(), "metadata": {"labels": {"a": 1}}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            in_container(resources={"limits": {"cpu": "lots"}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_wrong_types_are_told_as_go_tells_them(obj: dict[str, Any], reason: str) -> None:
    assert refused(obj) == CANNOT + reason


def test_secret_data_is_base64() -> None:
    header = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    assert "illegal base64 data at input byte 3" in refused({**header, "data": {"a": "abc!"}}, SECRET)


def test_another_version_or_kind() -> None:
    assert refused({**deployment(), "apiVersion": "apps/v1beta1"}) == (
        "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)"
    )
    assert refused({**deployment(), "kind": "ReplicaSet"}).startswith(
        'ReplicaSet in version "v1" cannot be handled as a Deployment'
    )


def test_a_body_that_is_no_object() -> None:
    assert "couldn't get version/kind; json parse error" in refused(b"{")
    assert "must be of type Deployment" in refused(b"[]")


def test_yaml_bodies_keep_their_dates_as_text() -> None:
    body = b"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  annotations: {day: 2026-01-01, 1: one}\n"
    result = decoded(body, content_type="application/yaml")
    assert result.object["metadata"]["annotations"] == {"day": "2026-01-01", "1": "one"}


def test_broken_yaml_is_refused() -> None:
    assert refused(b"a: [", content_type="application/yaml").startswith(
        "error converting YAML to JSON: yaml:"
    )


def test_nulls_and_empty_lists_are_left_out_as_go_does() -> None:
    result = decoded({**in_container(ports=[], env=None), "metadata": {"name": "d", "labels": {}}})
    assert result.object["metadata"] == {"name": "d"}
    assert result.object["spec"]["template"]["spec"]["containers"] == [{"name": "c"}]


def test_custom_kinds_lose_unknown_fields_but_keep_wrong_types() -> None:
    obj = virtual_service(hosts="a", http=[{"route": [{"wieght": 1, "weight": "1"}]}])
    result = decoded(obj, VIRTUAL_SERVICE)
    assert result.warnings == ['unknown field "spec.http[0].route[0].wieght"']
    assert result.object["spec"] == {"hosts": "a", "http": [{"route": [{"weight": "1"}]}]}
    assert refused(obj, VIRTUAL_SERVICE, field_validation="Strict") == (
        'VirtualService in version "v1" cannot be handled as a VirtualService: '
        'strict decoding error: unknown field "spec.http[0].route[0].wieght"'
    )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0.5", "500m"),
        (0.1, "100m"),
        (1, "1"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("32Mi", "32Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000", "1k"),
        ("100m", "100m"),
        ("0", "0"),
        ("1e3", "1e3"),
    ],
)
def test_quantities_are_canonical(written: Any, canonical: str) -> None:
    assert quantity(written) == canonical


@given(st.integers(-(10**6), 10**6), st.sampled_from(["", "m", "k", "M", "Ki", "Mi"]))
def test_canonical_quantities_keep_their_amount(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert amount(quantity(text)) == amount(text)
    assert quantity(quantity(text)) == quantity(text)
