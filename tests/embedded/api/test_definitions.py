"""CustomResourceDefinitions: served from the write that makes them to the end of their last object.

How they answer is compared with a real API server in tests/kubernetes_api/differential_crds.py.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from labkit.embedded.api import bootstrap
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.objects import stored
from labkit.embedded.store import Store

from .conftest import Api, Kubectl

GROUP = "shop.example"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CARTS = f"/apis/{GROUP}/v1/namespaces/dev/carts"
MERGE = {"Content-Type": "application/merge-patch+json"}


def definition(plural: str = "carts", kind: str = "Cart", **properties: Any) -> dict[str, Any]:
    spec = {"type": "object", "description": "What is in it.", "properties": properties}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [{"name": "Owner", "type": "string", "jsonPath": ".spec.owner"}],
    }
    names = {"plural": plural, "kind": kind, "shortNames": [f"{plural[:2]}x"], "categories": ["all"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def cart(name: str = "mine", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Cart", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def carts(api: Api) -> Api:
    properties = {"owner": {"type": "string", "default": "nobody"}}
    assert api.ask("POST", CRDS, definition(**properties)).status == 201
    return api


def test_it_is_served_at_once(carts: Api) -> None:
    made = carts.ask("POST", CARTS, cart(colour="red"))
    assert made.status == 201
    assert made.json["spec"] == {"owner": "nobody"}
    assert carts.get("/apis/shop.example/v1")["resources"][0]["name"] == "carts"


def test_what_it_says_counts_from_its_change_on(carts: Api) -> None:
    carts.ask("POST", CARTS, cart())
    schema = definition(owner={"type": "string"}, colour={"type": "string", "default": "blue"})
    versions = {"spec": {"versions": schema["spec"]["versions"]}}
    assert carts.ask("PATCH", f"{CRDS}/carts.{GROUP}", versions, MERGE).status == 200
    assert carts.get(f"{CARTS}/mine")["spec"] == {"owner": "nobody", "colour": "blue"}


def test_its_objects_go_with_it_and_those_that_are_kept_keep_it(carts: Api) -> None:
    kept = cart("kept")
    kept["metadata"]["finalizers"] = ["shop.example/till-checked"]
    for each in (cart(), kept):
        assert carts.ask("POST", CARTS, each).status == 201
    assert carts.ask("DELETE", f"{CRDS}/carts.{GROUP}").status == 200
    found = until(lambda: carts.get(CARTS), lambda answer: len(answer["items"]) == 1)
    assert found["items"][0]["metadata"]["name"] == "kept"
    conditions = carts.get(f"{CRDS}/carts.{GROUP}")["status"]["conditions"]
    assert ("Terminating", "True") in [(each["type"], each["status"]) for each in conditions]
    free = {"metadata": {"finalizers": None}}
    assert carts.ask("PATCH", f"{CARTS}/kept", free, MERGE).status == 200
    until(lambda: carts.ask("GET", f"{CRDS}/carts.{GROUP}").status, lambda status: status == 404)
    assert carts.ask("GET", CARTS).status == 404


def until(ask: Any, holds: Any) -> Any:
    """What *ask* answers when it *holds*: the server ends things in turns of its loop."""
    deadline = time.monotonic() + 10
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, answer
    return answer


def test_a_webhook_that_converts(api: Api) -> None:
    made = definition()
    client = {"service": {"name": "s", "namespace": "dev"}}
    hook = {"conversionReviewVersions": ["v1"], "clientConfig": client}
    made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": hook}
    kept = api.ask("POST", CRDS, made)
    assert (kept.status, kept.warnings) == (201, [])
    assert kept.json["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"] == 443


def test_one_that_nobody_can_trust_is_not_served(api: Api) -> None:
    made = definition()
    client = {"url": "https://localhost:1", "caBundle": "bm9uZQ=="}
    hook = {"conversionReviewVersions": ["v1"], "clientConfig": client}
    made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": hook}
    assert api.ask("POST", CRDS, made).status == 201
    path = f"{CRDS}/{made['metadata']['name']}"
    found = until(lambda: api.get(path), lambda obj: len(obj["status"]["conditions"] or ()) == 2)
    reasons = [each["reason"] for each in found["status"]["conditions"]]
    assert reasons == ["NoConflicts", "InvalidCABundle"]
    assert api.ask("GET", CARTS).status == 404


def test_kinds_that_the_mesh_does_not_follow_say_so(api: Api) -> None:
    """A lesson that brings the Gateway API is told at once what acts instead."""
    made = definition("httproutes", "HTTPRoute")
    made["metadata"] |= {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://example.org"},
    }
    made["spec"]["group"] = "gateway.networking.k8s.io"
    defined = api.ask("POST", CRDS, made)
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "r"}}
    kept = api.ask("POST", "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes", route)
    for each in (defined, kept):
        assert each.status == 201
        assert "no proxy follows them here" in each.headers["Warning"]


def test_kubectl_knows_it(carts: Api, kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(cart(owner="ann") | {"kind": "Cart"}))
    kubectl("wait", "--for=condition=Established", f"crd/carts.{GROUP}", "--timeout=10s")
    assert "ann" in kubectl("get", "cax,all", "-n", "default")
    assert "What is in it." in kubectl("explain", "carts.spec")


def test_istios_kinds_are_definitions_like_any_other(api: Api, kubectl: Kubectl) -> None:
    name = "virtualservices.networking.istio.io"
    whole = api.get(f"{CRDS}/{name}")
    assert whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert "http" in kubectl("explain", "virtualservice.spec")
    kubectl("delete", "crd", name)
    assert "could not find the requested resource" in kubectl("get", "virtualservices", fails=True)
    whole["metadata"] = {"name": name}
    kubectl("create", "-f", "-", stdin=json.dumps(whole))
    assert "No resources found" in kubectl("get", "virtualservices", "-A")


def opened(folder: Path) -> tuple[Store, InProcessClient]:
    registry = catalogue.registry(())
    store = Store(folder / "state.db", partial(stored.check, registry), stored.FIRST)
    return store, InProcessClient(store, registry=registry)


def test_a_mesh_from_before_definitions_were_stored_gets_them(tmp_path: Path) -> None:
    store, client = opened(tmp_path)
    for each in ("default", "istio-system"):
        client.create("namespaces", {"metadata": {"name": each}})
    pods = {
        "metadata": {"labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "d", "image": "pilot"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "istiod"}}, "template": pods}
    client.create(
        "deployments.apps", {"metadata": {"name": "istiod", "namespace": "istio-system"}, "spec": spec}
    )
    bootstrap.ensure(client, "127.0.0.1", 6443)
    client.create(
        "telemetries.telemetry.istio.io", {"metadata": {"name": "mesh", "namespace": "default"}, "spec": {}}
    )
    store.close()


def test_what_was_defined_is_there_after_a_restart(tmp_path: Path) -> None:
    store, client = opened(tmp_path)
    client.create("namespaces", {"metadata": {"name": "dev"}})
    client.create("customresourcedefinitions.apiextensions.k8s.io", definition())  # killed before its status
    client.create(f"carts.{GROUP}", {**cart(), "metadata": {"name": "mine", "namespace": "dev"}})
    store.close()
    store, client = opened(tmp_path)
    assert not store.notes, store.notes[0]
    assert client.get(f"carts.{GROUP}", "mine", "dev")["kind"] == "Cart"
    store.close()


def test_what_was_stored_in_another_version_is_there_after_a_restart(tmp_path: Path) -> None:
    crds = "customresourcedefinitions.apiextensions.k8s.io"
    store, client = opened(tmp_path)
    client.create("namespaces", {"metadata": {"name": "dev"}})
    defined = client.create(crds, definition())
    client.create(f"carts.{GROUP}", {**cart(), "metadata": {"name": "mine", "namespace": "dev"}})
    old = defined["spec"]["versions"][0]
    versions = [{**old, "storage": False}, {**old, "name": "v2"}]
    client.update(
        crds, {**client.get(crds, f"carts.{GROUP}"), "spec": {**defined["spec"], "versions": versions}}
    )
    store.close()
    store, client = opened(tmp_path)
    assert not store.notes, store.notes[0]
    assert client.get(f"carts.{GROUP}", "mine", "dev")["apiVersion"] == f"{GROUP}/v1"
    store.close()
