"""What a write to ``/status`` changes besides the status: as the strategies of the real server say."""

import pytest

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
APPLY_PATCH = {"Content-Type": "application/apply-patch+yaml"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
CHANGE = {
    "labels": {"new": "label"},
    "annotations": {"x": "y"},
    "finalizers": ["example.com/f"],
    "ownerReferences": [OWNER],
}
CONTAINERS = [{"name": "c", "image": "i"}]
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": CONTAINERS}}
WORKLOAD = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE, "replicas": 0}
IN_DEV = "namespaces/dev"
KINDS = {
    # path, spec, fields of the metadata that stay as they were
    "services": (f"/api/v1/{IN_DEV}/services", {"ports": [{"port": 80}]}, ()),
    "pods": (f"/api/v1/{IN_DEV}/pods", {"containers": CONTAINERS}, ("ownerReferences",)),
    "deployments": (f"/apis/apps/v1/{IN_DEV}/deployments", WORKLOAD, ("labels",)),
    "replicasets": (f"/apis/apps/v1/{IN_DEV}/replicasets", WORKLOAD, ()),
    "namespaces": ("/api/v1/namespaces", {}, ()),
    "nodes": ("/api/v1/nodes", {}, ()),
    "virtualservices": (
        f"/apis/networking.istio.io/v1/{IN_DEV}/virtualservices",
        {"hosts": ["h"], "http": [{"route": [{"destination": {"host": "h"}}]}]},
        tuple(CHANGE),
    ),
}


@pytest.fixture(params=KINDS)
def made(api, request):
    path, spec, kept = KINDS[request.param]
    group = path.split("/")[1:4]
    api_version = "v1" if group[0] == "api" else f"{group[1]}/{group[2]}"
    kind = {"virtualservices": "VirtualService", "replicasets": "ReplicaSet"}.get(
        request.param, request.param[:-1].capitalize()
    )
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    assert api.ask("POST", path, body).status == 201
    return f"{path}/a", body, kept


def test_a_patch_of_the_status(api, made):
    path, _, kept = made
    before = api.get(path)
    answer = api.ask("PATCH", f"{path}/status", {"metadata": CHANGE, "spec": {"bogus": 1}}, MERGE_PATCH)
    assert answer.status == 200, answer.body
    after = api.get(path)
    for key, value in CHANGE.items():
        found = after["metadata"].get(key)
        if key in kept:
            assert found == before["metadata"].get(key), key
        elif isinstance(value, dict):
            assert value.items() <= found.items(), key
        else:
            assert found == value, key
    assert after.get("spec") == before.get("spec")
    assert after["metadata"].get("generation") == before["metadata"].get("generation")


def test_bad_metadata_is_refused(api, made):
    path, _, kept = made
    for bad in ({"annotations": {"a b": "c"}}, {"labels": {"a": "b c"}}):
        answer = api.ask("PATCH", f"{path}/status", {"metadata": bad}, MERGE_PATCH)
        assert answer.status == (200 if set(bad) & set(kept) else 422), answer.body


def test_who_applies_a_status_owns_what_he_changed(api, made):
    path, body, kept = made
    status = {"metadata": {"annotations": {"x": "y"}, "labels": {"new": "label"}}}
    applied = {key: body[key] for key in ("apiVersion", "kind")} | status
    answer = api.ask("PATCH", f"{path}/status?fieldManager=me", applied, APPLY_PATCH)
    assert answer.status == 200, answer.body
    fields = [
        each["fieldsV1"] for each in api.get(path)["metadata"]["managedFields"] if each["manager"] == "me"
    ]
    owned = set(fields[0]["f:metadata"]) if fields else set()
    assert owned == {f"f:{key}" for key in ("annotations", "labels") if key not in kept}


def test_kubectl(api, kubectl):
    kubectl("create", "service", "clusterip", "web", "-n", "dev", "--tcp=80")
    change = '{"metadata":{"annotations":{"x":"y"}}}'
    said = kubectl("patch", "svc", "web", "-n", "dev", "--subresource=status", "--type=merge", "-p", change)
    assert said == "service/web patched\n"
    said = kubectl("patch", "svc", "web", "-n", "dev", "--subresource=status", "--type=merge", "-p", change)
    assert said == "service/web patched (no change)\n"
