"""Bodies no client should send: objects and patches that are nearly right, bytes that are nearly JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import Schema, schema_of

REGISTRY = catalogue.registry()

TYPES = [each for each in REGISTRY.values() if each.persisted]
LONG = 60_000  # characters: what is not linear takes seconds
TEXTS: list[Any] = [
    "",
    "a",
    "web",
    "10.0.0.1",
    "50%",
    "TCP",
    "*",
    "é",
    "a/b",
    "None",
    "²",
    "\0",
    "🙂",
    "-1",
    "1e3",
]
LONG_TEXTS = [each * LONG for each in ("a", "1", "-", ".", "a.", "1s", " ", "$(A)", "(", "\\", "/", "0Ki")]
NUMBERS: list[Any] = [0, 1, -1, 80, 70000, 2**31, 2**63 - 1, -(2**63), 1.5, 1e308, -0.0]
ODD: list[Any] = [
    None,
    True,
    [],
    {},
    [None],
    {"": None},
    [[]],
    {"a": {}},
    "\ud800",
    2**64,
    10**400,
    [1, "a", {}, []],
]
TOKENS = [
    b"\\ud800",
    b"\xff",
    b"\x00",
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b"[" * 300,
    b'{"a":' * 300,
    b"null",
    b'"',
    b",",
]
TOKENS += [
    b"&a [*a]",
    b"*a",
    b"<<: *a",
    b"- ",
    b": ",
    b"!!int ",
    b"---\n",
    b"%",
    b"\\",
    b"\xed\xa0\x80",
    b"{}",
    b"[]",
]


def value(random: Random, schema: Schema, depth: int = 7) -> Any:
    """Something that often fits *schema*."""
    chance = random.random()
    if chance < 0.01:
        return random.choice(ODD)
    if chance < 0.015:
        return random.choice([*NUMBERS, *TEXTS, *LONG_TEXTS])
    if "enum" in schema and chance < 0.8:
        return random.choice(schema["enum"])
    if "properties" in schema:
        names = list(schema["properties"])
        chosen = random.sample(names, min(len(names), random.randint(0, 5))) if depth else []
        needed = schema.get("required", ()) if depth else ()
        return {each: value(random, schema["properties"][each], depth - 1) for each in {*chosen, *needed}}
    if isinstance(schema.get("additionalProperties"), dict):
        inner = schema["additionalProperties"]
        return {
            str(random.choice(TEXTS)): value(random, inner, depth - 1) for _ in range(random.randint(0, 3))
        }
    if schema.get("type") == "array":
        return [value(random, schema.get("items", {}), depth - 1) for _ in range(random.randint(0, 3))]
    if schema.get("type") in ("integer", "number"):
        return random.choice(NUMBERS)
    return random.choice([True, False] if schema.get("type") == "boolean" else TEXTS)


def an_object(random: Random, type_: ResourceType, name: str) -> Any:
    """An object of *type_* that may be stored."""
    version = random.choice(type_.versions)
    made = value(random, schema_of(type_, version))
    if not isinstance(made, dict):
        return made
    made |= {"apiVersion": type_.api_version(version), "kind": type_.kind}
    if random.random() < 0.9:
        meta = made.get("metadata")
        made["metadata"] = {**(meta if isinstance(meta, dict) else {}), "name": name, "namespace": "default"}
    return made


@cache
def manifests() -> list[Any]:
    """Every object of the book's lessons."""
    import yaml

    folder = Path(__file__).parents[2] / "manifests"
    found = [each for path in sorted(folder.rglob("*.y*ml")) for each in yaml.safe_load_all(path.read_text())]
    return [each for each in found if isinstance(each, dict) and "kind" in each]


def a_changed_manifest(random: Random, name: str) -> Any:
    """An object of the lessons, changed in a place or two."""
    made = copy.deepcopy(random.choice(manifests()))
    made["metadata"] = {**made.get("metadata", {}), "name": name, "namespace": "default"}
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        places = [(part, key) for part in _containers(made) for key in _keys(part)]
        part, key = random.choice(places)
        others = [*ODD, *NUMBERS, *TEXTS, random.choice(LONG_TEXTS), part[key], made]
        other = copy.deepcopy(random.choice(others))
        if random.random() < 0.2 and isinstance(part, dict):
            part[str(random.choice(TEXTS))] = other
        else:
            part[key] = other
    return made


def _containers(part: Any) -> list[Any]:
    inner = [each for key in _keys(part) for each in _containers(part[key])]
    return [part, *inner] if _keys(part) else []


