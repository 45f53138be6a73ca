"""The three patches that change an object in place: JSON patch, merge patch, strategic merge patch.

(Server-side apply, the fourth, has :mod:`.apply`.) Codes and texts are the real handler's: a body
that is no patch gets 400, a patch that does not fit 422.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labkit.embedded.api.merge import strategic
from labkit.embedded.api.request.bodies import LARGEST, check_depth, parse, too_large
from labkit.embedded.api.request.decode import Decoded, FieldValidation, strict_errors
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.decoding import TypeMismatchError, go_type, prune
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import Schema, schema_of
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.status import ApiError, bad_request, generic, invalid

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_MOST_OPERATIONS = 10_000
_MOST_COPIED = LARGEST
"""Bytes that ``copy`` operations may add, as the real server (``JSONPatchMaxCopyBytes``)."""


def accepted_types(type_: ResourceType) -> list[str]:
    """The patch content types of *type_*; custom kinds have no strategic merge."""
    return [JSON_PATCH, MERGE_PATCH, *([] if type_.custom else [STRATEGIC_PATCH]), APPLY_PATCH]


def apply_patch(
    content_type: str,
    current: Obj,
    body: bytes,
    type_: ResourceType,
    version: str = "",
    *,
    field_validation: FieldValidation = "Warn",
    schema: Schema | None = None,
) -> Decoded:
    """*current* (in *version*'s form, left alone) as *body* changes it, decoded again.

    *schema* is a subresource's own, such as Scale's. Names, defaults and validation are the caller's.
    """
    schema = schema or schema_of(type_, version or type_.storage_version)
    content_type = content_type.partition(";")[0].strip()
    if content_type not in _PATCHES or content_type not in accepted_types(type_):
        raise _unsupported(type_)
    parsed = parse(body)
    patched = _PATCHES[content_type](mutable(current), parsed.value, schema)
    try:
        check_depth(patched)
        obj, unknown = prune(_same_kind(patched, current), schema, custom=type_.custom)
        if "metadata" in schema.get("properties", ()):
            obj.setdefault("metadata", {})
        duplicates = [_duplicate(content_type, path) for path in parsed.duplicates]
        return Decoded(obj, strict_errors(duplicates + unknown, field_validation))
    except ValueError as error:
        raise _unfit(content_type, parsed.value, patched, error) from error


def _duplicate(content_type: str, path: str) -> str:
    return ("json patch " if content_type == JSON_PATCH else "") + f'duplicate field "{path}"'


def _same_kind(patched: Any, current: Obj) -> Obj:
    """*patched*, which must still be an object of the same kind."""
    if not isinstance(patched, dict):
        raise ValueError(_wrong_type(patched, "struct"))
    for key in ("apiVersion", "kind"):
        if patched.get(key, current.get(key)) != current.get(key):
            raise bad_request(f"the {key} of the object ({current.get(key)}) can't be changed by a patch")
        if key in current:
            patched[key] = current[key]
    return patched


def _unfit(content_type: str, patch: Any, patched: Any, error: ValueError) -> ApiError:
    """422 for a patch whose result is no object of its kind."""
    strategic_patch = content_type == STRATEGIC_PATCH
    shown = golang.value(patch) if strategic_patch else golang.compact(patched)
    words = str(error)
    if strategic_patch and isinstance(error, TypeMismatchError):
        words = _misfit(error.value, error.schema)
    message = f"Invalid value: {golang.quoted(shown)}: {words}"
    return invalid("", "", "", [("patch", "FieldValueInvalid", message)])


_GO_KINDS: dict[type, str] = {str: "string", bool: "bool", int: "int64", float: "float64"}


def _misfit(value: Any, schema: Schema) -> str:
    """A wrong type as ``runtime.DefaultUnstructuredConverter`` puts it (strategic merge uses no JSON)."""
    found = {dict: "map", list: "slice", **_GO_KINDS}[type(value)]
    if "properties" in schema:
        return f"cannot restore struct from: {found}"
    if "additionalProperties" in schema:
        return f"cannot restore map from {found}"
    if schema.get("type") == "array":
        return f"cannot restore slice from {found}"
    wanted = go_type(schema)
    numeric = found == "int64" and wanted == "string"
    return f"cannot convert {found} to {wanted}" if numeric else f"unrecognized type: {wanted}"


def _unsupported(type_: ResourceType) -> ApiError:
    """415; for a built-in kind it comes from the routes, which say no more."""
    if not type_.custom:
        return generic(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", message + ", ".join(accepted_types(type_)))


def _wrong_type(value: Any, wanted: str) -> str:
    return f"json: cannot unmarshal {golang.json_type(value)} into Go value of type {wanted}"


def json_patch(original: Any, operations: Any) -> Any:
    """RFC 6902; *original* is consumed."""
    import jsonpatch

    if not isinstance(operations, list):
        raise bad_request("error decoding patch: " + _wrong_type(operations, "[]handlers.jsonPatchOp"))
    if len(operations) > _MOST_OPERATIONS:
        raise too_large(
            f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(operations)}"
        )
    copied, patched = 0, original
    try:
        jsonpatch.JsonPatch(operations)
        for operation in operations:
            if operation["op"] == "copy":
                copied += _size(jsonpatch.JsonPointer(operation["from"]).resolve(patched))
                _check_copied(copied)
            patched = jsonpatch.apply_patch(patched, [operation], in_place=True)
        return patched
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, *_UNFIT) as error:
        # The real server keeps the reason to itself, too.
        message = "the server rejected our request due to an error in our request"
        raise generic(422, "Invalid", message) from error


_UNFIT = (TypeError, LookupError, AttributeError, ValueError, RecursionError)
"""What the library ends in where a patch is none, or goes where the object does not."""


def _size(value: Any) -> int:
    return len(golang.compact(value))


def _check_copied(copied: int) -> None:
    if copied > _MOST_COPIED:
        raise too_large(
            f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
            f"exceeding the limit {_MOST_COPIED}"
        )


def _apply_json_patch(original: Obj, patch: Any, _schema: Schema) -> Any:
    return json_patch(original, patch)


def _apply_merge_patch(original: Obj, patch: Any, _schema: Schema) -> Any:
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: " + _wrong_type(patch, "map[string]interface {}"))
    return merge_patch(original, patch)


def _apply_strategic_patch(original: Obj, patch: Any, schema: Schema) -> Obj:
    if not isinstance(patch, dict):
        raise bad_request(_wrong_type(patch, "map[string]interface {}"))
    return strategic.merge(original, patch, schema)


_PATCHES: dict[str, Callable[[Obj, Any, Schema], Any]] = {
    JSON_PATCH: _apply_json_patch,
    MERGE_PATCH: _apply_merge_patch,
    STRATEGIC_PATCH: _apply_strategic_patch,
}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386; *target* is consumed."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge_patch(target.get(key), value)
    return target
