"""Conversion webhooks: who is asked what, and what comes of the answer."""

import concurrent.futures
import json
import re
import threading

import pytest

from .conversion_webhook import MERGE, Place, converted
from .webhook_server import BUNDLE, serving

APPLY = "application/apply-patch+yaml"
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NEW, OLD = {"host": "here", "port": "80", "replicas": 1}, {"address": "here:80", "replicas": 1}


@pytest.fixture(scope="module")
def hooks():
    with serving() as found:
        yield found


@pytest.fixture
def define(api_server, hooks, namespace):
    made = []

    def build(**webhook):
        place = Place(api_server, hooks, namespace, **webhook)
        made.append(place)
        place.make()
        return place

    yield build
    for place in made:
        place.hooks.say[place.hook] = converted  # what is left must be found to be deleted
        api_server.ask("DELETE", place.definition)


@pytest.fixture
def place(define):
    return define()


def test_an_object_is_shown_in_each_version(place):
    made = place.create("v1", "a", labels={"l": "1"})
    assert made.code == 201
    assert place.get("v1", "a").json["spec"] == OLD
    assert place.has_asked_nobody_since(0)
    seen = place.get("v2", "a")
    assert (seen.code, seen.json["apiVersion"], seen.json["spec"]) == (200, f"{place.group}/v2", NEW)
    assert seen.json["metadata"]["uid"] == made.json["metadata"]["uid"]
    request = place.asked[-1]
    assert request["desiredAPIVersion"] == f"{place.group}/v2"
    assert [each["spec"] for each in request["objects"]] == [OLD]
    assert request["query"] == "timeout=30s"


def test_what_is_written_in_another_version_than_it_is_stored_in(place):
    made = place.create("v2", "a")
    assert (made.code, made.json["apiVersion"], made.json["spec"]) == (201, f"{place.group}/v2", NEW)
    before = len(place.asked)
    assert place.get("v1", "a").json["spec"] == OLD
    assert place.has_asked_nobody_since(before)


def test_update_patch_and_apply(place):
    place.create("v1", "a")
    obj = place.get("v2", "a").json
    obj["spec"]["port"] = "81"
    put = place.server.ask("PUT", place.path("v2", "a"), obj)
    assert (put.code, put.json["spec"]["port"], put.json["metadata"]["generation"]) == (200, "81", 2)
    merged = place.server.ask("PATCH", place.path("v2", "a"), {"spec": {"host": "there"}}, content_type=MERGE)
    assert merged.json["spec"] == {**NEW, "host": "there", "port": "81"}
    body = place.object("v2", "a")
    applied = place.server.ask(
        "PATCH", place.path("v2", "a"), json.dumps(body), content_type=APPLY, fieldManager="m", force="true"
    )
    assert (applied.code, applied.json["spec"]) == (200, NEW)
    new = place.object("v2", "b")
    applied = place.server.ask(
        "PATCH", place.path("v2", "b"), json.dumps(new), content_type=APPLY, fieldManager="m"
    )
    assert (applied.code, applied.json["spec"]) == (201, NEW)
    assert [place.get("v1", each).json["spec"] for each in "ab"] == [OLD, OLD]


def test_parts_of_an_object(place):
    place.create("v1", "a")
    status = place.server.ask(
        "PATCH", place.path("v2", "a", "status"), {"status": {"note": "x"}}, content_type=MERGE
    )
    assert (status.code, status.json["status"], status.json["spec"]) == (200, {"note": "x"}, NEW)
    scale = place.server.ask(
        "PATCH", place.path("v2", "a", "scale"), {"spec": {"replicas": 3}}, content_type=MERGE
    )
    assert (scale.code, scale.json["spec"]) == (200, {"replicas": 3})
    assert place.server.ask("GET", place.path("v2", "a", "scale")).json["spec"] == {"replicas": 3}
    assert place.get("v1", "a").json["spec"] == {**OLD, "replicas": 3}


def test_deletion(place):
    place.create("v1", "a")
    assert place.server.ask("DELETE", place.path("v2", "a")).code == 200
    assert place.get("v1", "a").code == 404
    place.create("v1", "b", finalizers=["labkit.example/kept"])
    marked = place.server.ask("DELETE", place.path("v2", "b"))
    assert (marked.code, marked.json["spec"]) == (200, NEW)
    assert "deletionTimestamp" in marked.json["metadata"]
    free = {"metadata": {"finalizers": None}}
    assert place.server.ask("PATCH", place.path("v2", "b"), free, content_type=MERGE).code == 200
    assert place.get("v1", "b").code == 404
    for each in "cd":
        place.create("v1", each)
    assert place.server.ask("DELETE", place.path("v2")).code == 200
    assert place.server.ask("GET", place.path("v1")).json["items"] == []


