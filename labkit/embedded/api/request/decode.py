"""From a request's body to an object, and what its writer should hear of it.

What is dropped or doubled is an error under ``fieldValidation=Strict``, a warning under ``Warn`` (the
default) and nothing under ``Ignore``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from labkit.embedded.api.request import yaml_keys
from labkit.embedded.api.request.bodies import Body, parse
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType, split_api_version
from labkit.embedded.api.types.schemas import Schema, definition, schema_of
from labkit.embedded.objects import Obj
from labkit.embedded.status import bad_request

FieldValidation = Literal["Strict", "Warn", "Ignore"]
_MOST_PROBLEMS = 100  # that are told, as by sigs.k8s.io/json


@dataclass(frozen=True)
class Decoded:
    """An object as the server understood it, and the warnings its writer should see."""

    object: Obj
    warnings: list[str] = field(default_factory=list)


def decode(
    data: bytes,
    registry: Registry,
    type_: ResourceType,
    version: str = "",
    *,
    content_type: str = "application/json",
    field_validation: FieldValidation = "Warn",
    kind: str = "",
) -> Decoded:
    """The object in a POST or PUT body. ApiError 400 for what can't be decoded.

    *kind* names what a subresource takes (``Scale``); otherwise the body is an object of *type_*.
    """
    body = parse(data, content_type, unrecognized=f"(must be of type {kind or type_.kind})")
    version = version or type_.storage_version
    own = schema_of(type_, version)
    schema = own if not kind or kind == type_.kind else _subresource_schema(kind)
    obj, seen = _check_header(body.value, registry, type_, version, kind)
    try:
        custom = type_.custom and schema is own
        pruned, unknown = prune(obj, schema, custom=custom)
        if schema is own:
            pruned.setdefault("metadata", {})  # a Go struct has one
        is_one = body.repeated and field_validation == "Strict"
        repeated = [yaml_keys.error(body.repeated)] if is_one else body.repeated
        problems = [*repeated, *_problems(body, unknown, in_order=not custom)]
        warnings = strict_errors(problems, field_validation)
    except ValueError as error:
        raise bad_request(
            f'{seen} in version "{version}" cannot be handled as a {kind or type_.kind}: {error}'
        ) from error
    return Decoded(pruned, warnings)


def _problems(body: Body, unknown: list[str], *, in_order: bool) -> list[str]:
    """What a strict client is refused for; in the order of the text, where Go's decoder goes through it."""
    again = {f'duplicate field "{path}"': body.places.get((path, True), 0) for path in body.duplicates}
    if not again or not in_order:
        return [*again, *unknown]
    first = {f'unknown field "{path}"': at for (path, is_again), at in body.places.items() if not is_again}
    return sorted([*again, *unknown], key=lambda each: again.get(each, first.get(each, 0)))


def _subresource_schema(kind: str) -> Schema:
    names = {
        "Scale": "io.k8s.api.autoscaling.v1.Scale",
        "Eviction": "io.k8s.api.policy.v1.Eviction",
        "TokenRequest": "io.k8s.api.authentication.v1.TokenRequest",
        "DeleteOptions": "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    }
    return definition(names[kind])


def strict_errors(problems: list[str], field_validation: FieldValidation) -> list[str]:
    """*problems* (the first, where there are many) as warnings; ValueError where the client is strict."""
    problems = problems[:_MOST_PROBLEMS]
    if problems and field_validation == "Strict":
        raise ValueError("strict decoding error: " + ", ".join(problems))
    return problems if field_validation == "Warn" else []


def _check_header(
    value: Any, registry: Registry, type_: ResourceType, version: str, kind: str
) -> tuple[Obj, str]:
    """The object with its apiVersion and kind, and the kind the client wrote."""
    if not isinstance(value, dict):
        found = golang.json_type(value)
        raise bad_request(
            f"the object provided is unrecognized (must be of type {type_.kind}): couldn't get version/kind; "
            f"json parse error: json: cannot unmarshal {found} into Go value of type struct"
        )
    wanted = kind or type_.kind
    foreign = bool(kind) and kind != type_.kind
    expected = value.get("apiVersion") if foreign else type_.api_version(version)
    given = value.get("apiVersion") or expected
    if given != expected:
        raise bad_request(
            f"the API version in the data ({given}) does not match the expected API version ({expected})"
        )
    seen = value.get("kind") or wanted
    if seen != wanted:
        number = split_api_version(str(given))[1]
        why = _unconvertible(registry, str(given), seen, type_)
        raise bad_request(f'{seen} in version "{number}" cannot be handled as a {wanted}: {why}')
    return {**value, "apiVersion": given, "kind": seen}, seen


def _unconvertible(registry: Registry, api_version: str, seen: str, type_: ResourceType) -> str:
    """Go's packages of kinds are named as the groups; ``core`` is the one without a name."""
    group, version = split_api_version(api_version)
    if not any((kind.group, kind.kind) == (group, seen) for kind in registry.values()):
        return "it is another kind"
    package = type_.group.partition(".")[0] or "core"
    return f"converting ({version}.{seen}) to ({package}.{type_.kind}): unknown conversion"
