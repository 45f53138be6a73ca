"""LimitRanges: what a namespace's pods request where they don't say, and how much they may."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.resources import check_name
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.quantities import amount

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_OF_PODS = ("Container", "Pod")


def _default(obj: Obj) -> None:
    for limit in (obj.get("spec") or {}).get("limits") or ():
        if limit.get("type") == "Container":
            default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
            requests = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
            for key, amounts in (("default", default), ("defaultRequest", requests)):
                if amounts:
                    limit[key] = amounts


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    seen: set[str] = set()
    for index, limit in enumerate((obj.get("spec") or {}).get("limits") or ()):
        at, kind = f"spec.limits[{index}]", limit.get("type", "")
        _type(causes, f"{at}.type", kind)
        if kind in seen:
            causes.duplicate(f"{at}.type", kind)
        seen.add(kind)
        _limit(causes, at, limit)


def _type(causes: Causes, at: str, kind: str) -> None:
    wrong = names.qualified_name(kind)
    causes.invalid_each(at, kind, wrong)
    if not wrong and "/" not in kind and kind not in _TYPES:
        causes.invalid(at, kind, "must be a standard limit type or fully qualified")


def _limit(causes: Causes, at: str, limit: Obj) -> None:
    kind = limit.get("type")
    parts = {key: limit.get(key) or {} for key in ("max", "min", "default", "defaultRequest")}
    if kind == "Pod":
        for key in ("default", "defaultRequest"):
            if parts.pop(key):
                causes.forbidden(f"{at}.{key}", "may not be specified when `type` is 'Pod'")
    parts["maxLimitRequestRatio"] = limit.get("maxLimitRequestRatio") or {}
    for key, amounts in parts.items():
        for name in amounts:
            check_name(causes, f"{at}.{key}[{name}]", name, of_container=kind in _OF_PODS)
    if kind == "PersistentVolumeClaim" and "storage" not in {**parts["min"], **parts["max"]}:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        causes.required(f"{at}.limits", detail)
    for name in sorted({name for amounts in parts.values() for name in amounts}):
        _order(causes, at, name, {key: amounts[name] for key, amounts in parts.items() if name in amounts})


_REQUEST = ("defaultRequest", "defaultRequest")
_ORDER = (
    # (the smaller, the larger, whose field and value are shown, whose value that is, their words)
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    (
        "min",
        "defaultRequest",
        *_REQUEST,
        "min value {} is greater than default request value {}",
    ),
    (
        "defaultRequest",
        "max",
        *_REQUEST,
        "default request value {} is greater than max value {}",
    ),
    (
        "defaultRequest",
        "default",
        *_REQUEST,
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)


def _order(causes: Causes, at: str, name: str, found: dict[str, str]) -> None:
    for smaller, larger, field, shown, words in _ORDER:
        if smaller in found and larger in found and amount(found[smaller]) > amount(found[larger]):
            detail = words.format(found[smaller], found[larger])
            causes.invalid(f"{at}.{field}[{name}]", found[shown], detail)
    ratio = found.get("maxLimitRequestRatio")
    if ratio is None:
        return
    field = f"{at}.maxLimitRequestRatio[{name}]"
    if amount(ratio) < 1:
        causes.invalid(field, ratio, f"ratio {ratio} is less than 1")
    if "min" in found and "max" in found and amount(found["min"]):
        most = amount(found["max"]) / amount(found["min"])
        if amount(ratio) > most:
            causes.invalid(field, ratio, f"ratio {ratio} is greater than max/min = {most:.6f}")


LIMIT_RANGE = Kind(
    ResourceType("", ("v1",), "LimitRange", "limitranges", "limitrange", short_names=("limits",)),
    default=_default,
    zero={"spec": {"limits": None}},
    validate=_validate,
    has_generation=False,
)
