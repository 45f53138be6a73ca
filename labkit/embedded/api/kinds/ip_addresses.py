"""IPAddresses: which object has an address; Services of this lab keep theirs in themselves."""

from __future__ import annotations

import ipaddress

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import NAME, Column, Row
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def _name_problems(name: str) -> list[str]:
    try:
        address = str(ipaddress.ip_address(name))
    except ValueError:
        return [_NO_ADDRESS]
    return [] if address == name else [f'must be in canonical form ("{address}")']


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    at, parent = "spec.parentRef", (obj.get("spec") or {}).get("parentRef")
    if old is not None:
        causes.immutable(at, parent, (old.get("spec") or {}).get("parentRef"))
    elif parent is None:
        causes.required(at)
    else:
        _parent(causes, at, parent)


def _parent(causes: Causes, at: str, parent: Obj) -> None:
    if group := parent.get("group"):
        causes.invalid_each(f"{at}.group", group, names.dns_subdomain(group))
    for key in ("resource", "name", "namespace"):
        value = parent.get(key) or ""
        if value:
            causes.invalid_each(f"{at}.{key}", value, names.path_segment(value))
        elif key != "namespace":
            causes.required(f"{at}.{key}")


def _parent_cell(row: Row) -> str:
    parent = row.spec.get("parentRef")
    if not parent:
        return "<none>"
    resource = ".".join(filter(None, (parent.get("resource"), parent.get("group")))).lower()
    return "/".join(filter(None, (resource, parent.get("namespace"), parent.get("name"))))


IP_ADDRESS = Kind(
    ResourceType(
        "networking.k8s.io",
        ("v1",),
        "IPAddress",
        "ipaddresses",
        "ipaddress",
        namespaced=False,
        short_names=("ip",),
    ),
    columns=(NAME, Column("ParentRef", _parent_cell)),
    zero={"spec": {}},
    validate=_validate,
    name_problems=_name_problems,
    has_generation=False,
)
