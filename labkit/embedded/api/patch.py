"""The three patches that change an object in place: JSON patch, merge patch, strategic merge patch.

(Server-side apply, the fourth, has :mod:`.apply`.) Codes and texts are the real handler's: a body
that is no patch gets 400, a patch that does not fit 422.
"""

from __future__ import annotations

import copy
from typing import Any

from labkit.embedded.api import golang, strategic
from labkit.embedded.api.bodies import parse
from labkit.embedded.api.decoding import Decoded, FieldValidation, prune, strict_errors
from labkit.embedded.api.resources import ResourceType
from labkit.embedded.api.schemas import Schema, schema_of
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, bad_request, invalid

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_MOST_OPERATIONS = 10_000


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
    if content_type not in accepted_types(type_):
        raise _unsupported(accepted_types(type_))
    parsed = parse(body)
    original = copy.deepcopy(current)
    if content_type == JSON_PATCH:
        patched = json_patch(original, parsed.value)
    elif content_type == MERGE_PATCH:
        patched = _merge_patch_object(original, parsed.value)
    else:
        patched = _strategic_patch(original, parsed.value, schema)
    shown = golang.value(parsed.value) if content_type == STRATEGIC_PATCH else golang.compact(patched)
    duplicates = [_duplicate(content_type, path) for path in parsed.duplicates]
    return _decode_again(patched, current, shown, duplicates, schema, type_.custom, field_validation)


def _duplicate(content_type: str, path: str) -> str:
    return ("json patch " if content_type == JSON_PATCH else "") + f'duplicate field "{path}"'


def _decode_again(
    patched: Any,
    current: Obj,
    shown: str,
    problems: list[str],
    schema: Schema,
    custom: bool,
    field_validation: FieldValidation,
) -> Decoded:
    try:
        if not isinstance(patched, dict):
            raise ValueError(
                f"json: cannot unmarshal {golang.json_type(patched)} into Go value of type struct"
            )
        _keep_header(patched, current)
        obj, unknown = prune(patched, schema, custom=custom)
        return Decoded(obj, strict_errors(problems + unknown, field_validation))
    except ValueError as error:
        message = f"Invalid value: {golang.quoted(shown)}: {error}"
        raise invalid("", "", "", [("patch", "FieldValueInvalid", message)]) from error


def _keep_header(patched: Obj, current: Obj) -> None:
    """A patch can't turn an object into one of another kind."""
    for key in ("apiVersion", "kind"):
        if patched.get(key, current.get(key)) != current.get(key):
            raise bad_request(f"the {key} of the object ({current.get(key)}) can't be changed by a patch")
        if key in current:
            patched[key] = current[key]


def _unsupported(accepted: list[str]) -> ApiError:
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def _wrong_type(value: Any, wanted: str) -> str:
    return f"json: cannot unmarshal {golang.json_type(value)} into Go value of type {wanted}"


def json_patch(original: Any, operations: Any) -> Any:
    """RFC 6902; *original* is consumed."""
    import jsonpatch

    if not isinstance(operations, list):
        raise bad_request("error decoding patch: " + _wrong_type(operations, "[]handlers.jsonPatchOp"))
    if len(operations) > _MOST_OPERATIONS:
        message = (
            f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(operations)}"
        )
        raise ApiError(413, "RequestEntityTooLarge", message)
    try:
        return jsonpatch.apply_patch(original, operations, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        message = "the server rejected our request due to an error in our request"
        details = {"causes": [{"reason": "UnexpectedServerResponse", "message": str(error)}]}
        raise ApiError(422, "Invalid", message, details) from error


def _merge_patch_object(original: Obj, patch: Any) -> Any:
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: " + _wrong_type(patch, "map[string]interface {}"))
    return merge_patch(original, patch)


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


def _strategic_patch(original: Obj, patch: Any, schema: Schema) -> Obj:
    if not isinstance(patch, dict):
        raise bad_request(_wrong_type(patch, "map[string]interface {}"))
    return strategic.merge(original, patch, schema)
