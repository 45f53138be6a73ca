"""ResourceQuotas: how much a namespace may use."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.resources import HUGE_PAGES, check_amount, check_name
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.quotas import COUNTED, SCOPES, STANDARD, STRICT
from labkit.embedded.store import Store

_INTEGERS = ("pods", *COUNTED, "services.nodeports", "services.loadbalancers")
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
_ONLY_EXIST = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
    "ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    _amounts(causes, "spec.hard", spec.get("hard") or {})
    scopes = spec.get("scopes") or []
    for scope in scopes:
        _scope(causes, "spec.scopes", "spec.scopes", scope, scopes, spec)
    _opposites(causes, "spec.scopes", set(scopes), scopes)
    if spec.get("scopeSelector") is not None:
        _selector(causes, spec)
    if old is not None and set(scopes) != set((old.get("spec") or {}).get("scopes") or []):
        causes.invalid("spec.scopes", scopes or None, "field is immutable")


def _validate_status(causes: Causes, obj: Obj, _old: Obj | None, _subresource: str) -> None:
    for key in ("hard", "used"):
        _amounts(causes, f"status.{key}", (obj.get("status") or {}).get(key) or {})


def _amounts(causes: Causes, at: str, amounts: Obj) -> None:
    for name, value in amounts.items():
        field = f"{at}[{name}]"
        check_name(causes, field, name)
        if "/" not in name and name not in STANDARD and not name.startswith(HUGE_PAGES):
            causes.invalid(field, name, "must be a standard resource for quota")
        check_amount(causes, field, value, integer=name in _INTEGERS or name.startswith("count/"))


def _scope(causes: Causes, named: str, at: str, scope: str, shown: object, spec: Obj) -> None:
    if scope not in SCOPES:
        causes.invalid(named, shown if named == at else scope, "unsupported scope")
    for name in sorted(spec.get("hard") or {}):
        if name in STANDARD and not _fits(scope, name):
            causes.invalid(at, shown, "unsupported scope applied to resource")


def _fits(scope: str, name: str) -> bool:
    if scope not in SCOPES:
        return True
    if scope == "BestEffort":
        return name == "pods"
    if scope == "VolumeAttributesClass":
        return name in ("persistentvolumeclaims", "requests.storage")
    return name in ("pods", *STRICT)


def _opposites(causes: Causes, at: str, found: set[str], shown: object) -> None:
    for pair in _OPPOSITES:
        if found.issuperset(pair):
            causes.invalid(at, shown, "conflicting scopes")


def _selector(causes: Causes, spec: Obj) -> None:
    at, selector = "spec.scopeSelector.matchExpressions", spec["scopeSelector"]
    expressions = selector.get("matchExpressions") or []
    for each in expressions:
        scope, operator, values = (
            each.get("scopeName", ""),
            each.get("operator", ""),
            each.get("values") or [],
        )
        _scope(causes, f"{at}.scopeName", at, scope, selector, spec)
        if scope in _ONLY_EXIST and operator != "Exists":
            causes.invalid(f"{at}.operator", operator, _MUST_EXIST)
        if operator in ("In", "NotIn") and not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            causes.required(f"{at}.values", detail)
        elif operator in ("Exists", "DoesNotExist") and values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            causes.invalid(f"{at}.values", values, detail)
        elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            causes.invalid(f"{at}.operator", operator, "not a valid selector operator")
    _opposites(causes, at, {each.get("scopeName", "") for each in expressions}, selector)


def _listed(row: Row, *, limits: bool) -> str:
    hard, used = row.status.get("hard") or {}, row.status.get("used") or {}
    chosen = [name for name in sorted(hard) if (name.split(".")[0] == "limits" and "." in name) == limits]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in chosen)


RESOURCE_QUOTA = Kind(
    ResourceType(
        "",
        ("v1",),
        "ResourceQuota",
        "resourcequotas",
        "resourcequota",
        short_names=("quota",),
        subresources=(status_of("ResourceQuota"),),
    ),
    columns=(
        NAME,
        Column("Request", lambda row: _listed(row, limits=False)),
        Column("Limit", lambda row: _listed(row, limits=True)),
        AGE,
    ),
    zero={"spec": {}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    validate_status=_validate_status,
    name_problems=names.dns_subdomain,
    has_generation=False,
    shown_when_deleted=True,
)
