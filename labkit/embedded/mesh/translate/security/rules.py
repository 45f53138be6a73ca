"""A rule of an AuthorizationPolicy as a policy of Envoy's RBAC: permissions and principals.

Istio's order (``pilot/pkg/security/authz/model``). What only HTTP has (paths, methods, headers, tokens) says
nothing about bytes: a rule that allows something is then left out, so that less is allowed; of one that
denies or audits only that part is, so that more is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.identity.spiffe import SCHEME
from labkit.embedded.mesh.security.trust_domains import expanded, with_aliases
from labkit.embedded.mesh.translate.security import matchers
from labkit.embedded.mesh.translate.security.matchers import Matcher

Rule = Mapping[str, Any]
NEVER = {"permissions": [{"not_rule": {"any": True}}], "principals": [{"not_id": {"any": True}}]}
"""The policy that nothing fits."""
_EXPERIMENTAL = "experimental."
_HEADERS, _CLAIMS = "request.headers", "request.auth.claims"


class NotForBytesError(Exception):
    """The rule says something that can't be known of a TCP connection."""


@dataclass(frozen=True)
class Translation:
    """The circumstances in which a rule is translated."""

    namespace: str
    """The policy's."""
    domains: Sequence[str]
    """The mesh's trust domain, and its aliases."""
    allows: bool
    """Whether the rule is one of an ALLOW policy."""
    bytes_only: bool = False
    """Whether it is for a TCP port."""

    def policy(self, rule: Rule) -> Matcher | None:
        """Envoy's policy; None where *rule* can't be told of a TCP connection, and is left out."""
        try:
            conditions = [_Condition(each) for each in rule.get("when") or []]
            return {
                "permissions": [self._permission(each, conditions) for each in _entries(rule, "to")],
                "principals": [self._principal(each, conditions) for each in _entries(rule, "from")],
            }
        except NotForBytesError:
            return None

    def _permission(self, operation: Rule, conditions: Sequence[_Condition]) -> Matcher:
        fields: dict[str, Callable[[str], Matcher]] = {
            "hosts": lambda value: _header(":authority", value, ignore_case=True),
            "methods": lambda value: _header(":method", value),
            "paths": matchers.path,
            "ports": lambda value: {"destination_port": int(value)},
        }
        parts: list[Matcher] = []
        for name, make in fields.items():
            only_http = name != "ports"
            given = _both(operation, name)
            parts += self._parts(given, _each(make, "or_rules", "rules"), "not_rule", only_http=only_http)
        for condition in conditions:
            known = _permission_of(condition.key)
            if known is not None:
                parts += self._parts(condition.values, known, "not_rule")
        return {"and_rules": {"rules": parts or [{"any": True}]}}

    def _principal(self, source: Rule, conditions: Sequence[_Condition]) -> Matcher:
        parts: list[Matcher] = []
        for name, key in _SOURCES.items():
            parts += self._of_key(key, _both(source, name))
        for condition in conditions:
            if _permission_of(condition.key) is None:
                parts += self._of_key(condition.key, condition.values)
        return {"and_ids": {"ids": parts or [{"any": True}]}}

    def _of_key(self, key: str, given: _Both) -> list[Matcher]:
        if key == "source.principal":
            given = given.mapped(lambda values: with_aliases(values, self.domains))
        if key == "source.trustDomain":
            given = given.mapped(lambda values: expanded(values, self.domains))
        only_http = key.startswith("request.")
        return self._parts(given, self._principal_of(key), "not_id", only_http=only_http)

    def _principal_of(self, key: str) -> _Make:
        if key.startswith(_HEADERS):
            name = key.removeprefix(_HEADERS).removeprefix("[").removesuffix("]")
            return _any_id(lambda value: _header(name, value))
        if key.startswith(_CLAIMS):
            return lambda values: {"metadata": matchers.claim(claims_of(key), matchers.strings(values))}
        if key == "source.serviceAccount":
            return _any_id(lambda value: _peer(matchers.regex(self._account(value))))
        return _PRINCIPALS[key]

    def _account(self, value: str) -> str:
        namespace, slash, account = value.partition("/")
        if not slash:
            namespace, account = self.namespace, value
        quoted = matchers.quoted
        return f"spiffe://.+/ns/{quoted(namespace)}/(.+/|)sa/{quoted(account)}(/.+)?"

    def _parts(self, given: _Both, make: _Make, negation: str, *, only_http: bool = False) -> list[Matcher]:
        """The matchers of one field: one of its values, and none of those that are excluded."""
        if only_http and self.bytes_only:
            if self.allows and (given.wanted or given.excluded):
                raise NotForBytesError
            return []
        found = [make(given.wanted)] if given.wanted else []
        return found + ([{negation: make(given.excluded)}] if given.excluded else [])


@dataclass(frozen=True)
class _Both:
    """What a field asks for, and what its counterpart excludes."""

    wanted: Sequence[str]
    excluded: Sequence[str]

    def mapped(self, change: Callable[[Sequence[str]], Sequence[str]]) -> _Both:
        return _Both(change(self.wanted), change(self.excluded))


_Make = Callable[[Sequence[str]], Matcher]


class _Condition:
    def __init__(self, given: Rule) -> None:
        self.key = str(given.get("key") or "")
        self.values = _Both(given.get("values") or [], given.get("notValues") or [])


def _entries(rule: Rule, field: str) -> Iterator[Rule]:
    inner = {"to": "operation", "from": "source"}[field]
    for each in rule.get(field) or [{}]:
        yield (each or {}).get(inner) or {}


def _both(given: Rule, field: str) -> _Both:
    return _Both(given.get(field) or [], given.get(f"not{field[0].upper()}{field[1:]}") or [])


