"""What is served may change while the server runs; everything that was worked out from it changes along."""

from __future__ import annotations

import json

import pytest

from labkit.embedded.api.describe import discovery
from labkit.embedded.api.describe.openapi import OpenApi
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.request.decode import decode
from labkit.embedded.api.request.target import resolve
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.status import ApiError

TELEMETRY = catalogue.registry()["telemetries.telemetry.istio.io"]
GROUP, VERSION = TELEMETRY.group, TELEMETRY.versions[0]
COLLECTION = f"/apis/{GROUP}/{VERSION}/namespaces/dev/telemetries"


@pytest.fixture
def registry() -> Registry:
    """Without Telemetry, and asked for everything once."""
    made = catalogue.registry()
    made.remove(TELEMETRY.name)
    assert not any(sees(made).values())
    return made


def sees(registry: Registry) -> dict[str, bool]:
    """Who knows of Telemetry."""
    documents = OpenApi(registry)
    aggregated = discovery.aggregated(registry, "/apis", "v2")["items"]
    return {
        "path": resolve(registry, COLLECTION) is not None,
        "groups": discovery.group(registry, GROUP) is not None,
        "resources": discovery.resource_list(registry, GROUP, VERSION) is not None,
        "aggregated": GROUP in {each["metadata"].get("name") for each in aggregated},
        "openapi v3": documents.v3(f"apis/{GROUP}/{VERSION}") is not None,
        "openapi index": f"apis/{GROUP}/{VERSION}" in documents.v3_index()["paths"],
        "openapi v2": b"io.istio.telemetry.v1.Telemetry" in documents.v2_json(),
        "openapi protobuf": b"io.istio.telemetry.v1.Telemetry" in documents.v2_protobuf(),
        "decoding": "unknown conversion" in why_not(registry),
    }


def why_not(registry: Registry) -> str:
    """How a Telemetry is refused where a Scale is wanted."""
    body = json.dumps({"apiVersion": f"{GROUP}/{VERSION}", "kind": "Telemetry"}).encode()
    with pytest.raises(ApiError) as refused:
        decode(body, registry, registry["deployments.apps"], kind="Scale")
    return str(refused.value)


def test_a_type_that_comes_is_seen_at_once_and_one_that_goes_no_more(registry: Registry) -> None:
    before, tag = registry.generation, OpenApi(registry).v2_etag()
    registry.add(TELEMETRY)
    assert set(sees(registry).values()) == {True}
    assert registry.generation == before + 1
    assert OpenApi(registry).v2_etag() != tag
    registry.remove(TELEMETRY.name)
    assert set(sees(registry).values()) == {False}
    assert OpenApi(registry).v2_etag() == tag


def test_what_is_derived_is_made_once_a_generation(registry: Registry) -> None:
    assert discovery.aggregated(registry, "/apis", "v2") is discovery.aggregated(registry, "/apis", "v2")
    assert OpenApi(registry).v2_json() is OpenApi(registry).v2_json()


def test_what_was_begun_before_a_change_is_not_kept_after_it(registry: Registry) -> None:
    def made_while_a_type_comes() -> str:
        registry.add(TELEMETRY)
        return "of the old generation"

    assert registry.derived("x", made_while_a_type_comes) == "of the old generation"
    assert registry.derived("x", lambda: "of the new one") == "of the new one"


def test_two_registries_share_nothing() -> None:
    one, other = catalogue.registry(), catalogue.registry()
    one.remove(TELEMETRY.name)
    assert TELEMETRY.name in other
    assert TELEMETRY.name not in one
