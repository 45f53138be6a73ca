"""DELETE: at once or with what must come first."""

import secrets

import pytest

MERGE = "application/merge-patch+json"


@pytest.fixture
def path(core, config_map):
    return f"{core}/configmaps/{config_map['metadata']['name']}"


def _options(**fields):
    return {"apiVersion": "v1", "kind": "DeleteOptions", **fields}


def test_a_deletion_says_what_is_gone(api_server, path, config_map):
    meta = config_map["metadata"]
    done = api_server.ask("DELETE", path)
    details = {"name": meta["name"], "kind": "configmaps", "uid": meta["uid"]}
    assert (done.code, done.json["status"], done.json["details"]) == (200, "Success", details)
    again = api_server.ask("DELETE", path)
    assert again.refusal == (404, "NotFound", f'configmaps "{meta["name"]}" not found')


def test_a_dry_run_deletes_nothing(api_server, path):
    assert api_server.ask("DELETE", path, dryRun="All").code == 200
    assert api_server.ask("GET", path).code == 200


def test_a_finalizer_holds_an_object(api_server, path):
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    assert api_server.ask("PATCH", path, held, content_type=MERGE).code == 200
    marked = api_server.ask("DELETE", path).json
    assert {"deletionTimestamp", "deletionGracePeriodSeconds"} <= set(marked["metadata"])
    assert api_server.ask("GET", path).code == 200
    free = {"metadata": {"finalizers": None}}
    assert api_server.ask("PATCH", path, free, content_type=MERGE).code == 200
    assert api_server.ask("GET", path).code == 404


def test_no_new_finalizers_while_deleting(api_server, path):
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    api_server.ask("PATCH", path, held, content_type=MERGE)
    api_server.ask("DELETE", path)
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    refused = api_server.ask("PATCH", path, more, content_type=MERGE)
    api_server.ask("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert refused.refusal[:2] == (422, "Invalid")
    field, reason, message = refused.causes[0]
    assert (field, reason) == ("metadata.finalizers", "FieldValueForbidden")
    assert "no new finalizers can be added if the object is being deleted" in message


def test_finalizers_need_a_domain(api_server, path):
    refused = api_server.ask("PATCH", path, {"metadata": {"finalizers": ["plain"]}}, content_type=MERGE)
    message = "name is neither a standard finalizer name nor is it fully qualified"
    cause = ("metadata.finalizers[0]", "FieldValueInvalid", f'Invalid value: "plain": {message}')
    assert refused.code == 422
    assert set(refused.causes) == {cause}


def test_a_precondition_that_does_not_hold(api_server, path, config_map):
    refused = api_server.ask("DELETE", path, _options(preconditions={"uid": "another"}))
    assert refused.refusal[:2] == (409, "Conflict")
    assert "the UID in the precondition (another) does not match the UID in record" in refused.refusal[2]
    version = _options(preconditions={"resourceVersion": "1"})
    assert api_server.ask("DELETE", path, version).refusal[:2] == (409, "Conflict")
    mine = {key: config_map["metadata"][key] for key in ("uid", "resourceVersion")}
    assert api_server.ask("DELETE", path, _options(preconditions=mine)).code == 200


def test_an_unknown_propagation_is_refused(api_server, path):
    refused = api_server.ask("DELETE", path, propagationPolicy="Sideways")
    assert refused.refusal[:2] == (422, "Invalid")
    ((field, reason, _),) = refused.causes
    assert (field, reason) == ("propagationPolicy", "FieldValueNotSupported")


def test_a_foreground_deletion_waits_for_dependents(api_server, path):
    done = api_server.ask("DELETE", path, propagationPolicy="Foreground")
    assert done.code == 200
    assert done.json["metadata"]["finalizers"] == ["foregroundDeletion"]


def test_all_that_match_at_once(api_server, core):
    label = secrets.token_hex(3)
    for name in ("one", "two"):
        meta = {"name": f"{name}-{label}", "labels": {"label": label}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        assert api_server.ask("POST", f"{core}/configmaps", body).code == 201
    done = api_server.ask("DELETE", f"{core}/configmaps", labelSelector=f"label={label}")
    assert (done.code, done.json["kind"], len(done.names)) == (200, "ConfigMapList", 2)
    assert api_server.ask("GET", f"{core}/configmaps", labelSelector=f"label={label}").names == []


def test_a_terminating_namespace_takes_nothing_new(api_server):
    name = f"ending-{secrets.token_hex(3)}"
    meta = {"name": name}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    assert api_server.ask("POST", "/api/v1/namespaces", body).code == 201
    path = f"/api/v1/namespaces/{name}"
    held = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", **held}
    assert api_server.ask("POST", f"{path}/configmaps", config_map).code == 201
    ending = api_server.ask("DELETE", path).json
    assert ending["status"]["phase"] == "Terminating"
    refused = api_server.ask(
        "POST", f"{path}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}}
    )
    assert refused.refusal[:2] == (403, "Forbidden")
    assert refused.causes == [
        ("metadata.namespace", "NamespaceTerminating", f"namespace {name} is being terminated")
    ]
    api_server.ask("PATCH", f"{path}/configmaps/held", {"metadata": {"finalizers": None}}, content_type=MERGE)


def test_a_namespace_goes_with_all_in_it(api_server, needs_controllers):
    name = f"going-{secrets.token_hex(3)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api_server.ask("POST", "/api/v1/namespaces", body)
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    api_server.ask("POST", f"/api/v1/namespaces/{name}/configmaps", config_map)
    query = {"fieldSelector": f"metadata.name={name}", "timeoutSeconds": "60"}
    with api_server.watch("/api/v1/namespaces", **query) as watch:
        api_server.ask("DELETE", f"/api/v1/namespaces/{name}")
        watch.until("DELETED")
    assert api_server.ask("GET", f"/api/v1/namespaces/{name}/configmaps").names == []


def test_dependents_go_with_their_owner(api_server, core, config_map, needs_controllers):
    meta = config_map["metadata"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"]}
    name = f"owned-{secrets.token_hex(3)}"
    owned = {"name": name, "ownerReferences": [owner]}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned}
    assert api_server.ask("POST", f"{core}/configmaps", body).code == 201
    query = {"fieldSelector": f"metadata.name={name}", "timeoutSeconds": "60"}
    with api_server.watch(f"{core}/configmaps", **query) as watch:
        api_server.ask("DELETE", f"{core}/configmaps/{meta['name']}")
        watch.until("DELETED")


def test_the_default_namespace_stays(api_server):
    refused = api_server.ask("DELETE", "/api/v1/namespaces/default", dryRun="All")
    message = 'namespaces "default" is forbidden: this namespace may not be deleted'
    assert refused.refusal == (403, "Forbidden", message)
