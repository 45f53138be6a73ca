"""JSON, merge and strategic merge patch."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.merge.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, apply_patch, merge_patch
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()

DEPLOYMENT = REGISTRY["deployments.apps"]
VIRTUAL_SERVICE = REGISTRY["virtualservices.networking.istio.io"]


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    listed = list(containers) or [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]
    body = {"replicas": 1, "template": {"spec": {"containers": listed}}, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": body}


def patched(patch: Any, content_type: str = STRATEGIC_PATCH, current: Any = None, **options: Any) -> Any:
    body = json.dumps(patch).encode()
    return apply_patch(content_type, current or deployment(), body, DEPLOYMENT, **options).object


def containers_of(obj: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["name"], each["image"]) for each in obj["spec"]["template"]["spec"]["containers"]]


def pods(*containers: Any, **rest: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **rest}}}}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_rfc_7386(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(copy.deepcopy(target), patch) == result


def test_strategic_merge_knows_containers_by_name() -> None:
    assert containers_of(patched(pods({"name": "b", "image": "b:2"}))) == [("a", "a:1"), ("b", "b:2")]
    added = patched(pods({"name": "c", "image": "c:1"}))
    assert [name for name, _ in containers_of(added)] == ["c", "a", "b"]  # as the real server has it


def test_strategic_merge_deletes_and_replaces() -> None:
    assert containers_of(patched(pods({"name": "a", "$patch": "delete"}))) == [("b", "b:1")]
    replaced = patched(pods({"name": "z", "image": "z"}, {"$patch": "replace"}))
    assert containers_of(replaced) == [("z", "z")]


def test_strategic_merge_orders_as_told() -> None:
    order = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}
    assert [name for name, _ in containers_of(patched(pods(**order)))] == ["b", "a"]
    patch = {"spec": {"template": {"spec": {**order, "containers": [{"name": "a", "image": "a:2"}]}}}}
    assert containers_of(patched(patch)) == [("b", "b:1"), ("a", "a:2")]


def test_strategic_merge_keeps_the_servers_own_items_in_place() -> None:
    live = deployment(
        {"name": "a", "image": "1"}, {"name": "proxy", "image": "p"}, {"name": "b", "image": "1"}
    )
    order = {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]}
    patch = {"spec": {"template": {"spec": {**order, "containers": [{"name": "b", "image": "2"}]}}}}
    assert containers_of(patched(patch, current=live)) == [("a", "1"), ("proxy", "p"), ("b", "2")]


def test_retain_keys_switches_the_strategy() -> None:
    live = deployment(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched(patch, current=live)["spec"]["strategy"] == {"type": "Recreate"}


def test_finalizers_are_a_merged_list_of_strings() -> None:
    live = deployment()
    live["metadata"]["finalizers"] = ["a/1", "b/2"]
    added = patched({"metadata": {"finalizers": ["c/3"]}}, current=live)
    assert added["metadata"]["finalizers"] == ["c/3", "a/1", "b/2"]
    removed = patched({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/1"]}}, current=live)
    assert removed["metadata"]["finalizers"] == ["b/2"]


def test_null_removes() -> None:
    assert "replicas" not in patched({"spec": {"replicas": None}})["spec"]


def test_strategic_merge_needs_the_merge_key() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        patched(pods({"image": "x"}))


def test_custom_kinds_have_no_strategic_merge() -> None:
    with pytest.raises(ApiError) as refused:
        apply_patch(STRATEGIC_PATCH, {}, b"{}", VIRTUAL_SERVICE)
    assert refused.value.code == 415
    assert "accepted media types include: application/json-patch+json" in refused.value.message


def test_json_patch() -> None:
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        {"op": "remove", "path": "/spec/template/spec/containers/0"},
    ]
    result = patched(operations, JSON_PATCH)
    assert (result["spec"]["replicas"], result["metadata"]["labels"]) == (3, {"a": "b"})
    assert containers_of(result) == [("b", "b:1")]


def test_json_patch_that_does_not_fit_is_422() -> None:
    with pytest.raises(ApiError) as refused:
        patched([{"op": "test", "path": "/spec/replicas", "value": 2}], JSON_PATCH)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    with pytest.raises(ApiError) as refused:
        patched({"spec": {}}, JSON_PATCH)
    assert refused.value.code == 400


def test_unknown_fields_in_a_patch() -> None:
    warned = apply_patch(MERGE_PATCH, deployment(), b'{"spec":{"replica":2}}', DEPLOYMENT)
    assert warned.warnings == ['unknown field "spec.replica"']
    assert "replica" not in warned.object["spec"]
    with pytest.raises(ApiError, match=r'strict decoding error: unknown field "spec\.replica"'):
        patched({"spec": {"replica": 2}}, MERGE_PATCH, field_validation="Strict")


def test_wrong_types_in_a_patch_are_422() -> None:
    with pytest.raises(ApiError) as refused:
        patched({"spec": {"replicas": "two"}}, MERGE_PATCH)
    assert refused.value.code == 422
    assert (
        "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas" in refused.value.message
    )


def test_the_live_object_is_left_alone() -> None:
    live = deployment()
    before = copy.deepcopy(live)
    patched(pods({"name": "a", "image": "new"}), current=live)
    patched({"spec": {"replicas": 7}}, MERGE_PATCH, current=live)
    assert live == before


IMAGES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"]), min_size=1)


@given(IMAGES, IMAGES)
def test_strategic_merge_of_containers_is_a_union(live: dict[str, str], patch: dict[str, str]) -> None:
    current = deployment(*({"name": name, "image": image} for name, image in live.items()))
    result = patched(pods(*({"name": n, "image": i} for n, i in patch.items())), current=current)
    assert dict(containers_of(result)) == live | patch


@given(IMAGES, IMAGES)
def test_an_order_directive_and_deletions_reach_any_list(
    live: dict[str, str], wanted: dict[str, str]
) -> None:
    """What kubectl computes to get from one list to another gets there, in order."""
    current = deployment(*({"name": name, "image": image} for name, image in live.items()))
    order = {"$setElementOrder/containers": [{"name": name} for name in wanted]}
    gone = [{"name": name, "$patch": "delete"} for name in live.keys() - wanted.keys()]
    given_ = [{"name": name, "image": image} for name, image in wanted.items()]
    patch = {"spec": {"template": {"spec": {**order, "containers": given_ + gone}}}}
    assert containers_of(patched(patch, current=current)) == list(wanted.items())
