"""CSIDrivers: how a storage driver wants to be used; there are no disks here."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32  # seconds


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for name, value in (("attachRequired", True), ("podInfoOnMount", False), ("storageCapacity", False)):
        fill(spec, **{name: value})
    fill(spec, fsGroupPolicy="ReadWriteOnceWithFSType", requiresRepublish=False, seLinuxMount=False)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _prepare_create(_store: Store, obj: Obj) -> None:
    obj["spec"].pop("nodeAllocatableUpdatePeriodSeconds", None)  # behind a gate that is closed in 1.34


def _prepare_update(store: Store, obj: Obj, _old: Obj) -> None:
    _prepare_create(store, obj)


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj["spec"]
    if spec["fsGroupPolicy"] not in _GROUP_POLICIES:
        causes.unsupported("spec.fsGroupPolicy", spec["fsGroupPolicy"], _GROUP_POLICIES)
    _token_requests(causes, spec.get("tokenRequests") or [])
    for mode in spec["volumeLifecycleModes"]:
        if mode not in _MODES:
            causes.unsupported("spec.volumeLifecycleModes", mode, _MODES)
    if old is not None:
        before = old.get("spec") or {}
        causes.immutable("spec.attachedRequired", spec["attachRequired"], before.get("attachRequired"))
        modes = "volumeLifecycleModes"
        causes.immutable(f"spec.{modes}", spec[modes], before.get(modes))


def _token_requests(causes: Causes, requests: list[Obj]) -> None:
    known: set[str] = set()
    for index, request in enumerate(requests):
        at, audience = f"spec.tokenRequests[{index}]", request.get("audience", "")
        if audience in known:
            causes.duplicate(f"{at}.audience", audience)
            continue
        known.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < _SHORTEST_TOKEN:
            detail = "may not specify a duration less than 10 minutes"
            causes.invalid(f"{at}.expirationSeconds", seconds, detail)
        elif seconds is not None and seconds > _LONGEST_TOKEN:
            detail = "may not specify a duration larger than 2^32 seconds"
            causes.invalid(f"{at}.expirationSeconds", seconds, detail)


def _audiences(row: Row) -> str:
    requests = row.spec.get("tokenRequests")
    return "<unset>" if requests is None else ",".join(each.get("audience", "") for each in requests)


def _is(name: str, default: bool = False) -> Column:
    return Column(name[0].upper() + name[1:], lambda row: bool(row.spec.get(name, default)), "boolean")


CSI_DRIVER = Kind(
    ResourceType("storage.k8s.io", ("v1",), "CSIDriver", "csidrivers", "csidriver", namespaced=False),
    columns=(
        NAME,
        _is("attachRequired", default=True),
        *(_is("podInfoOnMount"), _is("storageCapacity")),
        Column("TokenRequests", _audiences),
        _is("requiresRepublish"),
        Column("Modes", lambda row: ",".join(row.spec.get("volumeLifecycleModes") or ()) or "<none>"),
        AGE,
    ),
    default=_default,
    zero={"spec": {}},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    shown_when_deleted=True,
)
