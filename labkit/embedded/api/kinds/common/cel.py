"""The validation rules in Istio's CustomResourceDefinitions, without a CEL interpreter.

A real API server evaluates ``x-kubernetes-validations`` written in CEL. Istio 1.30 uses some forty
different rules; each is repeated here as a Python function under its own text. A rule this table
does not know is not enforced, so a test checks that the table and the schemas agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"([0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})++")
_PORT_NAME = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")


class EvaluationError(ValueError):
    """A rule could not be evaluated."""


def duration(text: str) -> float:
    """Go's ``time.ParseDuration``, in seconds."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    if not _DURATION.fullmatch(rest):
        raise EvaluationError("type conversion error from 'string' to 'google.protobuf.Duration'")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(rest))


def _at_most_one(*names: str) -> Callable[[Any], bool]:
    return lambda self: sum(name in self for name in names) <= 1


def _get(self: Any, name: str, default: Any) -> Any:
    return self.get(name, default)


def _is_port(number: int) -> bool:
    return 0 < number <= 65535


def _waypoint_only_in_context(self: Any) -> bool:
    return bool(("waypoint" in self) == (_get(self, "context", "") == "WAYPOINT"))


def _no_cidr_for_names(self: Any) -> bool:
    ranges = any("/" in each for each in _get(self, "addresses", []))
    return not ranges or _get(self, "resolution", "NONE") in ("STATIC", "NONE")


def _absolute_or_abstract(self: str) -> bool:
    return not self.startswith("unix://") or self[7:8] in ("/", "@")


def _accounts_alone(self: Any) -> bool:
    accounts = "serviceAccounts" in self or "notServiceAccounts" in self
    others = ("principals", "notPrincipals", "namespaces", "notNamespaces")
    return not accounts or not any(name in self for name in others)


def _ports_need_selector(self: Any) -> bool:
    return "portLevelMtls" not in self or bool(_get(_get(self, "selector", {}), "matchLabels", {}))


def _unique_numbers(self: Any) -> bool:
    numbers = [each.get("number") for each in self]
    return len(set(numbers)) == len(numbers)


RULES: dict[str, Callable[[Any], bool]] = {
    "duration(self) >= duration('1ms')": lambda self: duration(self) >= 0.001,
    'self.all(key, !key.contains("*"))': lambda self: all("*" not in key for key in self),
    "self.all(key, key.size() != 0)": lambda self: all(self),
    '!self.contains("*")': lambda self: "*" not in self,
    "(has(self.workloadSelector) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1": _at_most_one(
        "workloadSelector", "targetRefs"
    ),
    'has(self.context) ? ((self.context == "WAYPOINT") ? has(self.waypoint) : !has(self.waypoint)) '
    ": !has(self.waypoint)": _waypoint_only_in_context,
    "0 < self && self <= 65535": _is_port,
    "self.size() == 0": lambda self: not self,
    "(has(self.tlsCertificates) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1": _at_most_one(
        "tlsCertificates", "credentialNames"
    ),
    "(has(self.credentialName) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1": _at_most_one(
        "credentialName", "credentialNames"
    ),
    "(has(self.credentialNames) ? 1 : 0) + (has(self.tlsCertificates) ? 1 : 0) <= 1": _at_most_one(
        "credentialNames", "tlsCertificates"
    ),
    "(has(self.workloadSelector) ? 1 : 0) + (has(self.endpoints) ? 1 : 0) <= 1": _at_most_one(
        "workloadSelector", "endpoints"
    ),
    '!((has(self.addresses) ? self.addresses : []).exists(k, k.contains("/")) && '
    '!((has(self.resolution) ? self.resolution : "NONE") in ["STATIC", "NONE"]))': _no_cidr_for_names,
    '((has(self.resolution) ? self.resolution : "NONE") == "NONE") ? !has(self.endpoints) : true': (
        lambda self: _get(self, "resolution", "NONE") != "NONE" or "endpoints" not in self
    ),
    '((has(self.resolution) ? self.resolution : "") == "DNS_ROUND_ROBIN") ? '
    "((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true": (
        lambda self: (
            _get(self, "resolution", "") != "DNS_ROUND_ROBIN" or len(_get(self, "endpoints", [])) <= 1
        )
    ),
    "has(self.address) || has(self.network)": lambda self: "address" in self or "network" in self,
    '(has(self.address) ? self.address : "").startsWith("unix://") ? !has(self.ports) : true': (
        lambda self: not _get(self, "address", "").startswith("unix://") or "ports" not in self
    ),
    'self.startsWith("unix://") ? (self.substring(7, 8) == "/" || self.substring(7, 8) == "@") : true': (
        _absolute_or_abstract
    ),
    'self.startsWith("unix://") ? !self.endsWith("/") : true': (
        lambda self: not (self.startswith("unix://") and self.endswith("/"))
    ),
    'self.all(key, size(key) < 63 && key.matches("^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$"))': (
        lambda self: all(len(key) < 63 and _PORT_NAME.fullmatch(key) for key in self)
    ),
    'self != "*"': lambda self: self != "*",
    "self.all(l1, self.exists_one(l2, l1.number == l2.number))": _unique_numbers,
    'self in ["", "HTTP", "HTTPS"]': lambda self: self in ("", "HTTP", "HTTPS"),
    "(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1": (
        _at_most_one("selector", "targetRef", "targetRefs")
    ),
    "(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? (!has(self.principals) &&\n"
    "!has(self.notPrincipals) && !has(self.namespaces) && !has(self.notNamespaces)) : true": _accounts_alone,
    "has(self.portLevelMtls) ? (((has(self.selector) && has(self.selector.matchLabels)) ? "
    "self.selector.matchLabels : {}).size() > 0) : true": _ports_need_selector,
    "self.all(key, 0 < int(key) && int(key) <= 65535)": lambda self: all(_is_port(int(key)) for key in self),
    "(has(self.jwksUri) ? 1 : 0) + (has(self.jwks_uri) ? 1 : 0) + (has(self.jwks) ? 1 : 0) <= 1": (
        _at_most_one("jwksUri", "jwks_uri", "jwks")
    ),
    'url(self).getScheme() in ["http", "https"]': lambda self: urlsplit(self).scheme in ("http", "https"),
    '((has(self.operation) ? self.operation : "") == "UPSERT") ? (self.value != "") : true': (
        lambda self: _get(self, "operation", "") != "UPSERT" or bool(_get(self, "value", ""))
    ),
    '((has(self.operation) ? self.operation : "") == "REMOVE") ? !has(self.value) : true': (
        lambda self: _get(self, "operation", "") != "REMOVE" or "value" not in self
    ),
}
"""By the text of the rule, as it stands in the schema."""


def holds(rule: str, value: Any) -> bool:
    """Whether *value* satisfies *rule*; EvaluationError where the rule can't be evaluated."""
    check = RULES.get(rule)
    try:
        return check is None or check(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EvaluationError(str(error)) from error
