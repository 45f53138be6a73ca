"""Strategic merge patch: JSON merge patch that knows which lists are keyed.

The schema says of each list whether it is replaced or merged, and by which key; directives inside
the patch (``$patch``, ``$setElementOrder/…``, ``$deleteFromPrimitiveList/…``, ``$retainKeys``) say
what a merge alone can't. Behaviour and wording follow ``k8s.io/apimachinery/pkg/util/strategicpatch``.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from labkit.embedded.api.types import golang
from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, bad_request

_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_DELETE_FROM, _ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"
_BAD_ORDER = "invalid patch format of setElementOrder list"


def merge(original: Obj, patch: Obj, schema: Schema) -> Obj:
    """*original* changed as *patch* says. Both are consumed: pass private copies."""
    if _DIRECTIVE in patch:
        return _whole_map(patch)
    _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(_ORDER)]:
        _merge_ordered(original, patch, key, schema)
    for key, value in patch.items():
        _merge_field(original, key, value, schema)
    return original


def _failed(message: str) -> ApiError:
    """What the real server answers for a patch it can't make sense of."""
    return ApiError(500, "InternalError", message)


def _whole_map(patch: Obj) -> Obj:
    directive = patch.pop(_DIRECTIVE)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    raise _failed(f"unknown patch type: {golang.value(directive)} in map: {golang.value(patch)}")


def _retain_keys(original: Obj, patch: Obj) -> None:
    if _RETAIN not in patch:
        return
    kept = patch.pop(_RETAIN)
    given = {
        key
        for key, value in patch.items()
        if value is not None and not key.startswith((_ORDER, _DELETE_FROM))
    }
    names = {each for each in kept if isinstance(each, str)} if isinstance(kept, list) else None
    if names is None or not given <= names:
        raise bad_request("invalid patch format of retainKeys")
    for key in original.keys() - names:
        del original[key]


def _merge_field(original: Obj, key: str, value: Any, schema: Schema) -> None:
    deleting = key.startswith(_DELETE_FROM)
    key = key.removeprefix(_DELETE_FROM)
    if value is None:
        original.pop(key, None)
    elif deleting:
        if isinstance(original.get(key), list):
            gone = {_hashable(item) for item in value} if isinstance(value, list) else set()
            original[key] = [item for item in original[key] if _hashable(item) not in gone]
    elif isinstance(original.get(key), dict) and isinstance(value, dict):
        field = _field(schema, key)
        replaced = "replace" in _strategies(field)
        original[key] = value if replaced else merge(original[key], value, field)
    elif isinstance(original.get(key), list) and isinstance(value, list):
        original[key] = _merge_list(original[key], value, _field(schema, key))
    else:
        _take(original, key, value)


def _take(original: Obj, key: str, value: Any) -> None:
    """Put *value* in as it is, without its directives."""
    kept = _without_directives(value)
    if kept is None:
        original.pop(key, None)
    else:
        original[key] = kept


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return None
        fields = {key: _without_directives(each) for key, each in value.items() if each is not None}
        return {key: each for key, each in fields.items() if each is not None}
    if isinstance(value, list):
        items = [_without_directives(item) for item in value]
        return [item for item in items if item is not None]
    return value


def _field(schema: Schema, key: str) -> Schema:
    field = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
    if isinstance(field, dict):
        return field
    if schema.get("properties"):
        raise _failed(
            f"unable to find api field in struct {_name(schema)} for the json field {golang.quoted(key)}"
        )
    return {}


def _name(schema: Schema) -> str:
    return str(schema.get("x-go-type", "")).rpartition(".")[2]


def _strategies(field: Schema) -> list[str]:
    return str(field.get("x-kubernetes-patch-strategy", "")).split(",")


def _merge_list(original: list[Any], patch: list[Any], field: Schema) -> list[Any]:
    if "merge" not in _strategies(field):
        return patch
    if not original and not patch:
        return original
    key, schema = field.get("x-kubernetes-patch-merge-key", ""), field.get("items", {})
    _check_same_type([*original, *patch])
    if isinstance((original + patch)[0], dict):
        if not key:
            raise _failed(f"cannot merge lists without merge key for {_name(schema)}")
        merged = _merge_maps(original, patch, key, schema)
    else:
        merged = list(dict.fromkeys(original + patch))
    order = [item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item)]
    return _in_order(merged, order, original, key)


def _check_same_type(items: list[Any]) -> None:
    kinds = {type(item) for item in items}
    if list in kinds:
        message = "lists of lists are not supported"
        raise ApiError(422, "Invalid", message)
    if len(kinds) > 1:
        raise _failed(f"list element types are not identical: {golang.value(items)}")


