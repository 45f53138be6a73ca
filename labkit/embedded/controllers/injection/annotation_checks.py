"""What is wrong with a pod's annotations: the checks of istiod's ``pkg/kube/inject/validate.go``."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping

import yaml

from labkit.embedded.controllers.injection.pod_annotations import (
    READINESS,
    TRAFFIC,
    USER_MOUNTS,
    USER_VOLUMES,
)
from labkit.embedded.objects import Obj, annotations_of
from labkit.embedded.proxy_config import PROXY_CONFIG


def faults(pod: Obj) -> list[str]:
    """What is wrong with the annotations of *pod*, in istiod's words."""
    checked = ((name, annotations_of(pod).get(name), check) for name, check in _CHECKS.items())
    return [
        f"invalid value '{value}' for annotation '{name}': {fault}"
        for name, value, check in checked
        if value is not None
        for fault in check(value)
    ]


Check = Callable[[str], Iterator[str]]


def _ports(parameter: str, *, wildcard: bool = False) -> Check:
    def check(value: str) -> Iterator[str]:
        if wildcard and value == "*":
            return
        for port in value.split(",") if value.strip() else []:
            if fault := _number_fault(port.strip(), 16):
                why = f"failed parsing port '{port}': {fault}"
                yield f"{parameter} invalid: failed parsing port '{port}': {why}"
                return

    return check


def _ranges(parameter: str, *, wildcard: bool = False) -> Check:
    def check(value: str) -> Iterator[str]:
        if wildcard and value == "*":
            return
        for cidr in value.split(",") if value else []:
            if fault := _prefix_fault(cidr):
                why = f"failed parsing cidr '{cidr}': netip.ParsePrefix(\"{cidr}\"): {fault}"
                yield f"{parameter} invalid: {why}"
                return

    return check


def _number(value: str) -> Iterator[str]:
    if fault := _number_fault(value, 32):
        yield fault


def _number_fault(text: str, bits: int) -> str:
    """What Go's ``strconv.ParseUint`` says of *text*."""
    is_number = text.isascii() and text.isdigit()
    if is_number and len(text) <= 10 and int(text) < 2**bits:
        return ""
    return f'strconv.ParseUint: parsing "{text}": {"value out of range" if is_number else "invalid syntax"}'


def _prefix_fault(cidr: str) -> str:
    """What Go's ``netip.ParsePrefix`` says of *cidr*."""
    address, slash, length = cidr.rpartition("/")
    if not slash:
        return "no '/'"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f'ParseAddr("{address}"): unable to parse IP'
    if not (length.isascii() and length.isdigit() and len(length) <= 3):
        return f'bad bits after slash: "{length}"'
    return "" if int(length) <= parsed.max_prefixlen else "prefix length out of range"


def _bool(value: str) -> Iterator[str]:
    if value not in ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"):
        yield f'strconv.ParseBool: parsing "{value}": invalid syntax'


def _mode(value: str) -> Iterator[str]:
    if value not in ("REDIRECT", "TPROXY", "NONE"):
        yield f"interceptionMode invalid, use REDIRECT,TPROXY,NONE: {value}"


def _proxy_config(value: str) -> Iterator[str]:
    try:
        found = yaml.safe_load(value)
    except yaml.YAMLError as error:
        yield f"failed to convert to apply proxy config: {error}"
        return
    if not isinstance(found, dict | None):
        yield f"failed to convert to apply proxy config: {value!r} is not a mapping"
        return
    concurrency = (found or {}).get("concurrency", 0)
    if not isinstance(concurrency, int) or isinstance(concurrency, bool):
        yield f"failed to convert to apply proxy config: concurrency {concurrency!r} is no whole number"
    elif concurrency < 0:
        yield "concurrency must be greater than or equal to 0"


def _by_name(value: str) -> Iterator[str]:
    try:
        found = json.loads(value)
    except ValueError as error:
        yield f"it is no JSON: {error}"
        return
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        yield "it holds no objects by name"


_CHECKS: Mapping[str, Check] = {
    "sidecar.istio.io/interceptionMode": _mode,
    **dict.fromkeys(READINESS, _number),
    f"{TRAFFIC}includeOutboundIPRanges": _ranges("includeIPRanges", wildcard=True),
    f"{TRAFFIC}excludeOutboundIPRanges": _ranges("excludeIPRanges"),
    f"{TRAFFIC}includeInboundPorts": _ports("includeInboundPorts", wildcard=True),
    f"{TRAFFIC}excludeInboundPorts": _ports("excludeInboundPorts"),
    f"{TRAFFIC}includeOutboundPorts": _ports("includeOutboundPorts"),
    f"{TRAFFIC}excludeOutboundPorts": _ports("excludeOutboundPorts"),
    "prometheus.istio.io/merge-metrics": _bool,
    USER_VOLUMES: _by_name,
    USER_MOUNTS: _by_name,
    PROXY_CONFIG: _proxy_config,
}
