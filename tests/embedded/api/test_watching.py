"""Watches over HTTP: what they send, in what order, and how they resume and end."""

import asyncio
import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlencode

import aiohttp

from .conftest import TOKEN

MAPS = "/api/v1/namespaces/dev/configmaps"
ENDED = "k8s.io/initial-events-end"


class Stream:
    """An open watch, read event by event."""

    def __init__(self, api: Any, path: str, headers: dict[str, str] | None = None, **query: Any) -> None:
        asked = urlencode({"watch": "true", "timeoutSeconds": 30, **query})
        self._response: http.client.HTTPResponse = api.open("GET", f"{path}?{asked}", headers=headers)

    def next(self) -> tuple[str, Any]:
        line = self._response.readline()
        assert line, "the watch ended"
        event = json.loads(line)
        return event["type"], event["object"]

    def names(self, count: int) -> list[tuple[str, str]]:
        return [(kind, obj["metadata"]["name"]) for kind, obj in (self.next() for _ in range(count))]

    def rest(self) -> list[Any]:
        """All that comes until the server ends the watch."""
        return [json.loads(line) for line in self._response.read().splitlines()]

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()


def make(api: Any, name: str, **labels: str) -> Any:
    return api.ask("POST", MAPS, {"metadata": {"name": name, "labels": labels}}).json


def relabel(api: Any, name: str, **labels: str | None) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    api.ask("PATCH", f"{MAPS}/{name}", {"metadata": {"labels": labels}}, headers)


def test_what_is_there_and_then_every_change(api):
    make(api, "a")
    with Stream(api, MAPS) as stream:
        assert stream.names(1) == [("ADDED", "a")]
        make(api, "b")
        relabel(api, "b", tier="x")
        api.ask("DELETE", f"{MAPS}/b")
        assert stream.names(3) == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "b")]


def test_a_watch_resumes_without_loss(api):
    first = make(api, "a")
    for name in "bcd":
        make(api, name)
    with Stream(api, MAPS, resourceVersion=first["metadata"]["resourceVersion"]) as stream:
        assert stream.names(3) == [("ADDED", "b"), ("ADDED", "c"), ("ADDED", "d")]


def test_a_deleted_object_carries_the_revision_of_its_deletion(api):
    made = make(api, "a")
    version = made["metadata"]["resourceVersion"]
    api.ask("DELETE", f"{MAPS}/a")
    with Stream(api, MAPS, resourceVersion=version) as stream:
        kind, obj = stream.next()
    assert kind == "DELETED"
    assert int(obj["metadata"]["resourceVersion"]) > int(version)


def test_too_old_a_revision_ends_with_410(api):
    for number in range(310):
        api.inside(lambda number=number: api.client.create("configmaps", _map(f"m{number}")))
    with Stream(api, MAPS, resourceVersion=1) as stream:
        events = stream.rest()
    assert [event["type"] for event in events] == ["ERROR"]
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


def _map(name: str) -> Any:
    return {"metadata": {"name": name, "namespace": "dev"}}


def test_a_list_can_be_streamed(api):
    """What kubectl from 1.35 on asks for instead of a list; without the last bookmark it waits for ever."""
    make(api, "a")
    asked = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    with Stream(api, MAPS, **asked) as stream:
        assert stream.names(1) == [("ADDED", "a")]
        kind, bookmark = stream.next()
        assert (kind, bookmark["kind"]) == ("BOOKMARK", "ConfigMap")
        assert bookmark["metadata"]["annotations"] == {ENDED: "true"}
        assert bookmark["metadata"]["resourceVersion"] == str(api.store.revision)
        make(api, "b")
        assert stream.names(1) == [("ADDED", "b")]


def test_an_empty_list_is_streamed_too(api):
    asked = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    accept = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    with Stream(api, MAPS, headers=accept, **asked) as stream:
        kind, bookmark = stream.next()
    assert (kind, bookmark["kind"]) == ("BOOKMARK", "PartialObjectMetadata")


