"""ServiceCIDRs: from where Services get their addresses; here from the one that every cluster begins with."""

from __future__ import annotations

import ipaddress

from labkit.embedded.addresses import SERVICE_NETWORK
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.store import Store

RESOURCE = "servicecidrs.networking.k8s.io"
OF_CLUSTER: Obj = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [str(SERVICE_NETWORK)]}}
_ELSEWHERE = f"spec.cidrs: Services in this lab get their addresses from {SERVICE_NETWORK} only"
_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_ONE_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


def _prepare_create(_store: Store, obj: Obj) -> None:
    obj["status"] = {}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    cidrs = (obj.get("spec") or {}).get("cidrs") or []
    before = ((old or {}).get("spec") or {}).get("cidrs") or []
    if old is None:
        _cidrs(causes, "spec.cidrs", cidrs)
    elif len(cidrs) == len(before):
        for index, (new, known) in enumerate(zip(cidrs, before, strict=True)):
            causes.immutable(f"spec.cidrs[{index}]", new, known)
    elif (len(before), len(cidrs)) == (1, 2):
        causes.immutable("spec.cidrs[0]", cidrs[0], before[0])
        _cidrs(causes, "spec.cidrs", cidrs)
    else:
        causes.immutable("spec.cidrs", cidrs, before)


def _cidrs(causes: Causes, at: str, cidrs: list[str]) -> None:
    if not cidrs:
        causes.required(at, "at least one CIDR required")
    elif len(cidrs) > 2:
        causes.invalid(at, {"CIDRs": cidrs}, "may only hold up to 2 values")
    else:
        families = [_family(causes, f"{at}[{index}]", cidr) for index, cidr in enumerate(cidrs)]
        if len(families) == 2 and families[0] is not None and families[0] == families[1]:
            causes.invalid(at, cidrs, _ONE_EACH)


def _family(causes: Causes, at: str, cidr: str) -> int | None:
    """4 or 6; None with a cause where it is no network."""
    try:
        network = ipaddress.ip_network(cidr if "/" in cidr else "", strict=False)
    except ValueError:
        causes.invalid(at, cidr, _NO_CIDR)
        return None
    if ipaddress.ip_interface(cidr).ip != network.network_address:
        causes.invalid(at, cidr, "must not have bits set beyond the prefix length")
    elif str(network) != cidr:
        causes.invalid(at, cidr, f'must be in canonical form ("{network}")')
    return network.version


def _warnings(obj: Obj, old: Obj | None) -> list[str]:
    return [] if old or name_of(obj) == name_of(OF_CLUSTER) else [_ELSEWHERE]


SERVICE_CIDR = Kind(
    ResourceType(
        "networking.k8s.io",
        ("v1",),
        "ServiceCIDR",
        "servicecidrs",
        "servicecidr",
        namespaced=False,
        subresources=(status_of("ServiceCIDR"),),
    ),
    columns=(NAME, Column("CIDRs", lambda row: ",".join(row.spec.get("cidrs") or ())), AGE),
    zero={"spec": {}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    warnings=_warnings,
    has_generation=False,
)
