"""Objects that ask for something this cluster only keeps: each says so for as long as it does.

When such an object is applied, the webhook's warnings name the fields. That is read once; the condition
``Enforced`` of its status, which is ``False``, says the same to whoever looks later (``kubectl describe``).
An object that is wholly enforced has no such condition. The mesh's settings are a ConfigMap, which has no
status: there an event says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client
from labkit.embedded.mesh import targets
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.mesh_config import CONFIG_MAP, ROOT_NAMESPACE
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.resources import CONFIG_MAPS, Key, key_of
from labkit.embedded.mesh.validation import without_effect
from labkit.embedded.objects import Obj, condition_of, name_of, namespace_of, timestamp
from labkit.embedded.status import ApiError

ENFORCED, WITHOUT_EFFECT = "Enforced", "WithoutEffect"


@dataclass(frozen=True)
class Kept:
    """One object, and what of it is without effect."""

    key: Key
    kind: str
    fields: tuple[str, ...]
    """``field: what happens instead``."""

    def __str__(self) -> str:
        return "; ".join(self.fields)


class KeptObjects:
    """Finds them among the mesh's objects, and keeps their conditions up to date."""

    def __init__(self, client: Client, log: IstiodLog) -> None:
        self._client, self._log = client, log
        self._recorder = Recorder(client, "istiod")
        self._looked_at: dict[Key, tuple[object, Kept]] = {}

    @property
    def all(self) -> list[Kept]:
        """By name."""
        found = [kept for _, kept in self._looked_at.values() if kept.fields]
        return sorted(found, key=lambda each: (each.kind, each.key))

    def follow(self, state: MeshState) -> None:
        """Look at what has changed since the last *state*."""
        looked_at: dict[Key, tuple[object, Kept]] = {}
        for resource, those in state.objects.items():
            for obj in filter(partial(_is_meshs, resource), those):
                key = key_of(resource, obj)
                missing = tuple(targets.missing(resource, obj, state.objects.__getitem__))
                known, version = self._looked_at.get(key), (_version(obj), missing)
                if known is None or known[0] != version:
                    fields = (*without_effect(resource, obj), *missing)
                    known = version, Kept(key, str(obj.get("kind")), fields)
                    self._say(resource, obj, known[1])
                looked_at[key] = known
        self._looked_at = looked_at

    def _say(self, resource: str, obj: Obj, kept: Kept) -> None:
        if resource == CONFIG_MAPS:
            self._tell_of_settings(obj, kept)
        else:
            self._tell(obj, kept)

    def _tell_of_settings(self, obj: Obj, kept: Kept) -> None:
        for each in kept.fields:
            self._log.warn("mesh", each)
            self._recorder.event(obj, "Warning", WITHOUT_EFFECT, each)

    def _tell(self, obj: Obj, kept: Kept) -> None:
        said = condition_of(obj, ENFORCED)
        if (said or {}).get("message", "") == str(kept):
            return
        resource, namespace, name = kept.key
        now = self._client.find(resource, name, namespace)
        if now is None:
            return
        try:
            self._client.patch(
                resource, name, namespace, {"status": _status(now, kept)}, subresource="status"
            )
        except ApiError as error:  # it went, or its namespace did
            self._log.warn("status", f"the status of {resource} {namespace}/{name} is not written: {error}")


def _version(obj: Obj) -> object:
    meta = obj.get("metadata") or {}
    return meta.get("uid"), meta.get("annotations"), obj.get("spec"), obj.get("data")


def _is_meshs(resource: str, obj: Obj) -> bool:
    if resource == CONFIG_MAPS:
        return (namespace_of(obj), name_of(obj)) == (ROOT_NAMESPACE, CONFIG_MAP)
    return resource.endswith(".istio.io")


def _status(obj: Obj, kept: Kept) -> dict[str, Any]:
    conditions = (obj.get("status") or {}).get("conditions") or []
    others = [each for each in conditions if each["type"] != ENFORCED]
    told = {
        "type": ENFORCED,
        "status": "False",
        "reason": WITHOUT_EFFECT,
        "message": str(kept),
        "lastTransitionTime": timestamp(),
        "observedGeneration": (obj.get("metadata") or {}).get("generation") or 0,
    }
    return {"conditions": [*others, told] if kept.fields else others}