def test_streaming_a_list_has_its_rules(api):
    refused = api.ask("GET", f"{MAPS}?watch=true&sendInitialEvents=true")
    assert refused.status == 422
    assert (
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in refused.json["message"]
    )
    assert api.ask("GET", f"{MAPS}?watch=true&resourceVersionMatch=NotOlderThan").status == 422


def test_without_initial_events_only_changes_come(api):
    make(api, "a")
    with Stream(api, MAPS, sendInitialEvents="false", resourceVersionMatch="NotOlderThan") as stream:
        make(api, "b")
        assert stream.names(1) == [("ADDED", "b")]


def test_an_object_comes_and_goes_as_it_matches(api):
    with Stream(api, MAPS, labelSelector="tier=x") as stream:
        make(api, "a", tier="y")
        relabel(api, "a", tier="x")
        relabel(api, "a", extra="1")
        relabel(api, "a", tier=None)
        make(api, "b", tier="x")
        assert stream.names(4) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]


def test_one_object_and_one_namespace(api):
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    with Stream(api, MAPS, fieldSelector="metadata.name=b") as one, Stream(api, MAPS) as all_here:
        api.ask("POST", "/api/v1/namespaces/other/configmaps", {"metadata": {"name": "b"}})
        make(api, "a")
        made = make(api, "b")
        assert one.next()[1]["metadata"]["uid"] == made["metadata"]["uid"]
        assert all_here.names(2) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_ends_when_its_time_is_up_and_says_how_far_it_got(api):
    with Stream(api, MAPS, timeoutSeconds=1, allowWatchBookmarks="true") as stream:
        api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
        events = stream.rest()
    assert [event["type"] for event in events] == ["BOOKMARK"]
    assert events[0]["object"]["metadata"]["resourceVersion"] == str(api.store.revision)


def test_a_watch_in_tables_names_its_columns_once(api):
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    make(api, "a")
    with Stream(api, MAPS, headers=accept) as stream:
        make(api, "b")
        tables = [stream.next()[1] for _ in range(2)]
    assert [bool(table["columnDefinitions"]) for table in tables] == [True, False]
    assert [table["rows"][0]["cells"][0] for table in tables] == ["a", "b"]


def test_a_watch_in_another_version(api):
    path = "/apis/networking.istio.io/v1beta1/namespaces/dev/gateways"
    with Stream(api, path) as stream:
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        api.ask("POST", path, {"metadata": {"name": "g"}, "spec": {"servers": [server]}})
        assert stream.next()[1]["apiVersion"] == "networking.istio.io/v1beta1"


def test_clients_that_leave_are_forgotten(api):
    watches = api.server._handlers.watches
    with Stream(api, MAPS):
        assert len(watches._open) == 1
    for number in range(200):  # the server notices when it writes, or when the connection closes
        if not watches._open:
            break
        make(api, f"m{number}")
    assert not watches._open
    assert not api.store._listeners["configmaps"]


def test_a_stopping_server_ends_its_watches(api):
    with Stream(api, MAPS) as stream:
        api.run(api.server.stop())
        assert stream.rest() == []


async def _watched_over_websocket(api, count):
    """The first events, each a message of its own; then the client leaves."""
    trust = ssl.create_default_context(cafile=str(api.certificates.authority))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{api.url}{MAPS}?watch=1&timeoutSeconds=30", ssl=trust) as socket,
    ):
        found = [await socket.receive_json(timeout=10)]
        for number in range(1, count):
            await asyncio.to_thread(make, api, f"later-{number}")
            found.append(await socket.receive_json(timeout=10))
        await socket.close()
        return [(each["type"], each["object"]["metadata"]["name"]) for each in found]


def test_a_watch_over_a_websocket(api):
    make(api, "first")
    found = asyncio.run(_watched_over_websocket(api, 3))
    assert found == [("ADDED", "first"), ("ADDED", "later-1"), ("ADDED", "later-2")]