def _merge_maps(original: list[Obj], patch: list[Obj], key: str, schema: Schema) -> list[Obj]:
    merged, plain = _list_directives(original, patch, key)
    places: dict[Any, int] = {}
    for index, item in enumerate(merged):
        places.setdefault(_hashable(item.get(key)), index)
    for item in plain:
        found = places.setdefault(_hashable(_key_of(item, key)), len(merged))
        if found == len(merged):
            merged.append(_without_directives(item))
        else:
            merged[found] = merge(merged[found], item, schema)
    return merged


def _list_directives(original: list[Obj], patch: list[Obj], key: str) -> tuple[list[Obj], list[Obj]]:
    """*original* after the deletions and replacements in *patch*, and the rest of *patch*."""
    plain, deleted = [item for item in patch if _DIRECTIVE not in item], set()
    for item in patch:
        directive = item.get(_DIRECTIVE)
        if directive == "delete":
            deleted.add(_hashable(_key_of(item, key)))
        elif directive == "replace":
            return [], plain
        elif directive == "merge":
            raise _failed("merging lists cannot yet be specified in the patch")
        elif directive is not None:
            raise _failed(f"unknown patch type: {golang.value(directive)} in map: {golang.value(item)}")
    return [each for each in original if _hashable(each.get(key)) not in deleted], plain


def _key_of(item: Obj, key: str) -> Any:
    if not isinstance(item, dict) or key not in item:
        raise _failed(f"map: {golang.value(item)} does not contain declared merge key: {key}")
    return item[key]


def _hashable(value: Any) -> Any:
    """*value* as a key of a dictionary: lists of many items are compared by look-ups."""
    return value if isinstance(value, (str, type(None))) else (type(value).__name__, golang.compact(value))


def _merge_ordered(original: Obj, patch: Obj, directive: str, schema: Schema) -> None:
    """One list whose whole order the patch gives."""
    order = patch.pop(directive)
    name = directive.removeprefix(_ORDER)
    given, live = patch.pop(name, None), original.get(name)
    if any(not isinstance(each, (list, type(None))) for each in (order, given, live)) or order is None:
        raise bad_request(_BAD_ORDER)
    field = _field(schema, name)
    key = field.get("x-kubernetes-patch-merge-key", "")
    _check_order(given or [], order, key)
    if live is None and given is None:
        return
    merged = live if given is None else _without_directives(given)
    if live is not None and given is not None:
        merged = _merge_list(live, given, field)
    original[name] = _in_order(merged or [], order, live or [], key)


def _check_order(given: list[Any], order: list[Any], key: str) -> None:
    """Every item of the patch must stand in the order list, in the same sequence."""
    plain = [item for item in given if not (isinstance(item, dict) and _DIRECTIVE in item)]
    if not plain or not order:
        return
    values = iter(_identity(item, key) for item in order)
    if not all(any(_identity(item, key) == value for value in values) for item in plain):
        raise _failed(
            f"The order in patch list:\n{golang.value(given)}\n doesn't match $setElementOrder list:\n"
            f"{golang.value(order)}\n"
        )


def _identity(item: Any, key: str) -> Any:
    return _hashable(_key_of(item, key) if key else item)


def _in_order(merged: list[Any], order: list[Any], live: list[Any], key: str) -> list[Any]:
    """The patch's items in *order*, with the server's own kept where they stood among them."""
    ranks, live_ranks = _ranks(order, key), _ranks(live, key)
    named = [(_identity(item, key), item) for item in merged]
    ours = sorted((each for each in named if each[0] in ranks), key=lambda each: ranks[each[0]])
    theirs = deque(
        sorted(
            (each for each in named if each[0] not in ranks),
            key=lambda each: live_ranks.get(each[0], len(live_ranks)),
        )
    )
    result: list[Any] = []
    for identity, item in ours:
        while theirs and _stands_before(theirs[0][0], identity, live_ranks):
            result.append(theirs.popleft()[1])
        result.append(item)
    return result + [item for _, item in theirs]


def _ranks(items: list[Any], key: str) -> dict[Any, int]:
    """Where each item stands first."""
    ranks: dict[Any, int] = {}
    for index, item in enumerate(items):
        ranks.setdefault(_identity(item, key), index)
    return ranks


def _stands_before(left: Any, right: Any, ranks: dict[Any, int]) -> bool:
    return left in ranks and right in ranks and ranks[left] < ranks[right]
