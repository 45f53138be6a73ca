"""Istio's rules for an AuthorizationPolicy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from labkit.embedded.mesh.validation import common, policy_targets
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.objects import Obj, name_of, namespace_of

_MEANINGLESS = (
    "{} action without `rules` is meaningless as it will never be triggered, "
    "add an empty rule `{{}}` if you want it be triggered for every request"
)
_IDENTITIES = ("principals", "namespaces", "notPrincipals", "notNamespaces")
_ALL_BYTES = (
    "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of "
    "only HTTP attributes in a DENY rule; it is recommended to explicitly specify the port"
)
_LATE = ("Namespaces", "ServiceAccounts", "TrustDomains", "Principals", "RequestPrincipals")
_LATE_KEYS = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")
_OF_CONNECTIONS = (
    *("principals", "notPrincipals", "namespaces", "notNamespaces", "ipBlocks", "notIpBlocks"),
    *("remoteIpBlocks", "notRemoteIpBlocks", "serviceAccounts", "notServiceAccounts"),
)
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
    own = Report()
    policy_targets.check(spec, own)
    own.errors_from(_errors(spec))
    prefix = f"invalid policy {name_of(obj)}.{namespace_of(obj)}:"
    report.errors_from(f"{prefix} {error}" for error in own.errors)
    report.warnings += own.warnings
    report.without_effect += own.without_effect
    for rule in spec.get("rules") or []:
        if spec.get("action") == "DENY" and _denies_all_bytes(rule or {}):
            report.warning(_ALL_BYTES)


def _errors(spec: Given) -> Iterator[str]:
    yield from _action(spec)
    for position, rule in enumerate(spec.get("rules") or []):
        where = f"found at rule {position}"
        if spec.get("action") == "CUSTOM":
            yield from _too_early(rule)
        yield from _sources(rule, where)
        yield from _operations(rule, where)
        yield from _conditions(rule.get("when") or [])


def _too_early(rule: Given) -> Iterator[str]:
    """What is not known yet when a provider is asked."""
    fields = [f"{negation}{name}" for name in _LATE for negation in ("", "Not")]
    for entry in rule.get("from") or []:
        source = (entry or {}).get("source") or {}
        for field in fields:
            if source.get(field[0].lower() + field[1:]):
                yield f"From.{field} is currently not supported with CUSTOM action"
    for condition in rule.get("when") or []:
        key = str((condition or {}).get("key") or "")
        if key in _LATE_KEYS or key.startswith("request.auth."):
            yield f"{key} is currently not supported with CUSTOM action"


def _denies_all_bytes(rule: Given) -> bool:
    """Whether a rule says nothing that can be known of a TCP connection."""
    sources = [(each or {}).get("source") or {} for each in rule.get("from") or []]
    operations = [(each or {}).get("operation") or {} for each in rule.get("to") or []]
    known = any(field in source for source in sources for field in _OF_CONNECTIONS)
    ports = any(field in each for each in operations for field in ("ports", "notPorts"))
    return (bool(sources) and not operations and not known) or (bool(operations) and not ports)


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
        yield from _accounts("ServiceAccounts", source.get("serviceAccounts") or [])
        yield from _accounts("NotServiceAccounts", source.get("notServiceAccounts") or [])
        for field in ("trustDomains", "notTrustDomains"):
            yield from _trust_domains(field, source.get(field) or [])
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
        yield from _templates("Paths", operation.get("paths") or [])
        yield from _templates("NotPaths", operation.get("notPaths") or [])


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
        if not (port.isascii() and port.isdecimal()):
            yield f"bad port ({port}): strconv.ParseUint: parsing {quoted(port)}: invalid syntax"
        elif int(port) > 65535:
            yield f"bad port ({port}): <nil>"


def _no_empty_values(fields: Given) -> Iterator[str]:
    for name, values in fields.items():
        if any(value == "" for value in values or []):
            yield f"empty value not allowed, found in {name[0].upper()}{name[1:]}"


def _accounts(where: str, accounts: Sequence[str]) -> Iterator[str]:
    if len(accounts) > 16:
        yield "may not have more than 16 values"
    for each in accounts:
        form = "expected format 'serviceAccount' or 'namespace/serviceAccount', found"
        if "*" in each:
            yield f"wildcard not allowed, found in {where}"
        elif each.count("/") > 1:
            yield f"{form} {quoted(each)} in {where}"
        elif len(each) > 320:
            yield f"value cannot exceed 320 characters, found {quoted(each)} in {where}"
        elif each.startswith("/"):
            yield f"{form} empty namespace {quoted(each)} in {where}"
        elif each.endswith("/"):
            yield f"{form} empty serviceAccount {quoted(each)} in {where}"


def _trust_domains(field: str, values: Sequence[str]) -> Iterator[str]:
    where = f"{field[0].upper()}{field[1:]}"
    for each in values:
        if each.count("*") > 1:
            yield f"at most one wildcard is allowed, found in {where}: {quoted(each)}"
        elif "*" in each and not each.startswith("*") and not each.endswith("*"):
            yield f"wildcard is only allowed at the start or end, found in {where}: {quoted(each)}"
        elif "/" in each:
            yield f"trust domain must not contain '/', found in {where}: {quoted(each)}"


_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")


def _templates(where: str, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        problem = _template(path.strip("/"), is_template="{*}" in path or "{**}" in path)
        if problem:
            yield f"invalid or unsupported path {path.strip('/')}, found in {where}. {problem}"


def _template(path: str, *, is_template: bool) -> str:
    """What is wrong with *path*: ``{*}`` and ``{**}`` fill a whole segment, and ``{**}`` is the last one."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if part in ("{*}", "{**}"):
            if "{**}" in parts[:number]:
                return "{**} is not the last operator"
        elif "{" in part or "}" in part:
            return "Contains '{' or '}' beyond a supported path template"
        elif is_template and not _LITERAL.fullmatch(part):
            return f"Contains segment {part} with invalid string literal"
    return ""


def _conditions(conditions: Sequence[Given]) -> Iterator[str]:
    for condition in conditions:
        key = str(condition.get("key") or "")
        if not key:
            yield "`key` must not be empty"
        elif not condition.get("values") and not condition.get("notValues"):
            yield f"at least one of `values` or `notValues` must be set for key {key}"
        else:
            for field, word in (("values", "value"), ("notValues", "notValue")):
                wrong = _attribute(key, condition.get(field) or [])
                yield from (f"invalid `{word}` for `key` {key}: {problem}" for problem in wrong)


def _attribute(key: str, values: Sequence[str]) -> Iterator[str]:
    if "" in values:
        yield f"empty value not allowed, found in {key}"
    elif key.startswith(_KEY_PREFIXES):
        if not (key.endswith("]") and 0 < key.find("[") < len(key) - 2):
            yield f"bad key ({key}): should have format a[b]"
    elif key in ("source.ip", "remote.ip", "destination.ip"):
        yield from _addresses(values)
    elif key == "destination.port":
        yield from _ports(values)
    elif key == "source.serviceAccount":
        yield from _accounts(key, values)
    elif key == "source.trustDomain":
        yield from _trust_domains(key, values)
    elif key not in _KEYS:
        yield f"unknown attribute: {key}"
