"""NetworkPolicies: kept, and followed by nobody here."""

from __future__ import annotations

import ipaddress

from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.workloads import format_selector
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_PROTOCOLS, _TYPES = ("TCP", "UDP", "SCTP"), ("Ingress", "Egress")
_RULES = (("ingress", "from"), ("egress", "to"))
_NOT_FOLLOWED = (
    "spec: the policy is kept, and nobody enforces it in this lab; what the mesh enforces are "
    "AuthorizationPolicies"
)


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for direction, _ in _RULES:
        for rule in spec.get(direction) or ():
            for port in rule.get("ports") or ():
                fill(port, protocol="TCP")


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj["spec"]
    meta.selector(causes, "spec.podSelector", spec["podSelector"])
    for direction, key in _RULES:
        for index, rule in enumerate(spec.get(direction) or ()):
            at = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                _port(causes, f"{at}.ports[{number}]", port)
            for number, peer in enumerate(rule.get(key) or ()):
                _peer(causes, f"{at}.{key}[{number}]", peer)
    if len(spec["policyTypes"]) > len(_TYPES):
        causes.invalid("spec.policyTypes", spec["policyTypes"], "may not specify more than two policyTypes")
        return
    for index, each in enumerate(spec["policyTypes"]):
        if each not in _TYPES:
            causes.unsupported(f"spec.policyTypes[{index}]", each, _TYPES)


def _port(causes: Causes, at: str, port: Obj) -> None:
    if port["protocol"] not in _PROTOCOLS:
        causes.unsupported(f"{at}.protocol", port["protocol"], _PROTOCOLS)
    first, last = port.get("port"), port.get("endPort")
    if first is None:
        if last is not None:
            causes.invalid(f"{at}.endPort", last, "may not be specified when `port` is not specified")
    elif isinstance(first, str):
        if last is not None:
            causes.invalid(f"{at}.endPort", last, "may not be specified when `port` is non-numeric")
        causes.invalid_each(f"{at}.port", first, names.port_name(first))
    else:
        causes.invalid_each(f"{at}.port", first, names.port_number(first))
        if last is not None and last < first:
            causes.invalid(f"{at}.endPort", first, "must be greater than or equal to `port`")
        if last is not None:
            causes.invalid_each(f"{at}.endPort", last, names.port_number(last))


def _peer(causes: Causes, at: str, peer: Obj) -> None:
    given = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    for key in given:
        if key == "ipBlock":
            _block(causes, f"{at}.ipBlock", peer["ipBlock"])
        else:
            meta.selector(causes, f"{at}.{key}", peer[key])
    if not given:
        causes.required(at, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        causes.forbidden(at, "may not specify both ipBlock and another peer")


def _block(causes: Causes, at: str, block: Obj) -> None:
    whole = _network(block.get("cidr", ""))
    if not block.get("cidr"):
        causes.required(f"{at}.cidr")
    elif whole is None:
        causes.invalid(f"{at}.cidr", block["cidr"], _NO_CIDR)
    for index, each in enumerate(block.get("except") or ()):
        inner = _network(each)
        if inner is None:
            causes.invalid(f"{at}.except[{index}]", each, _NO_CIDR)
        elif whole is not None and not (inner.version == whole.version and _lies_within(inner, whole)):
            causes.invalid(f"{at}.except[{index}]", each, "must be a strict subset of `cidr`")


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _lies_within(inner: _Network, whole: _Network) -> bool:
    return inner.prefixlen > whole.prefixlen and inner.network_address in whole


def _warnings(_obj: Obj, _old: Obj | None) -> list[str]:
    return [_NOT_FOLLOWED]


NETWORK_POLICY = Kind(
    ResourceType(
        "networking.k8s.io",
        ("v1",),
        "NetworkPolicy",
        "networkpolicies",
        "networkpolicy",
        short_names=("netpol",),
    ),
    columns=(
        NAME,
        Column(
            "Pod-Selector", lambda row: format_selector({"selector": row.spec.get("podSelector")}) or "<none>"
        ),
        AGE,
    ),
    default=_default,
    zero={"spec": {"podSelector": {}}},
    validate=_validate,
    warnings=_warnings,
)
