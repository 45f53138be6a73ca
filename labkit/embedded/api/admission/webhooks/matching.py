"""Which webhooks a write concerns: rules, selectors, conditions.

Source: ``pkg/admission/plugin/webhook`` of k8s.io/apiserver (``predicates`` and ``generic/webhook.go``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labkit.embedded.api.admission.webhooks.attributes import Attributes
from labkit.embedded.api.kinds.admission_webhooks import VARIABLES
from labkit.embedded.api.kinds.custom import cel
from labkit.embedded.objects import Obj, labels_of, name_of, uid_of
from labkit.embedded.selectors import matches
from labkit.embedded.status import forbidden

EXEMPT = "admissionregistration.k8s.io"
"""The group whose objects nobody is asked about: else none of them could be put right again."""
BUILT_IN = ("istio-system", "istiod")
"""The service whose webhooks this cluster has built in: they are not called as well."""


@dataclass(frozen=True)
class Hook:
    """One webhook of one configuration."""

    configuration: str
    uid: str
    number: int
    spec: Obj

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def is_ignorable(self) -> bool:
        """Whether a write goes on where it can't be asked."""
        return bool(self.spec["failurePolicy"] == "Ignore")


def hooks_of(configurations: list[Obj]) -> Iterator[Hook]:
    """All of them, in the order in which they are asked."""
    for found in sorted(configurations, key=name_of):
        for number, spec in enumerate(found.get("webhooks") or ()):
            service = spec["clientConfig"].get("service") or {}
            if (service.get("namespace"), service.get("name")) != BUILT_IN:
                yield Hook(name_of(found), uid_of(found), number, spec)


def concerns(hook: Hook, asked: Attributes, namespace: Callable[[str], Obj | None]) -> bool:
    """Whether *hook* is to be asked; ApiError 403 where that can't be told and it may not be left out."""
    spec = hook.spec
    return (
        asked.kind.group != EXEMPT
        and in_namespace(spec["namespaceSelector"], asked, namespace)
        and has_labels_for(spec["objectSelector"], asked)
        and by_rules(spec.get("rules") or (), asked, spec.get("matchPolicy") != "Exact")
        and _meets_conditions(hook, asked)
    )


def in_namespace(selector: Obj, asked: Attributes, namespace: Callable[[str], Obj | None]) -> bool:
    """Whether the write's namespace is selected; what is in none always is."""
    if not selector or not asked.namespace:
        return True
    found = asked.object or asked.old if asked.kind.name == "namespaces" else namespace(asked.namespace)
    return matches(selector, labels_of(found or {}))


def has_labels_for(selector: Obj, asked: Attributes) -> bool:
    """Whether the object is selected as it is or as it was."""
    return not selector or any(
        matches(selector, labels_of(each)) for each in (asked.object, asked.old) if each
    )


def by_rules(rules: list[Obj] | tuple[Obj, ...], asked: Attributes, in_any_version: bool) -> bool:
    """Whether one of the *rules* is about such a write."""
    versions = asked.kind.versions if in_any_version else (asked.version,)
    return any(_rule_fits(each, asked, versions) for each in rules)


def _rule_fits(rule: Obj, asked: Attributes, versions: tuple[str, ...]) -> bool:
    def has(key: str, *wanted: str) -> bool:
        return not {"*", *wanted}.isdisjoint(rule.get(key) or ())

    return (
        _in_scope(rule.get("scope") or "*", asked)
        and has("operations", asked.operation)
        and has("apiGroups", asked.kind.group)
        and has("apiVersions", *versions)
        and any(_names(each, asked) for each in rule.get("resources") or ())
    )


def _in_scope(scope: str, asked: Attributes) -> bool:
    is_namespaced = asked.kind.namespaced
    return scope == "*" or is_namespaced == (scope == "Namespaced")


def _names(resource: str, asked: Attributes) -> bool:
    plural, _, part = resource.partition("/")
    return plural in ("*", asked.kind.plural) and part in ("*", asked.subresource)


def _meets_conditions(hook: Hook, asked: Attributes) -> bool:
    errors = []
    given = None
    for each in hook.spec.get("matchConditions") or ():
        given = given or variables(asked)
        try:
            if cel.expression(each["expression"], VARIABLES)(given) is False:
                return False
        except (cel.CompilationError, cel.EvaluationError) as error:
            errors.append(f"expression '{each['expression']}' resulted in error: {error}")
    if errors and not hook.is_ignorable:
        why = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
        raise forbidden(asked.kind.name, asked.name, why)
    return not errors


def variables(asked: Attributes) -> Obj:
    """What an expression is told of a write."""
    schema = asked.schema
    request = {**asked.request(""), "object": None, "oldObject": None}
    return {
        "object": cel.value(asked.shown, schema) if asked.shown else None,
        "oldObject": cel.value(asked.old, schema) if asked.old else None,
        "request": request,
    }
