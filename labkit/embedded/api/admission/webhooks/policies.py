"""ValidatingAdmissionPolicies, kept to: ``pkg/admission/plugin/policy/validating`` of k8s.io/apiserver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.embedded.api.admission.webhooks.attributes import Attributes
from labkit.embedded.api.admission.webhooks.matching import (
    EXEMPT,
    by_rules,
    has_labels_for,
    in_namespace,
    variables,
)
from labkit.embedded.api.kinds.admission_policies import BINDINGS, POLICIES, VARIABLES
from labkit.embedded.api.kinds.custom import cel
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.objects import Obj, labels_of, name_of
from labkit.embedded.selectors import matches
from labkit.embedded.status import ApiError, forbidden
from labkit.embedded.store import Store

_CODES = {"Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_LONGEST = 5 * 1024
_TYPES: dict[type, str] = {bool: "bool", int: "int", float: "double", list: "list"}
_NO_PARAMS = (
    "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
)


@dataclass(frozen=True)
class _Denial:
    message: str
    reason: str = "Invalid"
    is_final: bool = False
    """Whether it counts whatever the binding makes of denials."""


class Policies:
    """What the policies and their bindings say to a write."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry

    @property
    def are_none(self) -> bool:
        return not self._store.objects(BINDINGS)

    def check(self, asked: Attributes) -> list[str]:
        """The warnings; ApiError where a policy denies the write, 422 unless it has another reason."""
        if asked.kind.group == EXEMPT or self.are_none:
            return []
        warnings: list[str] = []
        for binding in sorted(self._store.objects(BINDINGS), key=name_of):
            policy = self._store.get(POLICIES, binding["spec"].get("policyName", ""))
            if policy is None or not self._is_meant(policy, binding, asked):
                continue
            for denial in self._denials(policy, binding, asked):
                actions = binding["spec"]["validationActions"]
                if "Deny" in actions or denial.is_final:
                    raise _refusal(policy, binding, denial, asked)
                if "Warn" in actions:
                    whose = f"'{name_of(policy)}' with binding '{name_of(binding)}'"
                    warnings.append(
                        f"Validation failed for ValidatingAdmissionPolicy {whose}: {denial.message}"
                    )
        return warnings

    def _is_meant(self, policy: Obj, binding: Obj, asked: Attributes) -> bool:
        constraints = policy["spec"]["matchConstraints"]
        return self._fits(constraints, asked) and self._fits(binding["spec"].get("matchResources"), asked)

    def _fits(self, wanted: Obj | None, asked: Attributes) -> bool:
        if wanted is None:
            return True
        rules, excluded = wanted.get("resourceRules") or [], wanted.get("excludeResourceRules") or []
        equivalent = wanted["matchPolicy"] != "Exact"
        return (
            in_namespace(wanted["namespaceSelector"], asked, self._namespace)
            and has_labels_for(wanted["objectSelector"], asked)
            and not by_rules([each for each in excluded if _by_name(each, asked)], asked, equivalent)
            and (not rules or by_rules([each for each in rules if _by_name(each, asked)], asked, equivalent))
        )

    def _namespace(self, name: str) -> Obj | None:
        return self._store.get("namespaces", name)

    def _denials(self, policy: Obj, binding: Obj, asked: Attributes) -> Iterator[_Denial]:
        reference, kind = binding["spec"].get("paramRef"), policy["spec"].get("paramKind")
        found: list[Obj | None] = [None]
        if kind and reference:
            found = list(self._params(kind, reference, asked))
            if not found and reference.get("parameterNotFoundAction") == "Deny":
                yield _Denial(_NO_PARAMS)
        for params in found:
            yield from _Asked(policy, asked, self._given(asked, params)).denials()

    def _params(self, kind: Obj, reference: Obj, asked: Attributes) -> Iterator[Obj]:
        wanted = (kind["apiVersion"], kind["kind"])
        types = [
            t for t in self._registry.values() for v in t.versions if (t.api_version(v), t.kind) == wanted
        ]
        for type_ in types[:1]:
            namespace = (reference.get("namespace") or asked.namespace) if type_.namespaced else ""
            for each in self._store.objects(type_.stored_as, namespace):
                by_name = reference.get("name") == name_of(each)
                if by_name or matches(reference.get("selector"), labels_of(each)):
                    yield each

    def _given(self, asked: Attributes, params: Obj | None) -> Obj:
        is_inside = asked.namespace and asked.kind.name != "namespaces"
        namespace = self._namespace(asked.namespace) if is_inside else None
        return {**variables(asked), "params": params, "namespaceObject": namespace}


