"""ValidatingAdmissionPolicies and their bindings: rules in CEL about what may be written.

They are kept to by :mod:`labkit.embedded.api.admission.webhooks.policies`. The types of fields are not known
to the expressions, so one that names a field which no kind has is found out when it is asked; ``authorizer``
is not there.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.admission_webhooks import check_rule
from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.expressions import check_conditions, check_expression
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, Subresource
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"
BINDINGS = "validatingadmissionpolicybindings.admissionregistration.k8s.io"
VARIABLES = ("object", "oldObject", "request", "params", "namespaceObject", "variables")
_FAILURE, _MATCH = ("Fail", "Ignore"), ("Equivalent", "Exact")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_NOT_FOUND = ("Deny", "Allow")
_MOST_ANNOTATIONS = 20
_UNSET = "<unset>"
_NO_LOG = "spec.auditAnnotations: there is no audit log in this lab: they are worked out, and written nowhere"
_NOT_TOLD = "spec.validationActions: there is no audit log in this lab: what Audit would write is not kept"


def _default(obj: Obj) -> None:
    spec = obj.get("spec") or {}
    if obj.get("kind") == "ValidatingAdmissionPolicy":
        fill(spec, failurePolicy="Fail")
    for key in ("matchConstraints", "matchResources"):
        if (found := spec.get(key)) is not None:
            fill(found, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
            for rules in ("resourceRules", "excludeResourceRules"):
                for rule in found.get(rules) or ():
                    fill(rule, scope="*")


def _new_policy(_store: Store, obj: Obj) -> None:
    obj["status"] = {}


def _validate_policy(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if spec.get("failurePolicy") not in _FAILURE:
        causes.unsupported("spec.failurePolicy", spec.get("failurePolicy"), _FAILURE)
    if (kind := spec.get("paramKind")) is not None:
        for key in ("apiVersion", "kind"):
            if not kind.get(key):
                causes.required(f"spec.paramKind.{key}")
    _constraints(causes, "spec.matchConstraints", spec.get("matchConstraints"))
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        for key in ("validations", "auditAnnotations"):
            detail = "validations or auditAnnotations must contain at least one item"
            causes.required(f"spec.{key}", detail)
    check_conditions(causes, "spec.matchConditions", spec.get("matchConditions") or (), VARIABLES)
    for index, each in enumerate(spec.get("variables") or ()):
        _expression(causes, f"spec.variables[{index}].expression", each.get("expression") or "")
    for index, each in enumerate(spec.get("validations") or ()):
        _validation(causes, f"spec.validations[{index}]", each)
    _annotations(causes, "spec.auditAnnotations", obj["metadata"].get("name", ""), spec)


def _annotations(causes: Causes, at: str, policy: str, spec: Obj) -> None:
    given = spec.get("auditAnnotations") or []
    if len(given) > _MOST_ANNOTATIONS:
        causes.invalid(at, given, f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations")
    seen: set[str] = set()
    for index, each in enumerate(given):
        key, text = each.get("key") or "", each.get("valueExpression") or ""
        place = f"{at}[{index}]"
        causes.invalid_each(f"{place}.key", f"{policy}/{key}", names.qualified_name(f"{policy}/{key}"))
        missing = "valueExpression is not specified"
        wanted = ("string", "null_type")
        check_expression(causes, f"{place}.valueExpression", text, VARIABLES, missing, wanted)
        if key in seen:
            causes.duplicate(f"{place}.key", key)
        seen.add(key)


def _policy_warnings(obj: Obj, _old: Obj | None) -> list[str]:
    return [_NO_LOG] if obj["spec"].get("auditAnnotations") else []


def _binding_warnings(obj: Obj, _old: Obj | None) -> list[str]:
    return [_NOT_TOLD] if "Audit" in (obj["spec"].get("validationActions") or ()) else []


def _constraints(causes: Causes, at: str, found: Obj | None) -> None:
    if found is None:
        causes.required(at)
        return
    _resources(causes, at, found)
    if not found.get("resourceRules"):
        causes.required(f"{at}.resourceRules")


def _resources(causes: Causes, at: str, found: Obj) -> None:
    if found["matchPolicy"] not in _MATCH:
        causes.unsupported(f"{at}.matchPolicy", found["matchPolicy"], _MATCH)
    for key in ("namespaceSelector", "objectSelector"):
        meta.selector(causes, f"{at}.{key}", found[key])
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(found.get(key) or ()):
            check_rule(causes, f"{at}.{key}[{index}]", rule)


def _validation(causes: Causes, at: str, found: Obj) -> None:
    _expression(causes, f"{at}.expression", found.get("expression") or "", "bool")
    if text := found.get("messageExpression"):
        _expression(causes, f"{at}.messageExpression", text, "string")
    message = found.get("message")
    if message and not message.strip():
        causes.invalid(f"{at}.message", message, "must be non-empty if specified")
    elif message and "\n" in message.strip():
        causes.invalid(f"{at}.message", message, "must not contain line breaks")
    if (reason := found.get("reason")) is not None and reason not in _REASONS:
        causes.unsupported(f"{at}.reason", reason, _REASONS)


def _expression(causes: Causes, at: str, text: str, *wanted: str) -> None:
    check_expression(causes, at, text, VARIABLES, missing="expression is not specified", wanted=wanted)


def _validate_binding(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if not (policy := spec.get("policyName")):
        causes.required("spec.policyName")
    else:
        causes.invalid_each("spec.policyName", policy, names.dns_subdomain(policy))
    if (reference := spec.get("paramRef")) is not None:
        _reference(causes, "spec.paramRef", reference)
    if (found := spec.get("matchResources")) is not None:
        _resources(causes, "spec.matchResources", found)
    actions = spec.get("validationActions") or []
    if not actions:
        causes.required("spec.validationActions", "at least one validation action is required")
    for index, each in enumerate(actions):
        if each not in _ACTIONS:
            causes.unsupported(f"spec.validationActions[{index}]", each, _ACTIONS)
        if each in actions[:index]:
            causes.duplicate(f"spec.validationActions[{index}]", each)
    if {"Deny", "Warn"} <= set(actions):
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the "
            "API response and headers serves no purpose)"
        )
        causes.invalid("spec.validationActions", actions, detail)


def _reference(causes: Causes, at: str, reference: Obj) -> None:
    name, selector = reference.get("name"), reference.get("selector")
    if name and selector is not None:
        for key in ("name", "selector"):
            causes.forbidden(f"{at}.{key}", "name and selector are mutually exclusive")
    if selector is not None:
        meta.selector(causes, f"{at}.selector", selector)
    if not name and selector is None:
        causes.required(at, "one of name or selector must be specified")
    causes.one_of(f"{at}.parameterNotFoundAction", reference.get("parameterNotFoundAction"), _NOT_FOUND)


def _spec(row: Row) -> Obj:
    return row.obj.get("spec") or {}


def _parameters(row: Row) -> str:
    kind = _spec(row).get("paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else _UNSET


def _chosen(row: Row) -> str:
    reference = _spec(row).get("paramRef")
    if not reference:
        return _UNSET
    namespace = reference.get("namespace")
    name = reference.get("name") or "*"
    return f"{namespace}/{name}" if namespace else str(name)


def _type(kind: str, plural: str, *parts: Subresource) -> ResourceType:
    return ResourceType(
        "admissionregistration.k8s.io",
        ("v1",),
        kind,
        plural,
        kind.lower(),
        namespaced=False,
        categories=("api-extensions",),
        subresources=parts,
    )


ADMISSION_POLICIES = (
    Kind(
        _type(
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            Subresource("status", "ValidatingAdmissionPolicy"),
        ),
        columns=(
            NAME,
            Column("Validations", lambda row: len(_spec(row).get("validations") or ()), "integer"),
            Column("ParamKind", _parameters),
            AGE,
        ),
        default=_default,
        zero={"status": {}},
        prepare_create=_new_policy,
        validate=_validate_policy,
        warnings=_policy_warnings,
    ),
    Kind(
        _type("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        columns=(
            NAME,
            Column("PolicyName", lambda row: _spec(row).get("policyName", "")),
            Column("ParamRef", _chosen),
            AGE,
        ),
        default=_default,
        validate=_validate_binding,
        warnings=_binding_warnings,
    ),
)
