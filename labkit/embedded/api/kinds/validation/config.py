"""The kinds that hold values and permissions: ConfigMap, Secret, roles, leases, events."""

from __future__ import annotations

from labkit.embedded.api.kinds.validation import names
from labkit.embedded.api.kinds.validation.causes import Causes
from labkit.embedded.objects import Obj, namespace_of

_SIZE_LIMIT = 1024 * 1024
_LOCKED = "field is immutable when `immutable` is set"
_SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


def config_map(causes: Causes, obj: Obj, old: Obj | None) -> None:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for field, values in (("data", data), ("binaryData", binary)):
        for key in values:
            causes.invalid_each(f"{field}[{key}]", key, names.config_key(key))
    for key in data.keys() & binary.keys():
        causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    if sum(len(value.encode()) for value in (*data.values(), *binary.values())) > _SIZE_LIMIT:
        causes.too_long("[]", _SIZE_LIMIT)
    _locked(causes, obj, old, ("data", "binaryData"))


def secret(causes: Causes, obj: Obj, old: Obj | None) -> None:
    data = obj.get("data") or {}
    for key in data:
        causes.invalid_each(f"data[{key}]", key, names.config_key(key))
    if sum(len(value) * 3 // 4 for value in data.values()) > _SIZE_LIMIT:
        causes.too_long("data", _SIZE_LIMIT)
    for key in _REQUIRED_KEYS.get(obj.get("type", ""), ()):
        if key not in data:
            causes.required(f"data[{key}]")
    if old is not None:
        causes.immutable("type", obj.get("type"), old.get("type"))
    _locked(causes, obj, old, ("data",))


_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _locked(causes: Causes, obj: Obj, old: Obj | None, fields: tuple[str, ...]) -> None:
    if old is None or not old.get("immutable"):
        return
    if not obj.get("immutable"):
        causes.forbidden("immutable", _LOCKED)
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            causes.forbidden(field, _LOCKED)


def role(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    for index, rule in enumerate(obj.get("rules") or ()):
        at = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.required(f"{at}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            causes.required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            causes.required(f"{at}.resources", "resource rules must supply at least one resource")


def role_binding(causes: Causes, obj: Obj, old: Obj | None) -> None:
    reference = obj.get("roleRef") or {}
    if reference.get("kind") not in ("Role", "ClusterRole"):
        causes.unsupported("roleRef.kind", reference.get("kind", ""), ("Role", "ClusterRole"))
    if not reference.get("name"):
        causes.required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        at = f"subjects[{index}]"
        if not subject.get("name"):
            causes.required(f"{at}.name")
        if subject.get("kind") not in _SUBJECT_KINDS:
            causes.unsupported(f"{at}.kind", subject.get("kind", ""), _SUBJECT_KINDS)
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            causes.required(f"{at}.namespace")
    if old is not None and old.get("roleRef") != reference:
        causes.invalid("roleRef", reference, "cannot change roleRef")


def lease(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
        causes.invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
    causes.not_negative("spec.leaseTransitions", spec.get("leaseTransitions"))


def event(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    about = (obj.get("involvedObject") or {}).get("namespace") or "default"
    if about != namespace_of(obj):
        causes.invalid("involvedObject.namespace", about, "does not match event.namespace")
