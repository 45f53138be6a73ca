"""What the server writes into ``metadata``: names, uid, generation, deletion marks."""

from __future__ import annotations

import datetime as dt
import uuid

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.common.names import generated_name
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj, timestamp
from labkit.embedded.status import ApiError, bad_request, conflict, invalid

_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def fill_new(kind: ResourceType, obj: Obj) -> None:
    """Give a new *obj* its name, uid, creationTimestamp and generation."""
    meta = obj.setdefault("metadata", {})
    if meta.pop("resourceVersion", None):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    meta.pop("deletionTimestamp", None)
    meta.pop("deletionGracePeriodSeconds", None)
    _fill_name(kind, meta)
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = timestamp()
    meta.pop("generation", None)
    if catalogue.of(kind).has_generation:
        meta["generation"] = 1


def _fill_name(kind: ResourceType, meta: Obj) -> None:
    if meta.get("name"):
        return
    if not meta.get("generateName"):
        why = ("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
        raise invalid(kind.kind, kind.group, "", [why])
    meta["name"] = generated_name(meta["generateName"])


def carry_over(kind: ResourceType, obj: Obj, old: Obj) -> None:
    """Keep in a changed *obj* what only the server may set, and check it was based on *old*."""
    meta, before = obj["metadata"], old["metadata"]
    name = before["name"]
    given = meta.get("resourceVersion")
    if given and given != before["resourceVersion"]:
        raise conflict(kind.name, name)
    if meta.get("uid") and meta["uid"] != before["uid"]:
        raise uid_conflict(kind, name, meta["uid"], before["uid"])
    for key in _SERVER_OWNED:
        meta.pop(key, None)
        if key in before:
            meta[key] = before[key]
    meta["resourceVersion"] = before["resourceVersion"]
    if "managedFields" not in meta and "managedFields" in before:
        meta["managedFields"] = before["managedFields"]
    _refuse_new_finalizers(kind, meta, before)


def uid_conflict(kind: ResourceType, name: str, wanted: str, found: str) -> ApiError:
    """409 for a write or deletion meant for an object that has been replaced since."""
    return conflict(
        kind.name, name, f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    )


def _refuse_new_finalizers(kind: ResourceType, meta: Obj, before: Obj) -> None:
    added = sorted(set(meta.get("finalizers") or ()) - set(before.get("finalizers") or ()))
    if before.get("deletionTimestamp") and added:
        shown = ", ".join(f'"{each}"' for each in added)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{shown}}}"
        )
        cause = ("metadata.finalizers", "FieldValueForbidden", message)
        raise invalid(kind.kind, kind.group, before["name"], [cause])


def mark_deleted(obj: Obj, grace_seconds: int) -> None:
    """Set the deletion marks of *obj*; its time is up *grace_seconds* from now."""
    meta = obj["metadata"]
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=grace_seconds)
    meta["deletionTimestamp"] = timestamp(end)
    meta["deletionGracePeriodSeconds"] = grace_seconds
    if meta.get("generation"):
        meta["generation"] += 1


def bump_generation(kind: ResourceType, obj: Obj, old: Obj) -> None:
    """Count a change of anything but metadata and status."""
    known = catalogue.of(kind)
    if known.has_generation and _desired(obj, known.uncounted) != _desired(old, known.uncounted):
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _desired(obj: Obj, uncounted: tuple[str, ...]) -> Obj:
    found = {key: value for key, value in obj.items() if key not in _NOT_DESIRED}
    if uncounted:
        found["spec"] = {key: value for key, value in obj["spec"].items() if key not in uncounted}
    return found


_NOT_DESIRED = {"metadata", "status", "apiVersion", "kind"}


def check_identity(kind: ResourceType, obj: Obj, name: str, namespace: str) -> None:
    """The object in a request's body must be the one its path names."""
    meta = obj.setdefault("metadata", {})
    if namespace and meta.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if not kind.namespaced:
        meta.pop("namespace", None)
    if name and not meta.get("name"):
        why = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise bad_request(why)
    if name and meta["name"] != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
