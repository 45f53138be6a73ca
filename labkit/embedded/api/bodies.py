"""Request bodies: JSON or YAML into plain values, with the duplicate keys noticed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from labkit.embedded.status import bad_request


@dataclass
class Body:
    """A parsed body; *duplicates* are the paths of keys that were given twice."""

    value: Any
    duplicates: list[str] = field(default_factory=list)


def parse(data: bytes, content_type: str = "application/json", *, unrecognized: str = "") -> Body:
    """Parse *data*; ApiError 400 where it is neither JSON nor, if *content_type* says so, YAML.

    *unrecognized* is what the refusal says of an object that was expected.
    """
    try:
        return parse_json(data)
    except ValueError as error:
        if "yaml" not in content_type:
            seen = f"the object provided is unrecognized {unrecognized}: " if unrecognized else ""
            raise bad_request(f"{seen}couldn't get version/kind; json parse error: {error}") from error
    return parse_yaml(data)


def parse_json(data: bytes) -> Body:
    """Parse JSON; ValueError where it is not."""
    repeated: list[tuple[dict[str, Any], list[str]]] = []

    def make(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            repeated.append((made, [key for key in made if keys.count(key) > 1]))
        return made

    value = json.loads(data, object_pairs_hook=make, parse_constant=_refuse_constant)
    return Body(value, _paths(value, "", {id(owner): keys for owner, keys in repeated}) if repeated else [])


def _refuse_constant(name: str) -> None:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def _paths(value: Any, path: str, repeated: dict[int, list[str]]) -> list[str]:
    if isinstance(value, list):
        return [found for i, each in enumerate(value) for found in _paths(each, f"{path}[{i}]", repeated)]
    if not isinstance(value, dict):
        return []
    found = [join(path, key) for key in repeated.get(id(value), [])]
    for key, each in value.items():
        found += _paths(each, join(path, key), repeated)
    return found


def join(path: str, key: str) -> str:
    """``spec`` and ``replicas`` → ``spec.replicas``."""
    return f"{path}.{key}" if path else key


def parse_yaml(data: bytes) -> Body:
    """Parse one YAML document the way ``sigs.k8s.io/yaml`` does: dates stay strings."""
    import yaml

    loader = _yaml_loader()(data)
    try:
        return Body(json.loads(json.dumps(loader.get_single_data())))  # keys become strings
    except (yaml.YAMLError, TypeError) as error:
        problem = " ".join(str(error).split())
        raise bad_request(f"error converting YAML to JSON: yaml: {problem}") from error
    finally:
        loader.dispose()


def _yaml_loader() -> Any:
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc,valid-type]
        """Safe, and without the dates YAML sees everywhere."""

    Loader.yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for letter, resolvers in base.yaml_implicit_resolvers.items()
    }
    return Loader
