"""Server-side apply: who owns which field, and what happens when two want the same."""

import json
import secrets

import pytest

APPLY = "application/apply-patch+yaml"


@pytest.fixture
def apply(api_server, core):
    """Applies data to a ConfigMap of the test's own."""
    name = f"applied-{secrets.token_hex(3)}"

    def apply(manager, data, **query):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        path = f"{core}/configmaps/{name}"
        return api_server.ask("PATCH", path, body, content_type=APPLY, fieldManager=manager, **query)

    return apply


def test_applying_creates_then_updates(apply):
    assert apply("one", {"a": "1"}).code == 201
    again = apply("one", {"a": "2"})
    assert (again.code, again.json["data"]) == (200, {"a": "2"})


def test_the_same_again_changes_nothing(apply):
    first, second = apply("one", {"a": "1"}).json, apply("one", {"a": "1"}).json
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_what_is_no_longer_applied_goes(apply):
    apply("one", {"a": "1", "b": "1"})
    assert apply("one", {"a": "1"}).json["data"] == {"a": "1"}


@pytest.mark.parametrize(
    "metadata", [{"labels": {"a": "b"}}, {"annotations": {"a": "b"}, "labels": {"c": "d"}}]
)
def test_labels_that_are_no_longer_applied_go(api_server, core, metadata):
    name = f"applied-{secrets.token_hex(3)}"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    path, how = f"{core}/configmaps/{name}", {"content_type": APPLY, "fieldManager": "one"}
    made = api_server.ask("PATCH", path, body, **how)

    left = api_server.ask("PATCH", path, {**body, "metadata": {"name": name}}, **how)

    assert left.code == 200, left.json
    assert not metadata.keys() & left.json["metadata"].keys()
    assert left.json["metadata"]["uid"] == made.json["metadata"]["uid"]


def test_managers_own_what_they_applied(apply):
    apply("one", {"a": "1"})
    entries = apply("two", {"b": "1"}).json["metadata"]["managedFields"]
    owned = {(each["manager"], each["operation"]): each["fieldsV1"] for each in entries}
    assert owned == {
        ("one", "Apply"): {"f:data": {"f:a": {}}},
        ("two", "Apply"): {"f:data": {"f:b": {}}},
    }


def test_a_conflict_names_the_manager_and_the_field(apply):
    apply("one", {"a": "1", "b": "1"})
    refused = apply("two", {"a": "2", "b": "2"})
    assert refused.refusal[:2] == (409, "Conflict")
    assert refused.causes == [
        (".data.a", "FieldManagerConflict", 'conflict with "one"'),
        (".data.b", "FieldManagerConflict", 'conflict with "one"'),
    ]
    assert refused.refusal[2] == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b'
    )


def test_the_same_value_is_no_conflict_but_shared(apply):
    apply("one", {"a": "1"})
    assert apply("two", {"a": "1"}).code == 200
    assert apply("one", {}).json["data"] == {"a": "1"}  # the other still wants it


def test_force_takes_the_field_over(apply):
    apply("one", {"a": "1"})
    done = apply("two", {"a": "2"}, force="true")
    assert (done.code, done.json["data"]) == (200, {"a": "2"})
    assert [each["manager"] for each in done.json["metadata"]["managedFields"]] == ["two"]


def test_a_dry_run_tells_of_conflicts_too(apply):
    apply("one", {"a": "1"})
    assert apply("two", {"a": "2"}, dryRun="All").code == 409
    assert apply("two", {"a": "2"}, dryRun="All", force="true").json["data"] == {"a": "2"}
    assert apply("one", {"a": "1"}).json["data"] == {"a": "1"}


def test_a_plain_update_takes_what_it_changes(api_server, core, apply):
    name = apply("one", {"a": "1", "b": "1"}).json["metadata"]["name"]
    patch = {"data": {"a": "mine"}}
    path = f"{core}/configmaps/{name}"
    api_server.ask("PATCH", path, patch, content_type="application/merge-patch+json", fieldManager="hand")
    refused = apply("one", {"a": "1", "b": "1"})
    assert refused.refusal[0] == 409
    assert [cause[0] for cause in refused.causes] == [".data.a"]
    assert 'conflict with "hand" using v1' in refused.refusal[2]


def test_a_field_manager_is_needed(api_server, core):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    refused = api_server.ask("PATCH", f"{core}/configmaps/x", body, content_type=APPLY)
    assert refused.code == 422
    assert refused.causes == [
        ("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
    ]


def test_another_name_than_the_paths_is_refused(api_server, core):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y"}}
    path = f"{core}/configmaps/x"
    refused = api_server.ask("PATCH", path, body, content_type=APPLY, fieldManager="one")
    message = "the name of the object (y) does not match the name on the URL (x)"
    assert refused.refusal == (400, "BadRequest", message)


def test_an_unknown_field_is_no_typed_patch(apply, api_server, core):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dota": {}}
    path = f"{core}/configmaps/x"
    refused = api_server.ask("PATCH", path, body, content_type=APPLY, fieldManager="one")
    assert refused.code == 500
    assert refused.json["message"].endswith(".dota: field not declared in schema")


def test_lists_are_merged_by_their_keys(api_server, deployments, deployment):
    path = f"{deployments}/{deployment['metadata']['name']}"
    api_server.ask("PATCH", path, deployment, content_type=APPLY, fieldManager="one")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = {"name": container["name"], "env": [{"name": "A", "value": "1"}]}
    mine = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": deployment["metadata"],
        "spec": {"template": {"spec": {"containers": [variables]}}},
    }
    done = api_server.ask("PATCH", path, mine, content_type=APPLY, fieldManager="two")
    (merged,) = done.json["spec"]["template"]["spec"]["containers"]
    assert (merged["image"], merged["env"]) == ("nginx", variables["env"])


@pytest.mark.parametrize("text", ["data: {a: '1', b: x,\n  a: '2'}", 'data:\n  a: "1"\n  a: "2"\n  "a": "3"'])
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_key_twice_in_yaml(api_server, core, method, text):
    body = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twice\n{text}\n"
    place = f"{core}/configmaps" + ("/twice" if method == "PATCH" else "")
    kind = APPLY if method == "PATCH" else "application/yaml"

    def ask(validation):
        query = {"fieldManager": "one", "dryRun": "All", "fieldValidation": validation}
        return api_server.ask(method, place, body, content_type=kind, **query)

    strict, warned = ask("Strict"), ask("Warn")
    assert (strict.code, warned.code) == (400, 201)
    lines = [f'line {at}: key "a" already set in map' for at in ([6] if "b: x" in text else [7, 8])]
    assert strict.json["message"].endswith("\n  ".join(["yaml: unmarshal errors:", *lines]))
    assert [json.loads(each.partition(" - ")[2]) for each in warned.warnings] == lines
