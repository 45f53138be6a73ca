"""Server-side apply: ownership, conflicts, removal, and nothing where nothing changes."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.merge.apply import server_side_apply, track_update
from labkit.embedded.api.merge.fieldsets import decode, encode
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()

DEPLOYMENT = REGISTRY["deployments.apps"]
SERVICE = REGISTRY["services"]
CONFIG_MAP = REGISTRY["configmaps"]
VIRTUAL_SERVICE = REGISTRY["virtualservices.networking.istio.io"]
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=1)


def deployment(**spec: Any) -> dict[str, Any]:
    container = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    body = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": body}


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def virtual_service(*weights: int, version: str = "v1") -> dict[str, Any]:
    route = [{"destination": {"host": f"s{i}"}, "weight": weight} for i, weight in enumerate(weights)]
    return {
        "apiVersion": f"networking.istio.io/{version}",
        "kind": "VirtualService",
        "metadata": {"name": "vs"},
        "spec": {"hosts": ["s"], "http": [{"route": route}]},
    }


def applied(live: Any, config: Any, type_: Any = DEPLOYMENT, manager: str = "me", **options: Any) -> Any:
    options.setdefault("now", NOON)
    result = server_side_apply(live, json.dumps(config).encode(), type_, manager=manager, **options).object
    result["metadata"].setdefault("uid", "u")
    return result


def fields(obj: Any, manager: str = "me", operation: str = "Apply") -> Any:
    entries = obj["metadata"].get("managedFields", [])
    return next(
        (
            each["fieldsV1"]
            for each in entries
            if (each["manager"], each["operation"]) == (manager, operation)
        ),
        None,
    )


def test_apply_creates_with_defaults_and_owns_what_it_said() -> None:
    made = applied(None, deployment(replicas=2))
    assert made["spec"]["strategy"]["type"] == "RollingUpdate"
    owned = fields(made)
    assert owned["f:spec"]["f:replicas"] == {}
    assert owned["f:spec"]["f:selector"] == {}
    ports = owned["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']["f:ports"]
    assert ports == {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}
    assert "f:strategy" not in owned["f:spec"]
    assert "f:name" not in owned.get("f:metadata", {})


def test_applying_the_same_again_changes_nothing() -> None:
    made = applied(None, deployment(replicas=2))
    assert applied(made, deployment(replicas=2), now=LATER) == made


def test_a_field_no_longer_applied_goes() -> None:
    made = applied(None, config_map(a="1", b="2"), CONFIG_MAP)
    assert applied(made, config_map(a="1"), CONFIG_MAP)["data"] == {"a": "1"}


def test_a_field_somebody_else_applies_too_stays() -> None:
    made = applied(None, config_map(a="1", b="2"), CONFIG_MAP)
    both = applied(made, config_map(b="2"), CONFIG_MAP, manager="you")
    left = applied(both, config_map(a="1"), CONFIG_MAP)
    assert left["data"] == {"a": "1", "b": "2"}
    assert fields(left)["f:data"] == {"f:a": {}}


def test_conflict_names_the_manager_and_the_field() -> None:
    made = applied(None, deployment(replicas=2))
    scaled = copy.deepcopy(made)
    scaled["spec"]["replicas"] = 5
    live = track_update(scaled, made, DEPLOYMENT, "kubectl-client-side-apply", now=LATER)
    with pytest.raises(ApiError) as refused:
        applied(live, deployment(replicas=3))
    assert refused.value.code == 409
    assert refused.value.message == (
        "Apply failed with 1 conflict: "
        'conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'
    )
    assert refused.value.details["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-client-side-apply" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_force_takes_the_field() -> None:
    made = applied(None, deployment(replicas=2))
    other = applied(made, deployment(replicas=3), manager="you", force=True)
    assert other["spec"]["replicas"] == 3
    assert "f:replicas" not in fields(other)["f:spec"]
    assert "f:replicas" in fields(other, "you")["f:spec"]


def test_two_conflicts_are_listed_by_manager() -> None:
    made = applied(None, config_map(a="1", b="2"), CONFIG_MAP)
    with pytest.raises(ApiError) as refused:
        applied(made, config_map(a="3", b="4"), CONFIG_MAP, manager="you")
    assert (
        refused.value.message == 'Apply failed with 2 conflicts: conflicts with "me":\n- .data.a\n- .data.b'
    )


def test_equal_values_are_shared_without_conflict() -> None:
    made = applied(None, config_map(a="1"), CONFIG_MAP)
    both = applied(made, config_map(a="1"), CONFIG_MAP, manager="you")
    assert fields(both)["f:data"] == fields(both, "you")["f:data"] == {"f:a": {}}


def test_unknown_field_is_not_declared_in_schema() -> None:
    with pytest.raises(ApiError) as refused:
        applied(None, deployment(replica=2))
    assert refused.value.code == 500
    assert refused.value.message == (
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
        ".spec.replica: field not declared in schema"
    )


def test_wrong_type_and_duplicate_key_are_refused() -> None:
    config = deployment(replicas="two")
    config["spec"]["template"]["spec"]["containers"] *= 2
    with pytest.raises(
        ApiError, match=r'duplicate entries for key \[name="web"\]\n.*replicas: expected numeric'
    ):
        applied(None, config)


def test_another_kind_or_version_is_refused() -> None:
    with pytest.raises(ApiError, match="invalid object type: /v1, Kind=ConfigMap"):
        applied(None, config_map(a="1"))


def test_first_apply_to_an_untracked_object_leaves_its_past_as_owner() -> None:
    live = config_map(a="1")
    live["metadata"]["uid"] = "u"
    with pytest.raises(ApiError, match='conflict with "before-first-apply" using v1'):
        applied(live, config_map(a="2"), CONFIG_MAP)


def test_custom_kinds_own_the_whole_atomic_list_in_any_version() -> None:
    made = applied(None, virtual_service(50, 50), VIRTUAL_SERVICE)
    assert fields(made)["f:spec"] == {"f:hosts": {}, "f:http": {}}
    moved = server_side_apply(
        made,
        json.dumps(virtual_service(90, 10, version="v1alpha3")).encode(),
        VIRTUAL_SERVICE,
        "v1alpha3",
        manager="me",
    ).object
    assert [each["weight"] for each in moved["spec"]["http"][0]["route"]] == [90, 10]
    assert [each["apiVersion"] for each in moved["metadata"]["managedFields"]] == [
        "networking.istio.io/v1alpha3"
    ]


def test_service_ports_merge_by_port_and_protocol() -> None:
    def service(*ports: tuple[str, int]) -> dict[str, Any]:
        listed = [{"name": name, "port": port} for name, port in ports]
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": listed}}

    made = applied(None, service(("a", 1), ("b", 2)), SERVICE)
    both = applied(made, service(("c", 3)), SERVICE, manager="you")
    assert [port["name"] for port in both["spec"]["ports"]] == ["a", "b", "c"]
    left = applied(both, service(("b", 2)), SERVICE)
    assert [port["name"] for port in left["spec"]["ports"]] == ["b", "c"]


def test_yaml_is_accepted() -> None:
    body = yaml.safe_dump(deployment(replicas=2)).encode()
    assert server_side_apply(None, body, DEPLOYMENT, manager="me").object["spec"]["replicas"] == 2


def test_create_tracks_like_the_real_server() -> None:
    obj = track_update(deployment(replicas=2), None, DEPLOYMENT, "kubectl-create", now=NOON)
    (entry,) = obj["metadata"]["managedFields"]
    assert {key: entry[key] for key in ("manager", "operation", "apiVersion", "time", "fieldsType")} == {
        "manager": "kubectl-create",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": "2026-01-01T12:00:00Z",
        "fieldsType": "FieldsV1",
    }
    spec = entry["fieldsV1"]["f:spec"]
    assert "." not in spec
    assert spec["f:template"]["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    containers = spec["f:template"]["f:spec"]["f:containers"]
    assert list(containers) == ['k:{"name":"web"}']
    assert set(containers['k:{"name":"web"}']) == {".", "f:image", "f:name", "f:ports"}


def test_an_update_takes_what_it_changes_and_no_more() -> None:
    made = applied(None, deployment(replicas=2))
    changed = copy.deepcopy(made)
    changed["spec"]["replicas"] = 3
    tracked = track_update(changed, made, DEPLOYMENT, "kubectl-scale", now=LATER)
    assert fields(tracked, "kubectl-scale", "Update") == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in fields(tracked)["f:spec"]


def test_an_update_that_changes_nothing_keeps_the_times() -> None:
    made = applied(None, deployment(replicas=2))
    assert track_update(copy.deepcopy(made), made, DEPLOYMENT, "anyone", now=LATER) == made


def test_status_and_spec_belong_to_different_doors() -> None:
    made = applied(None, deployment(replicas=2))
    changed = copy.deepcopy(made)
    changed["status"] = {"replicas": 2}
    tracked = track_update(changed, made, DEPLOYMENT, "controller", subresource="status", now=LATER)
    entry = tracked["metadata"]["managedFields"][-1]
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:replicas": {}}})


def test_managers_can_be_cleared_and_edited_by_a_client() -> None:
    made = applied(None, config_map(a="1"), CONFIG_MAP)
    cleared = copy.deepcopy(made)
    cleared["metadata"]["managedFields"] = []
    assert "managedFields" not in track_update(cleared, made, CONFIG_MAP, "x")["metadata"]
    edited = copy.deepcopy(made)
    edited["metadata"]["managedFields"][0]["manager"] = "kubectl"
    tracked = track_update(edited, made, CONFIG_MAP, "x", now=LATER)
    assert fields(tracked, "kubectl") == fields(made)


def test_kubectl_takes_over_from_client_side_apply_without_force() -> None:
    live = config_map(a="1")
    live["metadata"] |= {
        "uid": "u",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(config_map(a="1"))},
    }
    live = track_update(live, None, CONFIG_MAP, "kubectl-client-side-apply", now=NOON)
    taken = applied(live, config_map(a="2"), CONFIG_MAP, manager="kubectl")
    assert taken["data"] == {"a": "2"}
    last = json.loads(taken["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    assert last["data"] == {"a": "2"}


ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple)


@given(st.sets(PATHS, max_size=12))
def test_fields_survive_the_wire(paths: set[tuple[str, ...]]) -> None:
    assert decode(encode(paths)) == paths


DATA = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2"]), max_size=5)


@given(DATA, DATA)
def test_apply_is_idempotent_and_ends_at_what_was_said(first: dict[str, str], second: dict[str, str]) -> None:
    live = applied(applied(None, config_map(**first), CONFIG_MAP), config_map(**second), CONFIG_MAP)
    assert live.get("data", {}) == second
    assert applied(live, config_map(**second), CONFIG_MAP, now=LATER) == live


@given(DATA, DATA)
def test_two_appliers_leave_the_union(mine: dict[str, str], yours: dict[str, str]) -> None:
    live = applied(None, config_map(**mine), CONFIG_MAP)
    live = applied(live, config_map(**yours), CONFIG_MAP, manager="you", force=True)
    assert live.get("data", {}) == mine | yours
    gone = applied(live, config_map(), CONFIG_MAP)
    assert gone.get("data", {}) == yours
