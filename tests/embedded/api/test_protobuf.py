"""Protobuf bodies, as kubectl 1.32 and later send them."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.embedded.api.types import protobuf
from labkit.embedded.status import ApiError

TYPE = {"Content-Type": protobuf.CONTENT_TYPE}


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """The wire form of (number, value) pairs."""
    encoded = b""
    for number, value in fields:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value & (1 << 64) - 1)
        else:
            data = value.encode() if isinstance(value, str) else value
            encoded += varint(number << 3 | 2) + varint(len(data)) + data
    return encoded


def body(api_version: str, kind: str, content: bytes) -> bytes:
    return b"k8s\0" + message((1, message((1, api_version), (2, kind))), (2, content), (3, ""), (4, ""))


def entry(key: str, value: str | bytes) -> bytes:
    return message((1, key), (2, value))


META = message((1, "web"), (2, ""), (3, ""), (7, 0), (8, b""), (11, entry("app", "web")))


def test_a_deployment_is_read_as_its_json():
    port = message((1, ""), (2, 0), (3, 8080), (4, "TCP"))
    action = message((1, "/healthz"), (2, message((1, 1), (3, "http"))), (3, ""))
    probe = message((1, message((2, action))), (2, 5))
    limits = entry("memory", message((1, "32Mi")))
    container = message((1, "app"), (2, "app:1"), (6, port), (8, message((1, limits))), (11, probe), (16, 0))
    volume = message((1, "v"), (2, message((6, message((1, "secret"))))))
    pod_spec = message((1, volume), (2, container), (4, 0), (11, 0))
    replicas, selector = 0, message((1, entry("app", "web")))
    spec = message((1, replicas), (2, selector), (3, message((1, META), (2, pod_spec))), (5, 0), (7, 0))
    made = protobuf.to_object(body("apps/v1", "Deployment", message((1, META), (2, spec), (3, b""))))
    assert made["metadata"] == {"name": "web", "labels": {"app": "web"}}
    assert made["spec"]["replicas"] == 0  # a pointer in Go: zero is a value
    assert "minReadySeconds" not in made["spec"]  # none: zero is nothing
    inside = made["spec"]["template"]["spec"]
    assert inside["terminationGracePeriodSeconds"] == 0
    assert inside["volumes"] == [{"name": "v", "secret": {"secretName": "secret"}}]
    only = inside["containers"][0]
    assert only["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert only["resources"] == {"limits": {"memory": "32Mi"}}
    assert only["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_special_values():
    secret = message((1, META), (2, entry("key", b"\xff\x00")), (3, "Opaque"))
    assert protobuf.to_object(body("v1", "Secret", secret))["data"] == {"key": "/wA="}
    moment = message((1, 1_700_000_000), (2, 123_456_000))
    lease = message((1, META), (2, message((1, "me"), (3, moment))))
    assert protobuf.to_object(body("coordination.k8s.io/v1", "Lease", lease))["spec"] == {
        "holderIdentity": "me",
        "acquireTime": "2023-11-14T22:13:20.123456Z",
    }
    early = message((1, -62_135_596_770))  # the year 1 and half a minute, as upstream's own suite has it
    lease = message((1, META), (2, message((3, early), (4, message((1, -62_135_596_800))))))
    assert protobuf.to_object(body("coordination.k8s.io/v1", "Lease", lease))["spec"] == {
        "acquireTime": "0001-01-01T00:00:30.000000Z",
        "renewTime": None,
    }
    taints = message((1, "key"), (2, "Exists"))
    pod = message((1, META), (2, message((22, taints), (22, taints))))
    tolerations = protobuf.to_object(body("v1", "Pod", pod))["spec"]["tolerations"]
    assert tolerations == [{"key": "key", "operator": "Exists"}] * 2
    extra = entry("scopes", message((1, "a"), (1, "b")))
    review = message((2, message((5, extra))))
    spec = protobuf.to_object(body("authorization.k8s.io/v1", "SubjectAccessReview", review))["spec"]
    assert spec == {"extra": {"scopes": ["a", "b"]}}
    options = message((1, 0), (2, message((1, "a-uid"))), (4, "Background"))
    assert protobuf.to_object(body("v1", "DeleteOptions", options)) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "a-uid"},
        "propagationPolicy": "Background",
    }


def test_a_definition_is_read_as_its_json():
    """Numbers and values of any form, and the places where a schema may be something else."""
    most = varint(9 << 3 | 1) + struct.pack("<d", 10.0)
    text = message((5, "string"))
    listed = message((5, "array"), (24, message((1, text))), (44, message((1, "size(self) > 0"))))
    properties = (
        (29, entry("n", message((5, "integer"), (8, message((1, "5")))) + most)),
        (29, entry("l", listed)),
    )
    schema = message((5, "object"), *properties, (30, message((2, text))), (33, message((1, 1))))
    version = message((1, "v1"), (2, 1), (3, 0), (4, message((1, schema))), (5, message((1, b""))))
    made = protobuf.to_object(
        body(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            message((1, META), (2, message((7, version)))),
        )
    )
    assert made["spec"]["versions"] == [
        {
            "name": "v1",
            "served": True,
            "subresources": {"status": {}},
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "additionalItems": True,
                    "properties": {
                        "n": {"type": "integer", "default": 5, "maximum": 10},
                        "l": {
                            "type": "array",
                            "items": {"type": "string"},
                            "x-kubernetes-validations": [{"rule": "size(self) > 0"}],
                        },
                    },
                }
            },
        }
    ]


def test_what_is_written_in_protobuf_is_stored(api):
    made = api.ask("POST", "/api/v1/namespaces", body("v1", "Namespace", message((1, META))), TYPE)
    assert (made.status, made.json["metadata"]["labels"]["app"]) == (201, "web")
    zero = body("v1", "DeleteOptions", message((1, 0)))
    assert api.ask("DELETE", "/api/v1/namespaces/web", zero, TYPE).status == 200


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{}", 400),
        (body("v1", "Unicorn", b""), 415),
        (body("v1", "Pod", b"\x0a\x7fshort"), 400),
        (body("v1", "Pod", b"\x0b"), 400),
    ],
)
def test_bodies_that_are_none(api, data: bytes, code: int):
    answer = api.ask("POST", "/api/v1/namespaces/dev/pods", data, TYPE)
    assert (answer.status, answer.json["kind"]) == (code, "Status")


@given(st.binary(max_size=64))
def test_noise_is_refused_or_read_but_never_a_fault(noise: bytes):
    for data in (noise, b"k8s\0" + noise, body("v1", "Pod", noise)):
        assert outcome(data) in ("Pod", 400, 415)


def outcome(data: bytes) -> Any:
    """The kind that was read, or the code of the refusal."""
    try:
        return protobuf.to_object(data)["kind"]
    except ApiError as refused:
        return refused.code
