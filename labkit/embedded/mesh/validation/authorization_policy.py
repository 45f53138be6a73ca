"""Istio's rules for an AuthorizationPolicy (which is kept, and told to be without effect)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj, name_of, namespace_of

_MEANINGLESS = (
    "{} action without `rules` is meaningless as it will never be triggered, "
    "add an empty rule `{{}}` if you want it be triggered for every request"
)
_IDENTITIES = ("principals", "namespaces", "notPrincipals", "notNamespaces")
_KEYS = frozenset(
    (
        *("source.ip", "remote.ip", "source.namespace", "source.serviceAccount", "source.principal"),
        *("source.trustDomain", "request.auth.principal", "request.auth.audiences"),
        *("request.auth.presenter", "destination.ip", "destination.port", "connection.sni"),
    )
)
_KEY_PREFIXES = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    prefix = f"invalid policy {name_of(obj)}.{namespace_of(obj)}:"
    report.errors_from(f"{prefix} {error}" for error in _errors(spec))


def _errors(spec: Given) -> Iterator[str]:
    if spec.get("selector") is not None and (spec.get("targetRef") or spec.get("targetRefs")):
        yield "only one of targetRefs or selector can be set"
    yield from common.workload_selector(spec.get("selector"), "matchLabels")
    yield from _action(spec)
    for position, rule in enumerate(spec.get("rules") or []):
        where = f"found at rule {position}"
        yield from _sources(rule, where)
        yield from _operations(rule, where)
        yield from _conditions(rule.get("when") or [])


def _action(spec: Given) -> Iterator[str]:
    action, rules = str(spec.get("action") or "ALLOW"), spec.get("rules")
    if action in ("CUSTOM", "DENY") and rules is None:
        yield _MEANINGLESS.format(action)
    if action == "CUSTOM":
        if rules is not None and not (spec.get("provider") or {}).get("name"):
            yield "`provider.name` must not be empty"
    elif spec.get("provider") is not None:
        yield f"`provider` must not be with non CUSTOM action, found {action}"


def _sources(rule: Given, where: str) -> Iterator[str]:
    if rule.get("from") == []:
        yield f"`from` must not be empty, {where}"
    for entry in rule.get("from") or []:
        source = (entry or {}).get("source")
        if source is None:
            yield f"`from.source` must not be nil, {where}"
            continue
        if any(source.get(field) for field in _IDENTITIES) and _any_account(source):
            yield f"cannot set serviceAccounts with namespaces or principals, {where}"
        if not any(source.values()):
            yield f"`from.source` must not be empty, {where}"
        for field in ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"):
            yield from _addresses(source.get(field) or [])
        yield from _no_empty_values(source)


def _any_account(source: Given) -> bool:
    return bool(source.get("serviceAccounts") or source.get("notServiceAccounts"))


def _operations(rule: Given, where: str) -> Iterator[str]:
    if rule.get("to") == []:
        yield f"`to` must not be empty, {where}"
    for entry in rule.get("to") or []:
        operation = (entry or {}).get("operation")
        if operation is None:
            yield f"`to.operation` must not be nil, {where}"
            continue
        if not any(operation.values()):
            yield f"`to.operation` must not be empty, {where}"
        for field in ("ports", "notPorts"):
            yield from _ports(operation.get(field) or [])
        yield from _no_empty_values(operation)


def _addresses(blocks: Sequence[str]) -> Iterator[str]:
    for block in blocks:
        if any(common.subnet(block)):
            yield (
                f"bad CIDR range ({block}): invalid CIDR address: {block}"
                if "/" in block
                else f"bad IP address ({block})"
            )


def _ports(ports: Sequence[str]) -> Iterator[str]:
    for port in ports:
        if not (port.isdecimal() and 1 <= int(port) <= 65535):
            yield f"bad port ({port}): port number {port} must be in the range 1..65535"


def _no_empty_values(fields: Given) -> Iterator[str]:
    for name, values in fields.items():
        if any(value == "" for value in values or []):
            yield f"empty value not allowed, found in {name[0].upper()}{name[1:]}"


def _conditions(conditions: Sequence[Given]) -> Iterator[str]:
    for condition in conditions:
        key = str(condition.get("key") or "")
        if not key:
            yield "`key` must not be empty"
        elif not condition.get("values") and not condition.get("notValues"):
            yield f"at least one of `values` or `notValues` must be set for key {key}"
        elif key not in _KEYS and not key.startswith(_KEY_PREFIXES):
            yield f"invalid `value` for `key` {key}: unknown attribute: {key}"