def _each(make: Callable[[str], Matcher], kind: str, items: str) -> _Make:
    return lambda values: {kind: {items: [make(str(each)) for each in values]}}


def _any_rule(make: Callable[[str], Matcher]) -> _Make:
    return _each(make, "or_rules", "rules")


def _any_id(make: Callable[[str], Matcher]) -> _Make:
    return _each(make, "or_ids", "ids")


def _header(name: str, value: str, *, ignore_case: bool = False) -> Matcher:
    return {"header": matchers.header(name, value, ignore_case=ignore_case)}


def _block(value: str) -> Matcher:
    block = ipaddress.ip_network(value, strict=False)
    return {"address_prefix": str(block.network_address), "prefix_len": block.prefixlen}


def _permission_of(key: str) -> _Make | None:
    """How a condition on what is asked for is put; None for those on who asks."""
    known: dict[str, _Make] = {
        "destination.ip": _any_rule(lambda value: {"destination_ip": _block(value)}),
        "destination.port": _any_rule(lambda value: {"destination_port": int(value)}),
        "connection.sni": _any_rule(lambda value: {"requested_server_name": matchers.string(value)}),
    }
    if key.startswith(_EXPERIMENTAL):
        return lambda values: {"metadata": _of_filter(key, values)}
    return known.get(key)


def _of_filter(key: str, values: Sequence[str]) -> Matcher:
    """``experimental.envoy.filters.a.b[c]``: what the filter ``envoy.filters.a.b`` has noted under ``c``."""
    name, _, noted = key.removeprefix(_EXPERIMENTAL).removesuffix("]").partition("[")
    return matchers.metadata(name, [noted], matchers.either([_noted(each) for each in values]))


def _noted(value: str) -> Matcher:
    if value.startswith("[") and value.endswith("]"):
        return matchers.listed({"string_match": matchers.string(value.strip("[]"))})
    return {"string_match": matchers.string(value)}


def _peer(name: Matcher) -> Matcher:
    return {"authenticated": {"principal_name": name}}


def _namespace(value: str) -> Matcher:
    pattern = ".*".join(matchers.quoted(each) for each in value.split("*"))
    return _peer(matchers.regex(f".*/ns/{pattern}/.*"))


def _trust_domain(value: str) -> Matcher:
    if value == "*":
        return _peer({"prefix": SCHEME})
    if "*" not in value:
        return _peer({"prefix": f"{SCHEME}{value}/"})
    before, _, after = value.partition("*")
    return _peer(matchers.regex(f"spiffe://{matchers.quoted(before)}[^/]*{matchers.quoted(after)}/.*"))


def _request_principals(values: Sequence[str]) -> Matcher:
    found = [_request_principal(each) for each in values]
    return found[0] if len(found) == 1 else {"or_ids": {"ids": found}}


def _request_principal(value: str) -> Matcher:
    parts = zip(("iss", "sub"), _issuer_and_subject(value), strict=True)
    return {"and_ids": {"ids": [_claim_is(name, matcher) for name, matcher in parts]}}


def _claim_is(name: str, matcher: Matcher) -> Matcher:
    keys = [matchers.PAYLOAD, name]
    return {"metadata": matchers.metadata(matchers.TOKEN_FILTER, keys, {"string_match": matcher})}


def _issuer_and_subject(value: str) -> tuple[Matcher, Matcher]:
    """``issuer/subject``; a wildcard at either end of the whole stands at the end of its part."""
    issuer, slash, subject = value.rpartition("/") if "/" in value else (value, "", "")
    if value == "*":
        return matchers.ANYTHING, matchers.ANYTHING
    if value.startswith("*"):
        if not slash:
            return matchers.ANYTHING, {"suffix": value[1:]}
        return matchers.string(issuer), {"exact": subject}
    if value.endswith("*"):
        if not slash:
            return {"prefix": value[:-1]}, matchers.ANYTHING
        return {"exact": issuer}, matchers.string(subject)
    return {"exact": issuer}, {"exact": subject}


def _claimed(name: str) -> _Make:
    return lambda values: {"metadata": matchers.claim([name], matchers.strings(values))}


def claims_of(key: str) -> list[str]:
    """``request.auth.claims[a][b]`` → ``a``, ``b``."""
    rest = key.removeprefix(_CLAIMS)
    nested = re.fullmatch(r"(?:\[[^\[\]]*\])+", rest)
    return re.findall(r"\[([^\[\]]*)\]", rest) if nested else [rest.removeprefix("[").removesuffix("]")]


_SOURCES = {
    "principals": "source.principal",
    "requestPrincipals": "request.auth.principal",
    "serviceAccounts": "source.serviceAccount",
    "trustDomains": "source.trustDomain",
    "namespaces": "source.namespace",
    "remoteIpBlocks": "remote.ip",
    "ipBlocks": "source.ip",
}
"""Fields of a source, and the conditions that mean the same; in Istio's order."""
_PRINCIPALS: Mapping[str, _Make] = {
    "source.principal": _any_id(lambda value: _peer(matchers.string(value, SCHEME))),
    "source.trustDomain": _any_id(_trust_domain),
    "source.namespace": _any_id(_namespace),
    "source.ip": _any_id(lambda value: {"direct_remote_ip": _block(value)}),
    "remote.ip": _any_id(lambda value: {"remote_ip": _block(value)}),
    "request.auth.principal": _request_principals,
    "request.auth.audiences": _claimed("aud"),
    "request.auth.presenter": _claimed("azp"),
}


def policies(named: Iterable[tuple[str, Matcher | None]]) -> dict[str, Matcher]:
    """Those that could be told, by name."""
    return {name: each for name, each in named if each is not None}
