"""create, update, patch and delete over HTTP."""

import base64
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/dev/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/dev/deployments"
ROUTES = "/apis/networking.istio.io/v1/namespaces/dev/virtualservices"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
STRATEGIC_PATCH = {"Content-Type": "application/strategic-merge-patch+json"}
APPLY_PATCH = {"Content-Type": "application/apply-patch+yaml"}


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "one", "image": "one"}, {"name": "two", "image": "two"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def route(name: str = "r", **spec: Any) -> dict[str, Any]:
    rule = {"route": [{"destination": {"host": "a"}}]}
    body = {"hosts": ["a"], "http": [rule], **spec}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": body,
    }


def test_create_answers_201_and_only_once(api):
    made = api.ask("POST", MAPS, config_map(key="value"))
    assert (made.status, made.json["metadata"]["namespace"]) == (201, "dev")
    again = api.ask("POST", MAPS, config_map())
    assert (again.status, again.json["reason"]) == (409, "AlreadyExists")
    assert again.json["details"] == {"name": "a", "kind": "configmaps"}


def test_yaml_bodies_are_read(api):
    body = b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: y}\ndata: {day: 2024-01-01}\n"
    answer = api.ask("POST", MAPS, body, {"Content-Type": "application/yaml"})
    assert answer.json.get("data", answer.json) == {"day": "2024-01-01"}


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", 400), (b"[]", 400), (b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}', 400)],
)
def test_bodies_that_are_no_config_map(api, body: bytes, code: int):
    answer = api.ask("POST", MAPS, body)
    assert (answer.status, answer.json["kind"]) == (code, "Status")
    assert api.get(MAPS)["items"] == []


def test_other_forms_of_body_are_refused(api):
    answer = api.ask("POST", MAPS, b"<a/>", {"Content-Type": "text/xml"})
    assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


def test_a_body_that_is_too_large_is_refused(api):
    answer = api.ask("POST", MAPS, config_map(key="x" * 4_000_000))
    assert answer.status == 413


def test_unknown_fields_warn_or_refuse(api):
    body = {**deployment(), "spec": {**deployment()["spec"], "replicass": 3}}
    warned = api.ask("POST", f"{DEPLOYMENTS}?fieldValidation=Warn&dryRun=All", body)
    assert warned.warnings == ['299 - "unknown field \\"spec.replicass\\""']
    assert not api.ask("POST", f"{DEPLOYMENTS}?fieldValidation=Ignore&dryRun=All", body).warnings
    strict = api.ask("POST", f"{DEPLOYMENTS}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert 'unknown field "spec.replicass"' in strict.json["message"]


def test_dry_run_changes_nothing(api):
    revision = api.store.revision
    made = api.ask("POST", f"{MAPS}?dryRun=All", config_map())
    assert (made.status, made.json["metadata"]["name"]) == (201, "a")
    assert api.store.revision == revision
    api.ask("POST", MAPS, config_map(key="old"))
    revision = api.store.revision
    assert api.ask("PUT", f"{MAPS}/a?dryRun=All", config_map(key="new")).json["data"] == {"key": "new"}
    assert api.ask("DELETE", f"{MAPS}/a?dryRun=All").status == 200
    assert api.ask("DELETE", f"{MAPS}/a", {"kind": "DeleteOptions", "dryRun": ["All"]}).status == 200
    assert api.store.revision == revision
    assert api.ask("POST", f"{MAPS}?dryRun=Some", config_map("b")).status == 422


def test_put_replaces_and_refuses_stale_versions(api):
    made = api.ask("POST", MAPS, config_map(key="1")).json
    assert api.ask("PUT", f"{MAPS}/a", config_map(other="2")).json["data"] == {"other": "2"}
    stale = api.ask("PUT", f"{MAPS}/a", {**made, "data": {}})
    assert (stale.status, stale.json["reason"]) == (409, "Conflict")
    assert api.ask("PUT", f"{MAPS}/nope", config_map("nope")).status == 404
    assert api.ask("PUT", f"{MAPS}/a", config_map("other")).status == 400


def test_custom_kinds_are_not_replaced_blindly(api):
    api.ask("POST", ROUTES, route())
    refused = api.ask("PUT", f"{ROUTES}/r", route(hosts=["b"]))
    assert refused.status == 422
    assert "must be specified for an update" in refused.json["message"]


def test_merge_patch(api):
    api.ask("POST", MAPS, config_map(a="1", b="2"))
    answer = api.ask("PATCH", f"{MAPS}/a", {"data": {"a": None, "c": "3"}}, MERGE_PATCH)
    assert answer.json["data"] == {"b": "2", "c": "3"}


def test_json_patch_and_its_failures(api):
    api.ask("POST", MAPS, config_map(a="1"))
    patch = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/b", "value": "2"}]
    assert api.ask("PATCH", f"{MAPS}/a", patch, JSON_PATCH).json["data"] == {"a": "1", "b": "2"}
    assert api.ask("PATCH", f"{MAPS}/a", [{"op": "remove", "path": "/nope"}], JSON_PATCH).status == 422
    assert api.ask("PATCH", f"{MAPS}/a", {"no": "list"}, JSON_PATCH).status == 400


def test_strategic_patch_merges_containers_by_name(api):
    api.ask("POST", DEPLOYMENTS, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "two", "image": "new"}]}}}}
    changed = api.ask("PATCH", f"{DEPLOYMENTS}/web", patch, STRATEGIC_PATCH).json
    images = [each["image"] for each in changed["spec"]["template"]["spec"]["containers"]]
    assert sorted(images) == ["new", "one"]
    assert changed["metadata"]["generation"] == 2