def test_a_list_of_several_versions(place):
    """What is stored keeps its version until it is written again."""
    place.create("v1", "a", labels={"l": "1"})
    place.create("v1", "b")
    place.store_as("v2")
    place.create("v2", "c", labels={"l": "1"})
    for version, spec in (("v1", OLD), ("v2", NEW)):
        found = place.server.ask("GET", place.path(version))
        assert found.names == ["a", "b", "c"]
        assert [each["spec"] for each in found.json["items"]] == [spec] * 3
        assert {each["apiVersion"] for each in found.json["items"]} == {f"{place.group}/{version}"}
        chosen = place.server.ask("GET", place.path(version), labelSelector="l=1")
        assert [each["spec"] for each in chosen.json["items"]] == [spec] * 2
    before = len(place.asked)
    assert place.get("v1", "a").json["spec"] == OLD
    assert place.has_asked_nobody_since(before)  # it is stored as it was
    changed = place.server.ask(
        "PATCH", place.path("v1", "a"), {"metadata": {"labels": {"l": "2"}}}, content_type=MERGE
    )
    assert changed.code == 200
    before = len(place.asked)
    assert place.get("v2", "a").json["spec"] == NEW
    assert place.has_asked_nobody_since(before)  # it has been written since


def test_one_question_for_a_whole_list(place):
    for each in "abc":
        place.create("v1", each)
    before = len(place.asked)
    assert place.server.ask("GET", place.path("v2")).names == ["a", "b", "c"]
    if not place.server.bare:  # which asks for each, as it comes into its cache
        assert [len(each["objects"]) for each in place.asked[before:]] == [3]


def test_tables_and_metadata(place):
    place.create("v1", "a")
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    found = place.server.ask("GET", place.path("v2"), accept=table, includeObject="Object").json
    assert [each["object"]["spec"] for each in found["rows"]] == [NEW]
    metadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert place.server.ask("GET", place.path("v2", "a"), accept=metadata).json["metadata"]["name"] == "a"


def test_watches_in_both_versions(place):
    place.create("v1", "a")
    for version, spec in (("v1", OLD), ("v2", NEW)):
        with place.server.watch(place.path(version), labelSelector="!hidden") as watch:
            assert watch.next()["object"]["spec"] == spec
            place.create("v2", "b")
            added = watch.next()
            assert (added["type"], added["object"]["spec"]) == ("ADDED", spec)
            hide = {"metadata": {"labels": {"hidden": "1"}}}
            place.server.ask("PATCH", place.path("v1", "b"), hide, content_type=MERGE)
            gone = watch.next()
            assert (gone["type"], gone["object"]["spec"]) == ("DELETED", spec)
            place.server.ask("DELETE", place.path("v1", "b"))


def test_only_labels_and_annotations_change(place):
    def say(request):
        said = converted(request)
        for each in said["convertedObjects"]:
            each["metadata"] |= {
                "labels": {"by": "hook"},
                "finalizers": ["labkit.example/no"],
                "generation": 9,
            }
            each["metadata"].pop("annotations", None)
        return said

    place.create("v1", "a", labels={"l": "1"}, annotations={"a": "1"})
    place.hooks.say[place.hook] = say
    metadata = place.get("v2", "a").json["metadata"]
    assert (metadata["labels"], metadata["generation"]) == ({"by": "hook"}, 1)
    assert not {"finalizers", "annotations"} & set(metadata)


def test_unknown_fields_are_dropped(place):
    def say(request):
        said = converted(request)
        said["convertedObjects"][0]["spec"]["more"] = 1
        return said

    place.create("v1", "a")
    place.hooks.say[place.hook] = say
    assert place.get("v2", "a").json["spec"] == NEW


def _with(**changes):
    """What a webhook says that has converted everything, but for *changes* of the first object."""

    def say(request):
        said = converted(request)
        said["convertedObjects"][0] |= changes
        return said

    return say


def _metadata(**changes):
    def say(request):
        said = converted(request)
        said["convertedObjects"][0]["metadata"] |= changes
        return said

    return say


def _response(**response):
    return lambda _: response


_LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
    "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_FAILURES = {
    "says no": (_response(result={"status": "Failure", "message": "not today"}), "failed: not today"),
    "says nothing": (
        _response(result={"status": "Failure"}),
        "failed: response.result.status was 'Failure', not 'Success'",
    ),
    "no status": (_response(convertedObjects=[]), "failed: response.result.status was '', not 'Success'"),
    "too few": (_response(result={"status": "Success"}), "returned 0 objects, expected 1"),
    "another uid": (
        _response(uid="x", result={"status": "Success"}),
        'failed: expected response.uid="UID", got "x"',
    ),
    "another version": (
        _with(apiVersion="labkit.example/v3"),
        "returned invalid object at index 0: invalid groupVersion "
        "(expected GROUP/v2, received labkit.example/v3)",
    ),
    "another kind": (
        _with(kind="Spot"),
        "returned invalid object at index 0: invalid kind (expected Place, received Spot)",
    ),
    "another name": (_metadata(name="z"), "returned invalid object: must have the same name: a != z"),
    "another namespace": (
        _metadata(namespace="z"),
        "returned invalid object: must have the same namespace: NAMESPACE != z",
    ),
    "another object": (_metadata(uid="z"), "returned invalid object: must have the same UID: UID != z"),
    "odd labels": (
        _metadata(labels={"a": "b c"}),
        f'returned invalid metadata: metadata.labels: Invalid value: "b c": {_LABEL}',
    ),
    "wrong review": (
        lambda _: (200, json.dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"})),
        "failed: no response provided",
    ),
    "http status": (
        lambda _: (500, "broken"),
        'failed: an error on the server ("unknown") has prevented the request from succeeding',
    ),
    "not found": (lambda _: (404, "nothing"), "failed: the server could not find the requested resource"),
}


@pytest.mark.parametrize("name", _FAILURES)
def test_a_webhook_that_fails(place, namespace, name):
    say, words = _FAILURES[name]
    place.create("v1", "a")
    place.hooks.say[place.hook] = say
    refused = place.get("v2", "a")
    assert refused.refusal[:2] == (500, "")
    wanted = words.replace("GROUP", place.group).replace("NAMESPACE", namespace)
    assert _UID.sub("UID", refused.json["message"]) == place.told("v1") + wanted
    assert place.server.ask("PATCH", place.path("v2", "a"), {}, content_type=MERGE).code == 500
    assert place.server.ask("DELETE", place.path("v2", "a")).code == 500
    assert place.get("v1", "a").json["spec"] == OLD


def test_a_webhook_that_is_not_there(define, hooks):
    place = define()
    place.create("v1", "a")
    client = {"url": "https://localhost:1/x", "caBundle": None}
    change = {"spec": {"conversion": {"webhook": {"clientConfig": client}}}}
    assert place.server.ask("PATCH", place.definition, change, content_type=MERGE).code == 200
    if not place.server.bare:  # which takes a while to take it up
        said = place.get("v2", "a").refusal
        assert said[:2] == (500, "")
        assert said[2].startswith(
            f'{place.told("v1")}failed: Post "https://localhost:1/x?timeout=30s": dial tcp'
        )
        assert said[2].endswith("connect: connection refused")
        refused = place.create("v2", "b")
        assert refused.code == 500
        assert place.get("v1", "b").code == 404
        with place.server.watch(place.path("v2")) as watch:
            event = watch.next()
        assert (event["type"], event["object"]["message"]) == ("ERROR", said[2])
    change["spec"]["conversion"]["webhook"]["clientConfig"] = {
        "url": hooks.url(place.hook),
        "caBundle": BUNDLE,
    }
    assert place.server.ask("PATCH", place.definition, change, content_type=MERGE).code == 200


def test_the_older_review(define):
    place = define(conversionReviewVersions=["v0", "v1beta1", "v1"])
    place.create("v1", "a")
    place.hooks.say[place.hook] = lambda request: {**converted(request), "uid": "nobody looks"}
    assert place.get("v2", "a").json["spec"] == NEW


def test_nobody_waits_for_somebody_elses_webhook(place, core):
    asked, goes_on = threading.Event(), threading.Event()

    def say(request):
        asked.set()
        assert goes_on.wait(30)
        return converted(request)

    place.create("v1", "a")
    place.hooks.say[place.hook] = say
    with concurrent.futures.ThreadPoolExecutor(1) as others:
        waiting = others.submit(place.get, "v2", "a")
        try:
            assert asked.wait(30)
            assert place.server.ask("GET", f"{core}/configmaps").code == 200
            assert place.get("v1", "a").json["spec"] == OLD
            assert not waiting.done()
        finally:
            goes_on.set()
        assert waiting.result().json["spec"] == NEW
