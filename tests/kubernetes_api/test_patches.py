"""PUT and the three patches that change an object in place."""

import pytest

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def path(core, config_map):
    return f"{core}/configmaps/{config_map['metadata']['name']}"


@pytest.fixture
def web(api_server, deployments, deployment):
    """The path of a Deployment."""
    assert api_server.ask("POST", deployments, deployment).code == 201
    return f"{deployments}/{deployment['metadata']['name']}"


def test_a_put_replaces(api_server, path, config_map):
    done = api_server.ask("PUT", path, {**config_map, "data": {"other": "1"}})
    assert (done.code, done.json["data"]) == (200, {"other": "1"})
    assert done.json["metadata"]["uid"] == config_map["metadata"]["uid"]


def test_a_put_of_an_old_version_is_a_conflict(api_server, path, config_map):
    assert api_server.ask("PUT", path, {**config_map, "data": {"k": "new"}}).code == 200
    late = api_server.ask("PUT", path, {**config_map, "data": {"k": "late"}})
    name = config_map["metadata"]["name"]
    why = "the object has been modified; please apply your changes to the latest version and try again"
    assert late.refusal == (409, "Conflict", f'Operation cannot be fulfilled on configmaps "{name}": {why}')


def test_a_put_that_changes_nothing_keeps_the_version(api_server, path, config_map):
    done = api_server.ask("PUT", path, config_map)
    assert done.json["metadata"]["resourceVersion"] == config_map["metadata"]["resourceVersion"]


def test_a_merge_patch_adds_and_removes(api_server, path):
    done = api_server.ask("PATCH", path, {"data": {"k": None, "z": "1"}}, content_type=MERGE)
    assert (done.code, done.json["data"]) == (200, {"z": "1"})


def test_a_merge_patch_of_an_old_version_is_a_conflict(api_server, path, config_map):
    api_server.ask("PATCH", path, {"data": {"z": "1"}}, content_type=MERGE)
    old = {"metadata": {"resourceVersion": config_map["metadata"]["resourceVersion"]}, "data": {"z": "2"}}
    assert api_server.ask("PATCH", path, old, content_type=MERGE).refusal[:2] == (409, "Conflict")


def test_a_json_patch(api_server, path):
    steps = [
        {"op": "test", "path": "/data/k", "value": "v"},
        {"op": "add", "path": "/data/l", "value": "w"},
        {"op": "remove", "path": "/data/k"},
    ]
    done = api_server.ask("PATCH", path, steps, content_type=JSON_PATCH)
    assert (done.code, done.json["data"]) == (200, {"l": "w"})


def test_a_json_patch_whose_test_fails_changes_nothing(api_server, path):
    steps = [
        {"op": "remove", "path": "/data/k"},
        {"op": "test", "path": "/data/l", "value": "w"},
    ]
    assert api_server.ask("PATCH", path, steps, content_type=JSON_PATCH).code == 422
    assert api_server.ask("GET", path).json["data"] == {"k": "v"}


def test_a_strategic_patch_finds_containers_by_name(api_server, web):
    variable = {"name": "A", "value": "1"}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [variable]}]}}}}
    (container,) = _containers(api_server.ask("PATCH", web, patch, content_type=STRATEGIC))
    assert (container["image"], container["env"]) == ("nginx", [variable])


def test_a_strategic_patch_deletes_by_directive(api_server, web):
    extra = [{"name": "extra", "image": "busybox:1"}]
    api_server.ask("PATCH", web, _template(extra), content_type=STRATEGIC)
    gone = [{"name": "extra", "$patch": "delete"}]
    assert [
        c["name"] for c in _containers(api_server.ask("PATCH", web, _template(gone), content_type=STRATEGIC))
    ] == ["c"]


def test_custom_kinds_have_no_strategic_patch(api_server, virtual_services):
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "v"},
        "spec": {"hosts": ["a.example"], "http": [{"route": [{"destination": {"host": "a"}}]}]},
    }
    assert api_server.ask("POST", virtual_services, body).code == 201
    patch = {"spec": {"hosts": ["b.example"]}}
    path = f"{virtual_services}/v"
    assert api_server.ask("PATCH", path, patch, content_type=STRATEGIC).code == 415
    done = api_server.ask("PATCH", path, patch, content_type=MERGE)
    assert (done.code, done.json["spec"]["hosts"]) == (200, ["b.example"])


def test_a_changed_spec_counts_a_generation_and_labels_do_not(api_server, web):
    labelled = api_server.ask("PATCH", web, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    assert labelled.json["metadata"]["generation"] == 1
    changed = api_server.ask("PATCH", web, {"spec": {"minReadySeconds": 3}}, content_type=MERGE)
    assert changed.json["metadata"]["generation"] == 2


def test_the_status_is_changed_by_its_own_path_only(api_server, web):
    patch = {"status": {"observedGeneration": 77}}
    ignored = api_server.ask("PATCH", web, patch, content_type=MERGE)
    assert ignored.json["status"].get("observedGeneration") != 77
    done = api_server.ask("PATCH", f"{web}/status", patch, content_type=MERGE)
    assert (done.code, done.json["status"]["observedGeneration"]) == (200, 77)


def test_a_patch_of_nothing_is_not_found(api_server, core):
    path = f"{core}/configmaps/there-is-none"
    refused = api_server.ask("PATCH", path, {}, content_type=MERGE)
    assert refused.refusal == (404, "NotFound", 'configmaps "there-is-none" not found')


def _template(containers):
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def _containers(answer):
    assert answer.code == 200, answer.json
    return answer.json["spec"]["template"]["spec"]["containers"]
