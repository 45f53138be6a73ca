"""CSINodes: which storage drivers a node has."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_LONGEST_ID, LONGEST_NAME = 256, 63


def _default(obj: Obj) -> None:
    for driver in (obj.get("spec") or {}).get("drivers") or ():
        driver.setdefault("topologyKeys", None)


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    drivers = (obj.get("spec") or {}).get("drivers") or []
    known: set[str] = set()
    for index, driver in enumerate(drivers):
        at, name = f"spec.drivers[{index}]", driver.get("name", "")
        driver_name(causes, f"{at}.name", name)
        _driver(causes, at, driver)
        if name in known:
            causes.duplicate(f"{at}.name", name)
        known.add(name)
    before = {each["name"]: each for each in ((old or {}).get("spec") or {}).get("drivers") or []}
    for driver in drivers:
        if driver.get("name") in before:
            shared = _without_limit(driver), _without_limit(before[driver["name"]])
            causes.immutable("spec.drivers", *shared)


def driver_name(causes: Causes, at: str, name: str) -> None:
    """A storage driver's name: a domain, in letters of either size."""
    if not name:
        causes.required(at)
    if len(name) > LONGEST_NAME:
        causes.too_long(at, LONGEST_NAME)
    causes.invalid_each(at, name, names.dns_subdomain(name.lower()))


def _driver(causes: Causes, at: str, driver: Obj) -> None:
    identity = driver.get("nodeID", "")
    if not identity:
        causes.required(f"{at}.nodeID")
    if len(identity) > _LONGEST_ID:
        causes.invalid(f"{at}.nodeID", identity, f"must be {_LONGEST_ID} characters or less")
    causes.not_negative(f"{at}.allocatable.count", (driver.get("allocatable") or {}).get("count"))
    known: set[str] = set()
    for key in driver.get("topologyKeys") or ():
        if not key:
            causes.required(at)
        if key in known:
            causes.duplicate(at, key)
        known.add(key)
        causes.invalid_each(at, key, names.qualified_name(key))


def _without_limit(driver: Obj) -> Obj:
    """What of it may not change: how many volumes it can take may."""
    return {name: value for name, value in driver.items() if name != "allocatable"}


CSI_NODE = Kind(
    ResourceType("storage.k8s.io", ("v1",), "CSINode", "csinodes", "csinode", namespaced=False),
    columns=(NAME, Column("Drivers", lambda row: len(row.spec.get("drivers") or ()), "integer"), AGE),
    zero={"spec": {}},
    default=_default,
    validate=_validate,
    has_generation=False,
    shown_when_deleted=True,
)