class _Asked:
    """One policy, asked about one write with one set of parameters."""

    def __init__(self, policy: Obj, asked: Attributes, given: Obj) -> None:
        self._spec, self._schema = policy["spec"], asked.schema
        self._given = {**given, "variables": {}}
        self._failed: dict[str, str] = {}

    def denials(self) -> Iterator[_Denial]:
        self._work_out_variables()
        is_strict = self._spec["failurePolicy"] != "Ignore"
        met, errors = self._conditions()
        if errors and is_strict:
            yield _Denial("; ".join(errors))
        if not met or errors:
            return
        for each in self._spec.get("validations") or ():
            try:
                holds = self._value(each["expression"])
            except ValueError as error:
                if is_strict:
                    yield _Denial(str(error))
                continue
            if holds is not True:
                yield _Denial(self._message(each), each.get("reason") or "Invalid")
        for each in self._spec.get("auditAnnotations") or ():
            if is_strict and (why := self._fault(each["valueExpression"])):
                yield _Denial(why, is_final=True)

    def _work_out_variables(self) -> None:
        for each in self._spec.get("variables") or ():
            try:
                self._given["variables"][each["name"]] = self._value(each["expression"])
            except ValueError as error:
                self._failed[each["name"]] = str(error)

    def _conditions(self) -> tuple[bool, list[str]]:
        errors = []
        for each in self._spec.get("matchConditions") or ():
            try:
                if self._value(each["expression"]) is False:
                    return False, []
            except ValueError as error:
                errors.append(str(error))
        return True, errors

    def _value(self, text: str) -> object:
        """ValueError, in the real server's words, where there is none."""
        try:
            return cel.expression(text, VARIABLES)(self._given)
        except (cel.CompilationError, cel.EvaluationError) as error:
            why = str(error)
            name = why.removeprefix("no such key: ")
            if name in self._failed:
                why = f'composited variable "{name}" fails to evaluate: {self._failed[name]}'
            raise ValueError(f"expression '{text}' resulted in error: {why}") from error

    def _fault(self, text: str) -> str:
        """What is wrong with the value of an annotation; nobody here keeps the value itself."""
        try:
            value = self._value(text)
        except ValueError as error:
            return str(error)
        if value is None or isinstance(value, str):
            return ""
        found = _TYPES.get(type(value), "map")
        why = f"valueExpression '{text}' resulted in unsupported return type: {found}"
        return f"{why}. Return type must be either string or null."

    def _message(self, validation: Obj) -> str:
        said: object = ""
        if text := validation.get("messageExpression"):
            try:
                said = self._value(text)
            except ValueError:
                said = ""
        words = said.strip() if isinstance(said, str) else ""
        if words and "\n" not in words and len(words) <= _LONGEST:
            return words
        plain = (validation.get("message") or "").strip()
        return plain or f"failed expression: {validation['expression'].strip()}"


def _by_name(rule: Obj, asked: Attributes) -> bool:
    return not rule.get("resourceNames") or asked.name in rule["resourceNames"]


def _refusal(policy: Obj, binding: Obj, denial: _Denial, asked: Attributes) -> ApiError:
    whose = f"'{name_of(policy)}' with binding '{name_of(binding)}'"
    message = f"ValidatingAdmissionPolicy {whose} denied request: {denial.message}"
    error = forbidden(asked.kind.name, asked.name, message)
    error.code, error.reason = _CODES.get(denial.reason, 422), denial.reason
    error.details["causes"] = [{"message": message}]
    return error
