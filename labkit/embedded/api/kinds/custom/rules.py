"""``x-kubernetes-validations``: the rules of a schema, in CEL, asked of an object.

As ``schema/cel`` of k8s.io/apiextensions-apiserver, with its words. What is not here: the estimated cost
of a rule, and the types of fields, so that a rule which names a field nobody declared is found out when
it is asked, not when the definition is written.
"""

from __future__ import annotations

import re
from typing import Any

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.custom import cel
from labkit.embedded.api.kinds.custom.correlation import MISSING, inner, item_of
from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj

_NOWHERE = "<nil>"
_LONGEST_MESSAGE = 5 * 1024
_OVERLOAD = "call arguments did not match a supported operator, function or macro signature for rule"
_KNOWN = "x-labkit-has-rules"
_KEY = re.compile(r"\.?\['((?:[^'\\]|\\.)*)'\]")


def has_rules(schema: Schema) -> bool:
    """Whether *schema* has a rule anywhere; found out once."""
    if _KNOWN not in schema:
        schema[_KNOWN] = _looks_for_rules(schema)
    return bool(schema[_KNOWN])


def _looks_for_rules(schema: Schema) -> bool:
    if schema.get("x-kubernetes-validations"):
        return True
    below = [
        *(schema.get("properties") or {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    return any(isinstance(each, dict) and has_rules(each) for each in [*below, *(schema.get("allOf") or ())])


def check_object(
    causes: Causes, content: Obj, schema: Schema, before: Any, whole: Obj, old: Obj | None
) -> None:
    """Ask all rules of *content*, the object *whole* without its header; those at the root see its name."""
    root = cel.with_header(schema)
    _ask_all(causes, "", whole, root, MISSING if old is None else old)
    _below(causes, "", content, schema, before)


def check_value(causes: Causes, value: Any, schema: Schema) -> None:
    """Ask the rules of *schema* of a *value* that was not there before."""
    _check(causes, "", value, schema, MISSING)


def _check(causes: Causes, path: str, value: Any, schema: Schema, old: Any) -> None:
    if value is None or not has_rules(schema):
        return
    _ask_all(causes, path, value, schema, old)
    for each in schema.get("allOf") or ():
        _check(causes, path, value, {"type": schema.get("type"), **each}, MISSING)
    _below(causes, path, value, schema, old)


def _below(causes: Causes, path: str, value: Any, schema: Schema, old: Any) -> None:
    if isinstance(value, list):
        items = schema.get("items") or {}
        for index, each in enumerate(value):
            _check(causes, f"{path}[{index}]", each, items, item_of(old, each, schema))
    elif isinstance(value, dict):
        known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, each in value.items():
            if key in known:
                _check(causes, f"{path}.{key}" if path else key, each, known[key], inner(old, key))
            elif isinstance(extra, dict):
                _check(causes, f"{path}[{key}]", each, extra, inner(old, key))


def _ask_all(causes: Causes, path: str, value: Any, schema: Schema, old: Any) -> None:
    found = schema.get("x-kubernetes-validations") or ()
    if not found:
        return
    given = {"self": cel.value(value, schema)}
    if old is not MISSING and old is not None:
        given["oldSelf"] = cel.value(old, schema)
    for rule in found:
        transition = cel.uses_old(rule["rule"])
        if transition and "oldSelf" not in given and not rule.get("optionalOldSelf"):
            continue
        if not transition and old is not MISSING and old == value:
            continue  # it was so before
        _ask(causes, path, rule, schema, given)


def _ask(causes: Causes, path: str, rule: Obj, schema: Schema, given: Obj) -> None:
    kind, field = schema.get("type") or "", path or _NOWHERE
    try:
        program = cel.program(rule["rule"], cel.type_of(schema), bool(rule.get("optionalOldSelf")))
        holds = program(given)
    except cel.CompilationError as error:
        causes.invalid(field, kind, f"rule compile error: {error}")
    except cel.EvaluationError as error:
        causes.invalid(field, kind, _could_not(str(error), _shown(rule)))
    else:
        if holds is not True:
            _refuse(causes, path, rule, kind, _message(rule, schema, given))


def _could_not(error: str, rule: str) -> str:
    if error.startswith("no such overload"):
        return f"'{error}': {_OVERLOAD}: {rule}"
    return f"{error} evaluating rule: {rule}"


def _shown(rule: Obj) -> str:
    return str(rule.get("message") or rule["rule"]).strip()


def _message(rule: Obj, schema: Schema, given: Obj) -> str:
    plain = rule["message"].strip() if rule.get("message") else f"failed rule: {_shown(rule)}"
    if not rule.get("messageExpression"):
        return plain
    try:
        said = cel.program(rule["messageExpression"], cel.type_of(schema), False)(given)
    except (cel.CompilationError, cel.EvaluationError):
        return plain
    text = said.strip() if isinstance(said, str) else ""
    return text if text and "\n" not in text and len(text) <= _LONGEST_MESSAGE else plain


def _refuse(causes: Causes, path: str, rule: Obj, kind: str, message: str) -> None:
    below = field_path(rule.get("fieldPath") or "")
    field = f"{path}.{below}" if path and below else below or path or _NOWHERE
    reason = rule.get("reason")
    if reason == "FieldValueForbidden":
        causes.forbidden(field, message)
    elif reason == "FieldValueRequired":
        causes.required(field, message)
    elif reason == "FieldValueDuplicate":
        causes.duplicate(field, kind)
    else:
        causes.invalid(field, kind, message)


def field_path(text: str) -> str:
    """``.spec['a.b']`` as error messages have it: ``spec[a.b]``."""
    return _KEY.sub(lambda match: f"[{match[1]}]", text).lstrip(".")
