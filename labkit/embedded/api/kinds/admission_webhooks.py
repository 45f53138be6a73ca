"""Webhook configurations: who wants to be asked before something is written. They are asked by
:mod:`labkit.embedded.api.admission.webhooks`.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta, names, webhook_clients
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.expressions import check_conditions
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

VARIABLES = ("object", "oldObject", "request")
"""Of the expressions that say which writes a webhook is asked about; ``authorizer`` is not there."""
_NO_VERSION = f"must specify one of {', '.join(webhook_clients.REVIEWS)}"
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_LONGEST = 30


def _default(obj: Obj) -> None:
    is_mutating = obj.get("kind") == "MutatingWebhookConfiguration"
    for hook in obj.get("webhooks") or ():
        fill(hook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        fill(hook, namespaceSelector={}, objectSelector={})
        if is_mutating:
            fill(hook, reinvocationPolicy="Never")
        for rule in hook.get("rules") or ():
            fill(rule, scope="*")
        service = (hook.get("clientConfig") or {}).get("service")
        if service is not None:
            fill(service, port=443)


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    seen: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        at, name = f"webhooks[{index}]", hook.get("name", "")
        _name(causes, f"{at}.name", name)
        for number, rule in enumerate(hook.get("rules") or ()):
            check_rule(causes, f"{at}.rules[{number}]", rule)
        _policies(causes, at, hook)
        for key in ("namespaceSelector", "objectSelector"):
            meta.selector(causes, f"{at}.{key}", hook[key])
        _reinvocation(causes, at, hook)
        _client(causes, f"{at}.clientConfig", hook.get("clientConfig") or {})
        versions = hook.get("admissionReviewVersions") or []
        webhook_clients.check_versions(causes, f"{at}.admissionReviewVersions", versions, _NO_VERSION)
        check_conditions(causes, f"{at}.matchConditions", hook.get("matchConditions") or (), VARIABLES)
        if name and name in seen:
            causes.duplicate(f"{at}.name", name)
        seen.add(name)


def _name(causes: Causes, at: str, name: str) -> None:
    if not name:
        causes.required(at)
        return
    causes.invalid_each(at, name, names.dns_subdomain(name))
    if not names.dns_subdomain(name) and name.count(".") < 2:
        causes.invalid(at, name, "should be a domain with at least three segments separated by dots")


def check_rule(causes: Causes, at: str, rule: Obj) -> None:
    """What is wrong with a rule that says which writes are meant."""
    for key in ("operations", "apiGroups", "apiVersions", "resources"):
        found = rule.get(key) or []
        if not found:
            causes.required(f"{at}.{key}")
        if len(found) > 1 and "*" in found and key != "resources":
            causes.invalid(f"{at}.{key}", found, "if '*' is present, must not specify other " + _WORDS[key])
    for index, each in enumerate(rule.get("operations") or ()):
        if each not in _OPERATIONS:
            causes.unsupported(f"{at}.operations[{index}]", each, _OPERATIONS)
    if rule["scope"] not in _SCOPES:
        causes.unsupported(f"{at}.scope", rule["scope"], _SCOPES)


_WORDS = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}


def _policies(causes: Causes, at: str, hook: Obj) -> None:
    for key, allowed in (("failurePolicy", ("Fail", "Ignore")), ("matchPolicy", ("Equivalent", "Exact"))):
        if hook[key] not in allowed:
            causes.unsupported(f"{at}.{key}", hook[key], allowed)
    effects = hook.get("sideEffects")
    if effects is None:
        causes.required(f"{at}.sideEffects", "must specify one of None, NoneOnDryRun")
    elif effects not in ("None", "NoneOnDryRun"):
        causes.unsupported(f"{at}.sideEffects", effects, ("None", "NoneOnDryRun"))
    if not 1 <= hook["timeoutSeconds"] <= _LONGEST:
        detail = f"the timeout value must be between 1 and {_LONGEST} seconds"
        causes.invalid(f"{at}.timeoutSeconds", hook["timeoutSeconds"], detail)


def _reinvocation(causes: Causes, at: str, hook: Obj) -> None:
    policy = hook.get("reinvocationPolicy")
    if policy not in (None, "IfNeeded", "Never"):
        causes.unsupported(f"{at}.reinvocationPolicy", policy, ("IfNeeded", "Never"))


def _client(causes: Causes, at: str, client: Obj) -> None:
    service, url = client.get("service"), client.get("url")
    if (service is None) == (url is None):
        causes.required(at, "exactly one of url or service is required")
    elif service is not None:
        webhook_clients.check_service(causes, f"{at}.service", service)
    else:
        webhook_clients.check_url(causes, f"{at}.url", str(url))


def _configuration(kind: str) -> Kind:
    return Kind(
        ResourceType(
            "admissionregistration.k8s.io",
            ("v1",),
            kind,
            f"{kind.lower()}s",
            kind.lower(),
            namespaced=False,
            categories=("api-extensions",),
        ),
        columns=(NAME, Column("Webhooks", lambda row: len(row.obj.get("webhooks") or ()), "integer"), AGE),
        default=_default,
        validate=_validate,
    )


WEBHOOKS = (
    _configuration("MutatingWebhookConfiguration"),
    _configuration("ValidatingWebhookConfiguration"),
)
