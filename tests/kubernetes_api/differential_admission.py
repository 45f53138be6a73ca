"""Requests about ValidatingAdmissionPolicies and their bindings, and about APIServices, for both servers."""

from typing import Any

from .differential_requests import MERGE, TABLE, Request

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{_ADMISSION}/validatingadmissionpolicies"
BINDINGS = f"{_ADMISSION}/validatingadmissionpolicybindings"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_RULE = {"operations": ["CREATE"], "apiGroups": ["zz"], "apiVersions": ["v1"], "resources": ["none"]}


def _object(path: str, kind: str, name: str, spec: dict[str, Any]) -> Request:
    version = "admissionregistration.k8s.io/v1"
    said = {key: each for key, each in spec.items() if each is not None}
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": said}
    return Request("POST", path, body)


def _policy(name: str, **spec: Any) -> Request:
    own = {"matchConstraints": {"resourceRules": [_RULE]}, "validations": [{"expression": "true"}]}
    return _object(POLICIES, "ValidatingAdmissionPolicy", name, {**own, **spec})


def _validation(**fields: Any) -> Request:
    return _policy("bad", validations=[{"expression": "true", **fields}])


def _annotated(*annotations: dict[str, Any]) -> Request:
    return _policy("bad", auditAnnotations=list(annotations))


def _binding(name: str, **spec: Any) -> Request:
    own = {"policyName": "zz-p", "validationActions": ["Deny"]}
    return _object(BINDINGS, "ValidatingAdmissionPolicyBinding", name, {**own, **spec})


def _hook(*conditions: dict[str, Any]) -> Request:
    hook = {
        "name": "zz.example.com",
        "clientConfig": {"url": "https://zz.example.com"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [_RULE],
        "matchConditions": list(conditions),
    }
    kind, version = "ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1"
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": "zz-hook"}, "webhooks": [hook]}
    return Request("POST", f"{_ADMISSION}/validatingwebhookconfigurations", body)


def _condition(name: str, expression: str = "true") -> dict[str, Any]:
    return {"name": name, "expression": expression}


REQUESTS = {
    "webhook of an empty condition": _hook(_condition("a", " ")),
    "webhook of a nameless condition": _hook(_condition("")),
    "webhook of an odd condition": _hook(_condition("a b")),
    "webhook of a condition twice": _hook(_condition("a"), _condition("a")),
    "webhook of two conditions": _hook(_condition("a"), _condition("b", "request.operation == 'CREATE'")),
    "webhook that goes": Request("DELETE", f"{_ADMISSION}/validatingwebhookconfigurations/zz-hook"),
    "admission policy of a nameless condition": _policy("bad", matchConditions=[_condition("")]),
    "admission policy of an empty condition": _policy("bad", matchConditions=[_condition("a", "")]),
    "admission policy": _policy("zz-p", paramKind={"apiVersion": "v1", "kind": "ConfigMap"}),
    "admission policies as a table": Request("GET", POLICIES, accept=TABLE),
    "admission policy of nothing": _policy("bad", validations=None),
    "admission policy of no constraints": _policy("bad", matchConstraints=None),
    "admission policy of no rules": _policy("bad", matchConstraints={}),
    "admission policy that fails somehow": _policy("bad", failurePolicy="Some"),
    "admission policy that matches somehow": _policy(
        "bad", matchConstraints={"resourceRules": [_RULE], "matchPolicy": "Some"}
    ),
    "admission policy of half a kind": _policy("bad", paramKind={"kind": "ConfigMap"}),
    "validation of no expression": _validation(expression=" "),
    "validation of a long message": _validation(message="a\nb"),
    "validation of an empty message": _validation(message=" "),
    "validation of an odd reason": _validation(reason="Some"),
    "validation of a number": _validation(expression="1 + 1"),
    "validation of anything": _validation(expression="object.spec.ready"),
    "validation of a list": _validation(expression="[1]"),
    "validation of a map": _validation(expression="{'a': 1}"),
    "validation of a time": _validation(expression="timestamp('2026-01-01T00:00:00Z')"),
    "validation by the request's flag": Request(
        "POST", f"{POLICIES}?dryRun=All", _validation(expression="request.dryRun").body
    ),
    "message of a number": _validation(messageExpression="1"),
    "message of anything": _validation(messageExpression="object.metadata.name"),
    "condition of a text": _policy("bad", matchConditions=[_condition("a", "'a'")]),
    "webhook of a condition that is a number": _hook(_condition("a", "1.5")),
    "audit annotation of a number": _annotated({"key": "a", "valueExpression": "1"}),
    "audit annotation of anything": _annotated({"key": "a", "valueExpression": "object.metadata.name"}),
    "audit annotation without a key": _annotated({"valueExpression": "'a'"}),
    "audit annotation of an odd key": _annotated({"key": "a b", "valueExpression": "'a'"}),
    "audit annotation of nothing": _annotated({"key": "a", "valueExpression": " "}),
    "audit annotation twice": _annotated(*[{"key": "a", "valueExpression": "'a'"}] * 2),
    "admission policy that changes": Request(
        "PATCH", f"{POLICIES}/zz-p", {"spec": {"failurePolicy": "Ignore"}}, MERGE
    ),
    "admission binding": _binding(
        "zz-b", paramRef={"name": "x", "namespace": "y", "parameterNotFoundAction": "Allow"}
    ),
    "admission bindings as a table": Request("GET", BINDINGS, accept=TABLE),
    "admission binding of no policy": _binding("bad", policyName=None),
    "admission binding of an odd policy": _binding("bad", policyName="A_b"),
    "admission binding that does nothing": _binding("bad", validationActions=None),
    "admission binding that does odd things": _binding("bad", validationActions=["Some"]),
    "admission binding that denies and warns": _binding("bad", validationActions=["Deny", "Warn"]),
    "admission binding that denies twice": _binding("bad", validationActions=["Deny", "Deny"]),
    "admission binding to nothing": _binding("bad", paramRef={"parameterNotFoundAction": "Deny"}),
    "admission binding to two things": _binding(
        "bad", paramRef={"name": "x", "selector": {}, "parameterNotFoundAction": "Deny"}
    ),
    "admission binding that says not enough": _binding("bad", paramRef={"name": "x"}),
    "delete admission binding": Request("DELETE", f"{BINDINGS}/zz-b"),
    "api service of the core": Request("GET", f"{SERVICES}/v1."),
    "api service": Request("GET", f"{SERVICES}/v2.autoscaling"),
    "api services as a table": Request(
        "GET", f"{SERVICES}?fieldSelector=metadata.name%3Dv1.apps", accept=TABLE
    ),
    "api service of events": Request("GET", f"{SERVICES}/v1.events.k8s.io"),
    "api service nobody has": Request("GET", f"{SERVICES}/v1.nobody"),
    "delete admission policy": Request("DELETE", f"{POLICIES}/zz-p"),
}
