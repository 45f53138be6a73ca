"""Whatever a client sends is either refused in a sentence or can be stored, shown and applied again."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.validation import validate
from labkit.embedded.api.merge import patch
from labkit.embedded.api.merge.apply import server_side_apply, track_update
from labkit.embedded.api.objects.convert import to_storage
from labkit.embedded.api.objects.table import to_table
from labkit.embedded.api.request.decode import decode
from labkit.embedded.api.types import schemas
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()

TYPES = [each for each in REGISTRY.values() if each.persisted]
TEXTS = ["", "a", "A b", "10.0.0.1", "50%", "x" * 70, "TCP", "*", "Always", "é", "a/b/c", "ClusterIP", "None"]
FORMATS = {
    "quantity": [1, "1Gi", "0.5", "x", "100m", -1],
    "int-or-string": [1, "a", "25%"],
    "date-time": ["2026-01-01T00:00:00Z", "x"],
    "byte": ["YQ==", "x"],
}
SCALARS: dict[str, list[Any]] = {
    "integer": [0, 1, -1, 80, 70000, 2**33],
    "number": [1.5],
    "boolean": [True, False],
    "object": [{}],
}


def value(random: Random, schema: schemas.Schema, depth: int = 8) -> Any:
    """Something that mostly fits *schema*."""
    if random.random() < 0.03:
        return random.choice([None, "x", 1, -1, 1.5, True, [], {}])
    if "enum" in schema and random.random() < 0.8:
        return random.choice(schema["enum"])
    if "properties" in schema:
        return fields(random, schema, depth) if depth > 0 else {}
    if isinstance(schema.get("additionalProperties"), dict):
        inner = schema["additionalProperties"]
        return {random.choice(TEXTS): value(random, inner, depth - 1) for _ in range(random.randint(0, 2))}
    if schema.get("type") == "array":
        return [value(random, schema["items"], depth - 1) for _ in range(random.randint(0, 3))]
    choices: list[Any] = FORMATS.get(schema.get("format", ""), SCALARS.get(schema.get("type", ""), TEXTS))
    return random.choice(choices)


def fields(random: Random, schema: schemas.Schema, depth: int) -> dict[str, Any]:
    names, needed = schema["properties"], schema.get("required", [])
    share = min(0.5, 4 / max(len(names), 1))
    chosen = [name for name in names if random.random() < (0.9 if name in needed else share)]
    made = {name: value(random, names[name], depth - 1) for name in chosen}
    return made | ({"bogus": 1} if random.random() < 0.03 else {})


def an_object(random: Random, type_: ResourceType, version: str) -> dict[str, Any]:
    obj = fields(random, schemas.schema_of(type_, version), 8)
    header = {"apiVersion": type_.api_version(version), "kind": type_.kind}
    meta = {"metadata": {"name": "a", "namespace": "b"}} if random.random() < 0.95 else {}
    return {**obj, **meta, **header}


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_body_is_refused_or_can_be_used(random: Random) -> None:
    type_ = random.choice(TYPES)
    version = random.choice(type_.versions)
    body = json.dumps(an_object(random, type_, version)).encode()
    stored = REGISTRY[type_.stored_as]
    try:
        obj = decode(body, REGISTRY, type_, version).object
    except ApiError:
        return
    catalogue.of(type_).default(obj)
    again = decode(json.dumps(obj).encode(), REGISTRY, type_, version).object
    catalogue.of(type_).default(again)
    assert again == obj
    kept = to_storage(obj, type_, REGISTRY[type_.stored_as])
    json.dumps(validate(kept, stored))
    tracked = track_update(kept, None, stored, "fuzz")
    tracked["metadata"].setdefault("name", "a")
    json.dumps(to_table([tracked], stored))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_an_apply_is_refused_or_idempotent(random: Random) -> None:
    type_ = random.choice(TYPES)
    version = random.choice(type_.versions)
    body = json.dumps(an_object(random, type_, version)).encode()
    try:
        first = server_side_apply(None, body, type_, version, manager="fuzz").object
    except ApiError:
        return
    if "managedFields" not in first["metadata"] or "uid" in first["metadata"]:
        return
    first["metadata"]["uid"] = "u"
    assert server_side_apply(first, body, type_, version, manager="fuzz").object == first


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_patch_is_refused_or_gives_an_object(random: Random) -> None:
    type_ = random.choice(TYPES)
    current, change = (an_object(random, type_, type_.storage_version) for _ in range(2))
    for content_type in patch.accepted_types(type_)[1:-1]:
        try:
            live = decode(json.dumps(current).encode(), REGISTRY, type_).object
            patched = patch.apply_patch(content_type, live, json.dumps(change).encode(), type_).object
        except ApiError:
            continue
        assert decode(json.dumps(patched).encode(), REGISTRY, type_).object == patched