def _keys(part: Any) -> list[Any]:
    return list(part) if isinstance(part, dict) else list(range(len(part))) if isinstance(part, list) else []


def a_json_patch(random: Random, obj: Any) -> Any:
    """Operations on the paths of *obj*."""
    paths = [*_paths(obj, ""), "", "/", "/x", "/metadata/-", "/~2", "/metadata/labels/a~1b", 1, None]

    def operation() -> Any:
        made = {
            "op": random.choice(["add", "remove", "replace", "move", "copy", "test", "x", 1]),
            "path": random.choice(paths),
            "from": random.choice(paths),
            "value": random.choice([*ODD, *TEXTS, *NUMBERS]),
        }
        return {key: each for key, each in made.items() if random.random() < 0.95}

    return [operation() for _ in range(random.randint(0, 6))] * random.choice([1, 1, 1, 3, 20])


def _paths(obj: Any, path: str) -> list[str]:
    if isinstance(obj, dict):
        inner = [each for key, child in obj.items() for each in _paths(child, f"{path}/{key}")]
    elif isinstance(obj, list):
        inner = [each for index, child in enumerate(obj) for each in _paths(child, f"{path}/{index}")]
    else:
        inner = []
    return [path, *inner]


def a_strategic_patch(random: Random, obj: Any) -> Any:
    """*obj* with directives in it."""
    directives: list[tuple[str, Any]] = [
        *(("$patch", each) for each in ("delete", "replace", "merge", "x", 1, [])),
        *(("$retainKeys", each) for each in ([], ["name"], [1], [[]], [{}], "x", None)),
        *(
            (f"$setElementOrder/{field}", random.choice([[], [{"name": "a"}], [1], [[]], "x", None]))
            for field in _FIELDS
        ),
        *((f"$deleteFromPrimitiveList/{field}", random.choice([[], ["a"], [[]], "x"])) for field in _FIELDS),
    ]

    def with_directives(part: Any) -> Any:
        if isinstance(part, list):
            return [with_directives(each) for each in part]
        if not isinstance(part, dict):
            return part
        made = {key: with_directives(each) for key, each in part.items()}
        return made | dict(random.sample(directives, random.choice([0, 0, 0, 1, 2])))

    return with_directives(obj)


_FIELDS = ("containers", "ports", "env", "finalizers", "conditions", "taints", "x")


def protobuf(random: Random) -> bytes:
    """The envelope of a ConfigMap, a Pod …, with fields that are none."""
    kind = random.choice(
        [("v1", "ConfigMap"), ("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "x")]
    )

    def message(depth: int) -> bytes:
        parts = b""
        for _ in range(random.randint(0, 6)):
            number, wire = random.randint(1, 20), random.choice([0, 2, 2, 2, 5, 1, 3])
            inner = (
                message(depth - 1)
                if depth and random.random() < 0.6
                else random.randbytes(random.randint(0, 12))
            )
            payload = (
                bytes([len(inner) & 0x7F]) + inner[:127]
                if wire == 2
                else random.randbytes(random.choice([1, 4, 8]))
            )
            parts += bytes([number << 3 & 0x7F | wire]) + payload
        return parts

    def text(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, min(len(content), 127)]) + content[:127]

    return b"k8s\0" + text(1, text(1, kind[0].encode()) + text(2, kind[1].encode())) + text(2, message(4))


def encoded(random: Random, made: Any) -> tuple[bytes, str]:
    """*made* as JSON or YAML, sometimes damaged, and its content type."""
    if random.random() < 0.2:
        import yaml

        try:
            return mutated(random, yaml.safe_dump(made).encode(errors="replace")), "application/yaml"
        except (yaml.YAMLError, ValueError):
            pass
    return mutated(random, json.dumps(made).encode()), "application/json"


def mutated(random: Random, data: bytes) -> bytes:
    """*data*, sometimes cut, with bytes changed or tokens put in."""
    changes: list[Callable[[int], bytes]] = [
        lambda at: data[:at],
        lambda at: data[:at] + random.choice(TOKENS) + data[at:],
        lambda at: data[:at] + random.choice(TOKENS) + data[at + 3 :],
        lambda at: data[:at] + data[at // 2 : at] * 3 + data[at:],
        lambda at: data[:at] + bytes([random.randrange(256)]) + data[at + 1 :],
    ]
    if random.random() < 0.8:
        return data
    return random.choice(changes)(random.randint(0, len(data)))
