"""Watches: what is told, from when on, and how one that comes too late is turned away."""

import secrets

import pytest

BRIEFLY = {"timeoutSeconds": "1"}


@pytest.fixture
def mine(api_server, core):
    """Makes ConfigMaps labelled as the test's own; the query that selects them."""
    label = secrets.token_hex(3)

    def make(name):
        meta = {"name": f"{name}-{label}", "labels": {"mine": label}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        return api_server.ask("POST", f"{core}/configmaps", body).json

    make.query = {"labelSelector": f"mine={label}", "timeoutSeconds": "30"}
    return make


def _told(watch, count):
    events = [watch.next() for _ in range(count)]
    return [(each["type"], each["object"]["metadata"]["name"].partition("-")[0]) for each in events]


def test_a_watch_begins_with_what_is_there_and_goes_on(api_server, core, mine):
    first = mine("first")
    with api_server.watch(f"{core}/configmaps", **mine.query) as watch:
        assert _told(watch, 1) == [("ADDED", "first")]
        mine("second")
        api_server.ask("DELETE", f"{core}/configmaps/{first['metadata']['name']}")
        assert _told(watch, 2) == [("ADDED", "second"), ("DELETED", "first")]


def test_a_watch_resumes_from_a_version(api_server, core, mine):
    seen = mine("seen")["metadata"]["resourceVersion"]
    missed = mine("missed")
    with api_server.watch(f"{core}/configmaps", resourceVersion=seen, **mine.query) as watch:
        event = watch.next()
    assert (event["type"], event["object"]) == ("ADDED", missed)


def test_a_watch_of_a_list_goes_on_where_the_list_ended(api_server, core, mine):
    mine("listed")
    version = api_server.ask("GET", f"{core}/configmaps").json["metadata"]["resourceVersion"]
    with api_server.watch(f"{core}/configmaps", resourceVersion=version, **mine.query) as watch:
        mine("later")
        assert _told(watch, 1) == [("ADDED", "later")]


def test_what_stops_matching_is_deleted_for_this_watch(api_server, core, mine):
    name = mine("mine")["metadata"]["name"]
    with api_server.watch(f"{core}/configmaps", **mine.query) as watch:
        watch.next()
        path, patch = f"{core}/configmaps/{name}", {"metadata": {"labels": {"mine": None}}}
        changed = api_server.ask("PATCH", path, patch, content_type="application/merge-patch+json").json
        event = watch.next()
    metadata = event["object"]["metadata"]
    assert (event["type"], metadata["name"]) == ("DELETED", name)
    assert "mine" in metadata["labels"], "it is shown as it was when it still matched"
    assert metadata["resourceVersion"] == changed["metadata"]["resourceVersion"]


def test_one_object_by_its_name(api_server, core, mine):
    name = mine("one")["metadata"]["name"]
    mine("other")
    with api_server.watch(f"{core}/configmaps", fieldSelector=f"metadata.name={name}", **BRIEFLY) as watch:
        names = [each["object"]["metadata"]["name"] for each in watch.rest()]
    assert names == [name]


def test_initial_events_end_with_a_bookmark(api_server, core, mine):
    mine("there")
    query = {
        **mine.query,
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    with api_server.watch(f"{core}/configmaps", **query) as watch:
        assert _told(watch, 1) == [("ADDED", "there")]
        bookmark = watch.next()
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) > 0


def test_initial_events_need_a_match(api_server, core):
    refused = api_server.ask("GET", f"{core}/configmaps", watch="1", sendInitialEvents="true")
    assert refused.refusal[:2] == (422, "Invalid")
    assert refused.causes == [
        (
            "resourceVersionMatch",
            "FieldValueForbidden",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    ]


def test_a_version_from_before_the_history_is_gone(api_server, namespace, forgotten):
    """What a client meets after a long sleep: it must list again."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    with api_server.watch(path, resourceVersion=forgotten, **BRIEFLY) as watch:
        (event,) = watch.rest()
    assert event["type"] == "ERROR"
    status = event["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert "too old" in status["message"]


def test_a_version_of_the_future_is_not_waited_for_in_a_list(api_server, core):
    refused = api_server.ask(
        "GET", f"{core}/configmaps", resourceVersion="999999999", resourceVersionMatch="NotOlderThan"
    )
    assert refused.refusal[:2] == (504, "Timeout")
    assert "Too large resource version: 999999999" in refused.refusal[2]


def test_a_version_that_is_no_number(api_server, core):
    refused = api_server.ask("GET", f"{core}/configmaps", watch="1", resourceVersion="abc")
    assert "Invalid value" in refused.json["message"]
    assert refused.code >= 400


def test_a_watch_ends_in_time(api_server, core, mine):
    mine("there")
    query = {**mine.query, **BRIEFLY}
    with api_server.watch(f"{core}/configmaps", **query) as watch:
        assert [each["type"] for each in watch.rest()] == ["ADDED"]


def test_a_watch_of_tables(api_server, core, mine):
    """What ``kubectl get -w`` shows."""
    mine("row")
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    query = {**mine.query, **BRIEFLY, "watch": "1"}
    answer = api_server.ask("GET", f"{core}/configmaps", accept=accept, **query)
    assert b'"kind":"Table"' in answer.body
