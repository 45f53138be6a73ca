"""Ephemeral containers: what ``kubectl debug`` adds to a pod that runs, by way of a subresource of its own.

The rules and words of ``pkg/apis/core/validation`` and ``pkg/registry/core/pod`` in Kubernetes.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types import golang
from labkit.embedded.objects import Obj, annotations_of, mutable

SUBRESOURCE = "ephemeralcontainers"
KEY = "ephemeralContainers"
_FIELD = f"spec.{KEY}"
_MIRROR = "kubernetes.io/config.mirror"
_NOT_FOR_THEM = (
    *("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules"),
    *("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
)
_NOT_SET = "cannot be set for an Ephemeral Container"


def only_theirs(obj: Obj, old: Obj) -> Obj:
    """*old* with the ephemeral containers, and the metadata, of *obj*."""
    changed: Obj = {**mutable(old), "metadata": obj["metadata"]}
    changed["spec"].pop(KEY, None)
    if given := (obj.get("spec") or {}).get(KEY):
        changed["spec"][KEY] = given
    return changed


def check(causes: Causes, at: str, spec: Obj) -> None:
    """What they may not have, and may not be for, beside what holds for any container."""
    known = [each.get("name") for key in ("containers", "initContainers") for each in spec.get(key) or ()]
    for number, each in enumerate(spec.get(KEY) or ()):
        here, target = f"{at}[{number}]", each.get("targetContainerName")
        if target and target not in known:
            causes.not_found(f"{here}.targetContainerName", target)
        for key in _NOT_FOR_THEM:
            if each.get(key):
                causes.forbidden(f"{here}.{key}", _NOT_SET)
        for place, mount in enumerate(each.get("volumeMounts") or ()):
            for key in ("subPath", "subPathExpr"):
                if mount.get(key):
                    causes.forbidden(f"{here}.volumeMounts[{place}].{key}", _NOT_SET)


def check_new(causes: Causes, field: str, spec: Obj, why: str) -> None:
    """That there are none yet."""
    if spec.get(KEY):
        causes.forbidden(f"{field}.{KEY}", why)


def check_change(causes: Causes, obj: Obj, old: Obj) -> None:
    """That those that were there still are, as they were."""
    if _MIRROR in annotations_of(old):
        causes.forbidden("", "static pods do not support ephemeral containers")
        return
    now = {each.get("name"): each for each in _listed(obj)}
    for each in _listed(old):
        name = golang.quoted(str(each["name"]))
        if each["name"] not in now:
            causes.forbidden(_FIELD, f"existing ephemeral containers {name} may not be removed\n")
        elif now[each["name"]] != each:
            causes.forbidden(_FIELD, f"existing ephemeral containers {name} may not be changed\n")


def _listed(pod: Obj) -> list[dict[str, Any]]:
    return list(pod["spec"].get(KEY) or ())