def test_custom_kinds_know_no_strategic_patch(api):
    api.ask("POST", ROUTES, route())
    refused = api.ask("PATCH", f"{ROUTES}/r", {"spec": {}}, STRATEGIC_PATCH)
    assert refused.status == 415
    assert "application/merge-patch+json" in refused.json["message"]


def test_apply_creates_then_changes_and_reports_conflicts(api):
    mine, theirs = (f"{MAPS}/a?fieldManager={name}" for name in ("me", "them"))
    assert api.ask("PATCH", mine, config_map(key="1"), APPLY_PATCH).status == 201
    again = api.ask("PATCH", mine, config_map(key="1"), APPLY_PATCH)
    assert again.status == 200
    assert api.store.revision == int(again.json["metadata"]["resourceVersion"])
    refused = api.ask("PATCH", theirs, config_map(key="2"), APPLY_PATCH)
    assert (refused.status, refused.json["reason"]) == (409, "Conflict")
    assert refused.json["details"]["causes"][0]["field"] == ".data.key"
    forced = api.ask("PATCH", f"{theirs}&force=true", config_map(key="2"), APPLY_PATCH)
    assert [each["manager"] for each in forced.json["metadata"]["managedFields"]] == ["them"]
    assert forced.json["data"] == {"key": "2"}


def test_apply_takes_back_what_it_no_longer_mentions(api):
    path = f"{MAPS}/a?fieldManager=me"
    api.ask("PATCH", path, config_map(keep="1", drop="2"), APPLY_PATCH)
    assert api.ask("PATCH", path, config_map(keep="1"), APPLY_PATCH).json["data"] == {"keep": "1"}


def test_patch_options_are_checked(api):
    nameless = api.ask("PATCH", f"{MAPS}/a", config_map(), APPLY_PATCH)
    assert nameless.status == 422
    assert "is required for apply patch" in nameless.json["message"]
    api.ask("POST", MAPS, config_map())
    forced = api.ask("PATCH", f"{MAPS}/a?force=true", {}, MERGE_PATCH)
    assert "may not be specified for non-apply patch" in forced.json["message"]


