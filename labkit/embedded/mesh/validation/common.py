"""Rules that several kinds share: domain names, ports, durations, exportTo, labels, regexes.

Each check yields its errors as text, word for word Istio's (``pkg/config/validation``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from labkit.embedded.mesh.durations import seconds
from labkit.embedded.mesh.validation.regex import regex
from labkit.embedded.mesh.validation.report import quoted

Given = Mapping[str, Any]

_LABEL_TEXT = "[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"
_LABEL = re.compile(_LABEL_TEXT)
_WILDCARD_LABEL = re.compile(rf"(\*|(\*|\*-)?{_LABEL_TEXT})")
_NAME = r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_TAG_KEY = re.compile(rf"({_LABEL_TEXT}(?:\.{_LABEL_TEXT})*/)?({_NAME})")
_TAG_VALUE = re.compile(rf"({_NAME})?")


def is_label(text: str) -> bool:
    """Whether *text* is a DNS label as Istio takes it: upper case is fine."""
    return len(text) <= 63 and _LABEL.fullmatch(text) is not None


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def domain(name: str, *, wildcard: bool = False) -> Iterator[str]:
    """A host name; with *wildcard* the first label may begin with one."""
    if not name:
        yield "empty domain name not allowed"
    elif len(name) > 255:
        yield f"domain name {quoted(name)} too long (max 255)"
    elif wildcard:
        first, dot, rest = name.partition(".")
        if len(first) > 63 or not _WILDCARD_LABEL.fullmatch(first):
            yield f"domain name {quoted(name)} invalid (label {quoted(first)} invalid)"
        elif dot:
            yield from _labels(rest)
    else:
        yield from _labels(name)


def _labels(name: str) -> Iterator[str]:
    labels = name.split(".")
    if labels[-1].isdecimal():
        top = quoted(labels[-1])
        yield f"domain name {quoted(name)} invalid (top level domain {top} cannot be all-numeric)"
        return
    named = labels[:-1] if labels[-1] == "" else labels
    wrong = next((label for label in named if not is_label(label)), None)
    if wrong is not None:
        yield f"domain name {quoted(name)} invalid (label {quoted(wrong)} invalid)"


def partial_wildcard(host: str) -> Iterator[str]:
    if "*" in host and host != "*" and not host.startswith("*."):
        yield f"partial wildcard {quoted(host)} not allowed"


def port(number: Any) -> Iterator[str]:
    if not 1 <= int(number or 0) <= 65535:
        yield f"port number {int(number or 0)} must be in the range 1..65535"


def duration(text: str | None) -> Iterator[str]:
    """A duration of at least a millisecond, in whole milliseconds."""
    if text is None:
        return
    try:
        length = seconds(str(text))
    except ValueError as error:
        yield str(error)
        return
    if length < Decimal("0.001"):
        yield "duration must be greater than 1ms"
    elif length % Decimal("0.001"):
        yield "only durations to ms precision are supported"


def subnet(text: str) -> Iterator[str]:
    """An address or a CIDR block."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        kind = "invalid CIDR address" if "/" in text else "not a valid IP address"
        yield f"{text}: {kind}"


def percent(value: Any) -> Iterator[str]:
    if value is not None and not 0 <= int(value) <= 100:
        yield f"percentage {int(value)} is not in range 0..100"


def percentage(value: Given | None) -> Iterator[str]:
    """Istio's ``Percent`` message."""
    number = float((value or {}).get("value") or 0)
    if number and not 0.0001 <= number <= 100:
        yield f"percentage {number:g} is neither 0.0, nor in range [0.0001, 100.0]"


def labels(values: Mapping[str, str] | None) -> Iterator[str]:
    for key, value in (values or {}).items():
        if not _TAG_KEY.fullmatch(key):
            yield f"invalid tag key: {quoted(key)}"
        if not _TAG_VALUE.fullmatch(str(value)):
            yield f"invalid tag value: {quoted(value)}"


def export_to(entries: Sequence[str], namespace: str, *, service_entry: bool = False) -> Iterator[str]:
    seen: set[str] = set()
    for entry in entries:
        key = namespace if entry == "." else entry
        if key in seen:
            own = f". and current namespace {namespace}"
            yield f"duplicate entries in exportTo{': ' + own if key != entry else f' for entry {entry}'}"
        elif not (service_entry and entry == "~"):
            yield from _visibility(key)
        seen.add(key)
    if "*" in seen and len(entries) > 1:
        yield "cannot have both public (*) and non-public exportTo values for a resource"
    if "~" in seen and len(entries) > 1:
        yield "cannot export service entry to no one (~) and someone"


def _visibility(entry: str) -> Iterator[str]:
    if entry == "~":
        yield "exportTo ~ (none) is not allowed for Istio configuration objects"
    elif entry not in (".", "*") and not is_label(entry):
        yield "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"


def workload_selector(selector: Given | None, field: str = "labels") -> Iterator[str]:
    for key, value in ((selector or {}).get(field) or {}).items():
        pair = quoted(f"{key}={value}")
        if not key:
            yield f"empty key is not supported in selector: {pair}"
        if "*" in key or "*" in str(value):
            yield f"wildcard is not supported in selector: {pair}"


def string_match(match: Given | None, where: str, *, empty_prefix: bool = False) -> Iterator[str]:
    """A ``StringMatch``; only a URI may have an *empty_prefix*."""
    given = match or {}
    if "prefix" in given and not given["prefix"] and not empty_prefix:
        yield f"{quoted(where)}: prefix string match should not be empty"
    if "regex" in given:
        yield from regex(str(given["regex"] or ""), where)


def gateway_names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        namespace, slash, gateway = name.partition("/")
        if not slash:
            yield from domain(name)
            continue
        if not namespace or not gateway:
            yield "config namespace and gateway name cannot be empty"
        if not is_label(namespace):
            yield f"invalid value for namespace: {quoted(namespace)}"
        if not is_label(gateway):
            yield f"invalid value for gateway name: {quoted(gateway)}"


def legacy_gateway_names(names: Iterable[str]) -> Iterator[str]:
    """Warnings about ``gateway.namespace.svc.cluster.local``."""
    for name in names:
        if "/" not in name and "." in name:
            gateway, namespace, *_ = name.split(".")
            better = quoted(f"{namespace}/{gateway}")
            old = quoted(name)
            yield f"using legacy gatewayName format {old}; prefer the <namespace>/<name> format: {better}"
