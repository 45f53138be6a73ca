"""Endpoints and EndpointSlices: the addresses behind a Service."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.addresses import check_address
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, with_more
from labkit.embedded.api.kinds.common.fill import fill, items
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_ADDRESS_TYPES = ("IPv4", "IPv6", "FQDN")


def _default(obj: Obj) -> None:
    for subset in items(obj, "subsets"):
        for port in items(subset, "ports"):
            fill(port, protocol="TCP")


def _default_slice(obj: Obj) -> None:
    for port in items(obj, "ports"):
        port.setdefault("name", "")
        fill(port, protocol="TCP")


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    for index, subset in enumerate(obj.get("subsets") or ()):
        at = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            causes.required(at, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(key) or ()):
                check_address(causes, f"{at}.{key}[{number}].ip", address.get("ip", ""))
        for number, port in enumerate(subset.get("ports") or ()):
            wrong = names.port_number(port.get("port", 0))
            causes.invalid_each(f"{at}.ports[{number}].port", port.get("port", 0), wrong)


def _validate_slice(causes: Causes, obj: Obj, old: Obj | None) -> None:
    causes.one_of("addressType", obj.get("addressType"), _ADDRESS_TYPES)
    if old is not None:
        causes.immutable("addressType", obj.get("addressType"), old.get("addressType"))
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            causes.required(f"endpoints[{index}].addresses", "must contain at least 1 address")
        for number, address in enumerate(endpoint.get("addresses") or ()):
            if obj.get("addressType") != "FQDN":
                check_address(causes, f"endpoints[{index}].addresses[{number}]", address)


def _endpoints(row: Row) -> str:
    shown = [
        address.get("ip", "") + (f":{port.get('port', 0)}" if port else "")
        for subset in row.obj.get("subsets") or []
        for port in subset.get("ports") or [None]
        for address in subset.get("addresses") or []
    ]
    return with_more(shown) if row.obj.get("subsets") else "<none>"


def _slice_ports(row: Row) -> str:
    ports = [str(port.get("port", port.get("name", "*"))) for port in row.obj.get("ports") or []]
    return with_more(ports) or "<unset>"


def _slice_addresses(row: Row) -> str:
    endpoints = row.obj.get("endpoints") or []
    return with_more([each for one in endpoints for each in one.get("addresses") or []]) or "<unset>"


ENDPOINTS = Kind(
    ResourceType("", ("v1",), "Endpoints", "endpoints", "endpoints", short_names=("ep",)),
    columns=(NAME, Column("Endpoints", _endpoints), AGE),
    default=_default,
    validate=_validate,
    has_generation=False,
)
ENDPOINT_SLICE = Kind(
    ResourceType("discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices", "endpointslice"),
    columns=(
        NAME,
        Column("AddressType", lambda row: row.obj.get("addressType", "")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    default=_default_slice,
    zero={"endpoints": None, "ports": None},
    validate=_validate_slice,
)
