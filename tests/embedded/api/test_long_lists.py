"""Lists of many objects: whole in every form, and made piece by piece, so that others have their turn."""

from __future__ import annotations

import asyncio
import gzip
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from aiohttp import web

from labkit.embedded.api.request import responses
from labkit.embedded.api.request.negotiation import Form

from .conftest import Api

COUNT = 450
MAPS = "/api/v1/namespaces/dev/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@pytest.fixture
def many(api: Api) -> Api:
    def make() -> None:
        for number in range(COUNT):
            metadata: dict[str, Any] = {
                "name": f"map-{number:03}",
                "namespace": "dev",
                "labels": {"even": str(number % 2)},
            }
            metadata["annotations"] = {"text": "ü" * 300}
            api.client.create("configmaps", {"metadata": metadata})

    api.inside(make)
    return api


def by_pages(api: Api, accept: str, key: str) -> list[Any]:
    found: list[Any] = []
    more = ""
    while True:
        page = api.get(f"{MAPS}?limit=100{more}", Accept=accept)
        found += page[key]
        if not (token := page["metadata"].get("continue")):
            return found
        more = f"&continue={token}"


@pytest.mark.parametrize(
    ("accept", "key"), [("application/json", "items"), (METADATA, "items"), (TABLE, "rows")]
)
def test_it_is_what_its_pages_are(many: Api, accept: str, key: str) -> None:
    whole = many.ask("GET", MAPS, headers={"Accept": accept})
    packed = many.ask("GET", MAPS, headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    unpacked = json.loads(gzip.decompress(packed.body))
    assert len(whole.json[key]) == COUNT
    for listed in (whole.json[key], unpacked[key], by_pages(many, accept, key)):
        assert [without_age(each) for each in listed] == [without_age(each) for each in whole.json[key]]
    assert {name for name in whole.json if name != key} == {name for name in unpacked if name != key}


def without_age(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "cells": item["cells"][:-1]} if "cells" in item else item


def test_in_yaml_and_by_label(many: Api) -> None:
    answer = many.ask("GET", f"{MAPS}?labelSelector=even%3D1", headers={"Accept": "application/yaml"})
    assert len(yaml.safe_load(answer.body)["items"]) == COUNT // 2
    assert len(many.get(f"{MAPS}?labelSelector=even%3D1")["items"]) == COUNT // 2


def test_a_watch_begins_with_all_of_them(many: Api) -> None:
    asked = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    seen = []
    with many.open("GET", f"{MAPS}?{asked}&timeoutSeconds=30") as stream:
        for line in stream:
            event = json.loads(line)
            if event["type"] == "BOOKMARK":
                break
            seen.append(event["object"]["metadata"]["name"])
    assert seen == [f"map-{number:03}" for number in range(COUNT)]


def test_others_have_their_turn() -> None:
    """Between two pieces, each time."""

    async def made() -> tuple[web.Response, int]:
        items = ({"number": number} for number in range(1000))
        listed = responses.Listed({"kind": "List", "items": []}, items, 1000)
        request = cast(web.BaseRequest, SimpleNamespace(headers={}))
        answer = asyncio.ensure_future(responses.answer_list(request, listed, form=Form()))  # type: ignore[arg-type]
        turns = 0
        while not answer.done():
            turns += 1
            await asyncio.sleep(0)
        return await answer, turns

    answer, turns = asyncio.run(made())
    assert turns >= 5
    assert isinstance(answer.body, bytes)
    found = json.loads(answer.body)
    assert found == {"kind": "List", "items": [{"number": number} for number in range(1000)]}