def test_writers_are_remembered(api):
    made = api.ask("POST", MAPS, config_map(key="1"), {"User-Agent": "kubectl/v1.34 (linux)"}).json
    entry = made["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("kubectl", "Update")
    assert "f:key" in entry["fieldsV1"]["f:data"]


def test_status_is_written_through_its_own_path(api):
    api.ask("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    assert api.get(f"{DEPLOYMENTS}/web")["status"] == {}
    patch = {"status": {"replicas": 1}, "spec": {"replicas": 5}}
    changed = api.ask("PATCH", f"{DEPLOYMENTS}/web/status", patch, MERGE_PATCH).json
    assert (changed["status"], changed["spec"]["replicas"]) == ({"replicas": 1}, 1)
    api.ask("PATCH", f"{DEPLOYMENTS}/web", {"status": {"replicas": 7}}, MERGE_PATCH)
    assert api.get(f"{DEPLOYMENTS}/web/status")["status"] == {"replicas": 1}


def test_scale(api):
    api.ask("POST", DEPLOYMENTS, deployment(replicas=2))
    scale = api.get(f"{DEPLOYMENTS}/web/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 2},
        "app=web",
    )
    scale["spec"]["replicas"] = 3
    assert api.ask("PUT", f"{DEPLOYMENTS}/web/scale", scale).json["spec"] == {"replicas": 3}
    assert api.ask("PUT", f"{DEPLOYMENTS}/web/scale", scale).status == 409
    api.ask("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}, MERGE_PATCH)
    assert api.get(f"{DEPLOYMENTS}/web")["spec"]["replicas"] == 0
    assert api.ask("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}}, MERGE_PATCH).status == 422


def test_delete_says_what_it_did(api):
    made = api.ask("POST", MAPS, config_map()).json
    wrong = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "wrong"}}
    assert api.ask("DELETE", f"{MAPS}/a", wrong).status == 409
    gone = api.ask("DELETE", f"{MAPS}/a")
    assert (gone.json["kind"], gone.json["status"]) == ("Status", "Success")
    assert gone.json["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert api.ask("DELETE", f"{MAPS}/a").status == 404


def test_propagation_from_query_and_body(api):
    for name, path, body in (
        ("q", "?propagationPolicy=Foreground", None),
        ("b", "", {"propagationPolicy": "Orphan"}),
    ):
        api.ask("POST", DEPLOYMENTS, deployment(name))
        answer = api.ask("DELETE", f"{DEPLOYMENTS}/{name}{path}", body)
        assert answer.json["metadata"]["finalizers"]
    assert api.ask("DELETE", f"{DEPLOYMENTS}/q?propagationPolicy=Sideways").status == 422


def test_deletecollection_takes_what_its_selector_names(api):
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        api.ask("POST", MAPS, {"metadata": {"name": name, "labels": {"tier": tier}}})
    deleted = api.ask("DELETE", f"{MAPS}?labelSelector=tier%3Dx").json
    assert [each["metadata"]["name"] for each in deleted["items"]] == ["a", "b"]
    assert [each["metadata"]["name"] for each in api.get(MAPS)["items"]] == ["c"]


def test_a_namespace_goes_in_two_steps(api):
    assert api.ask("DELETE", "/api/v1/namespaces/dev").json["status"]["phase"] == "Terminating"
    refused = api.ask("POST", MAPS, config_map())
    assert (refused.status, refused.json["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    namespace = api.get("/api/v1/namespaces/dev")
    namespace["spec"]["finalizers"] = []
    assert api.ask("PUT", "/api/v1/namespaces/dev/finalize", namespace).status == 200
    assert api.ask("GET", "/api/v1/namespaces/dev").status == 404
    assert api.ask("DELETE", "/api/v1/namespaces/default").status == 403


def test_admission_warns_and_refuses_over_http(api):
    from labkit.embedded.status import admission_denied

    def plugin(request):
        if request.object["metadata"]["name"] == "bad":
            raise admission_denied("validation.istio.io", "configuration is invalid: no")
        return ['not enforced yet: "mirror"']

    api.client.add_admission(plugin)
    warned = api.ask("POST", ROUTES, route())
    assert warned.warnings == ['299 - "not enforced yet: \\"mirror\\""']
    refused = api.ask("POST", ROUTES, route("bad"))
    assert refused.status == 400
    assert refused.json["message"].startswith('admission webhook "validation.istio.io" denied the request')


def test_a_token_names_its_account(api):
    api.ask("POST", "/api/v1/namespaces/dev/serviceaccounts", {"metadata": {"name": "me"}})
    made = api.ask("POST", "/api/v1/namespaces/dev/serviceaccounts/me/token", {"spec": {}})
    claims = made.json["status"]["token"].split(".")[1]
    assert b"system:serviceaccount:dev:me" in base64.urlsafe_b64decode(claims + "==")


def test_string_data_is_stored_encoded(api):
    body = {"metadata": {"name": "s"}, "stringData": {"key": "value"}}
    made = api.ask("POST", "/api/v1/namespaces/dev/secrets", body).json
    assert made["data"] == {"key": base64.b64encode(b"value").decode()}
    assert "stringData" not in made


def test_a_full_disk_is_said_and_changes_nothing(api):
    api.ask("POST", MAPS, config_map("before"))

    def fill() -> None:
        connection = api.store._database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    api.inside(fill)
    refused = api.ask("POST", MAPS, config_map("large", key="x" * 100_000))
    assert (refused.status, refused.json["reason"]) == (507, "InsufficientStorage")
    assert refused.json["message"].startswith("nothing was changed: the disk that holds")
    assert [each["metadata"]["name"] for each in api.get(MAPS)["items"]] == ["before"]


def test_what_admission_adds_is_no_change_later(api):
    """kubectl label of an injected pod: the sidecar's ``2000m`` must not come back as a changed ``2``."""

    def inject(request):
        if (request.resource, request.operation) == ("pods", "CREATE"):
            limits = {"limits": {"cpu": "2000m"}}
            sidecar = {"name": "proxy", "image": "proxy", "resources": limits, "env": []}
            request.object["spec"]["containers"].append(sidecar)
        return []

    api.client.add_admission(inject)
    spec = {"containers": [{"name": "app", "image": "app"}]}
    api.inside(
        lambda: api.client.create("pods", {"metadata": {"name": "p", "namespace": "dev"}, "spec": spec})
    )
    path = "/api/v1/namespaces/dev/pods/p"
    for headers in (MERGE_PATCH, STRATEGIC_PATCH):
        answer = api.ask(
            "PATCH", path, {"metadata": {"labels": {"a": headers["Content-Type"][12:15]}}}, headers
        )
        assert answer.status == 200, answer.json["message"]
    assert answer.json["spec"]["containers"][1]["resources"]["limits"] == {"cpu": "2"}
