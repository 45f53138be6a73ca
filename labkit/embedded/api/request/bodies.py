"""Request bodies: JSON or YAML into plain values, with the duplicate keys noticed.

What comes out is bounded, whatever came in: not nested deeper than :data:`DEEPEST`, without numbers
that only Python can hold, and with text that can be written as UTF-8. The work is linear in the body.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.embedded.api.request import yaml_bounds, yaml_keys
from labkit.embedded.api.types.decoding import join
from labkit.embedded.status import ApiError, bad_request

LARGEST = 3 * 1024 * 1024
"""Bytes of a body, as the real server (``MaxRequestBodyBytes``)."""
DEEPEST = 200
"""Levels of lists and objects; the real server takes 10,000, and no kind has more than some forty."""
_LONGEST_INTEGER = 19  # digits of an int64
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass
class Body:
    """A parsed body; *duplicates* are the paths of keys that were given twice."""

    value: Any
    duplicates: list[str] = field(default_factory=list)
    places: dict[tuple[str, bool], int] = field(default_factory=dict)
    """Where there are duplicates: where each path stood first, and where it stood again."""
    repeated: list[str] = field(default_factory=list)
    """What a YAML parser says of keys that were given twice."""


def too_large(message: str) -> ApiError:
    """413."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


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
    """Parse JSON in UTF-8; ValueError where it is not."""
    repeated: dict[int, list[str]] = {}
    kept: list[dict[str, Any]] = []  # or an id could be given away again

    def make(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            repeated[id(made)] = [key for key, _ in pairs]
            kept.append(made)
        return made

    text = data.decode()  # json.loads would take UTF-16, and lone surrogates
    hooks: Any = {"parse_constant": _refuse_constant, "parse_int": _integer, "parse_float": _float}
    try:
        value = json.loads(text, object_pairs_hook=make, **hooks)
    except RecursionError:
        raise _too_deep() from None
    check_depth(value)
    if _SURROGATE.search(data):
        _check_text(value)
    order = list(_in_order(value, "", repeated)) if repeated else []
    duplicates = list(dict.fromkeys(path for path, again in order if again))
    return Body(value, duplicates, {entry: at for at, entry in reversed(list(enumerate(order)))})


def check_depth(value: Any) -> None:
    """ValueError for what is nested deeper than :data:`DEEPEST`."""
    level = [value]
    for _ in range(DEEPEST + 1):
        children = [_children(each) for each in level if isinstance(each, (dict, list))]
        if not children:
            return
        level = [each for some in children for each in some if isinstance(each, (dict, list))]
    raise _too_deep()


def _children(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _too_deep() -> ValueError:
    return ValueError("exceeded max depth")


def _check_text(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("invalid character in string: half of a surrogate pair") from None


def _integer(text: str) -> int | float:
    """As Go: what no int64 holds is a float64."""
    if len(text) < _LONGEST_INTEGER:
        return int(text)
    if len(text) <= _LONGEST_INTEGER + 1 and -(1 << 63) <= int(text) < 1 << 63:
        return int(text)
    return _float(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        shown = text if len(text) < 32 else f"{text[:29]}..."
        raise ValueError(f"json: cannot unmarshal number {shown} into Go value of type float64")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def _in_order(value: Any, path: str, keys: Mapping[int, list[str]]) -> Iterator[tuple[str, bool]]:
    """The path of every key as it stands in the text, and whether it stands there again.

    keys: those of the objects that repeat some, by their ids.
    """
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _in_order(each, f"{path}[{index}]", keys)
    elif isinstance(value, dict):
        stands = keys.get(id(value), list(value))
        left = Counter(stands)
        seen: set[str] = set()
        for key in stands:
            yield join(path, key), key in seen
            seen.add(key)
            left[key] -= 1
            if not left[key]:
                yield from _in_order(value[key], join(path, key), keys)


def parse_yaml(data: bytes) -> Body:
    """Parse one YAML document the way ``sigs.k8s.io/yaml`` does: dates stay strings."""
    import yaml

    loader = None
    try:
        yaml_bounds.check(data, deepest=DEEPEST, largest=LARGEST)
        loader = _yaml_loader()(data)
        node = loader.get_single_node()
        found = loader.construct_document(node) if node else None
        parsed = parse_json(json.dumps(found, allow_nan=False).encode())  # keys: strings
        return replace(parsed, repeated=yaml_keys.repeated(node))
    except (yaml.YAMLError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise bad_request(f"error converting YAML to JSON: yaml: {problem}") from error
    finally:
        if loader:
            loader.dispose()


_YAML_INT = re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
_YAML_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9][0-9_]*)?\.[0-9][0-9_]*|[0-9][0-9_]*\.)(?:e[-+]?[0-9]+)?$"
    r"|[-+]?[0-9]+e[-+]?[0-9]+$|[-+]?\.(?:inf|nan)$",
    re.IGNORECASE,
)


def _yaml_loader() -> Any:
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc,valid-type]
        """Safe, and without the dates and the numbers to base 60 that YAML 1.1 sees everywhere."""

    numbers = {"tag:yaml.org,2002:int": _YAML_INT, "tag:yaml.org,2002:float": _YAML_FLOAT}
    Loader.yaml_implicit_resolvers = {
        letter: [(tag, numbers.get(tag, pattern)) for tag, pattern in resolvers if tag not in _NOT_IN_GO]
        for letter, resolvers in base.yaml_implicit_resolvers.items()
    }
    return Loader


_NOT_IN_GO = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
