"""The API for the cluster's own parts: the same verbs and rules as over HTTP, without HTTP."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence

from labkit.embedded.api.admission.ingress_classes import IngressClasses
from labkit.embedded.api.admission.limit_ranges import LimitDefaults, Limits
from labkit.embedded.api.admission.priorities import Priorities
from labkit.embedded.api.admission.quotas import Quotas
from labkit.embedded.api.admission.runtime_classes import RuntimeClasses
from labkit.embedded.api.admission.service_accounts import ServiceAccounts
from labkit.embedded.api.admission.storage_protection import storage_protection
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.merge.patch import merge_patch
from labkit.embedded.api.objects.definitions import Definitions
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request.options import DeleteOptions
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.interfaces import AdmissionPlugin, WatchEvent
from labkit.embedded.objects import Obj, has_labels, labels_of, mutable
from labkit.embedded.status import ApiError
from labkit.embedded.store import EVERYTHING, Change, Store


class InProcessClient:
    """:class:`labkit.embedded.interfaces.Client` over a store; see there for each method."""

    def __init__(
        self, store: Store, admission: Sequence[AdmissionPlugin] = (), registry: Registry | None = None
    ) -> None:
        """*registry*: what is served (default: what every cluster has from the start)."""
        served = registry or catalogue.registry()
        own = (LimitDefaults, ServiceAccounts, Priorities, RuntimeClasses, IngressClasses)
        self.verbs = Verbs(store, served, (*(each(self) for each in own), storage_protection, *admission))
        self.verbs.validating += (Limits(self), Quotas(self))
        self.definitions = Definitions(self.verbs)

    @property
    def store(self) -> Store:
        return self.verbs.store

    @property
    def revision(self) -> int:
        return self.store.revision

    def add_admission(self, plugin: AdmissionPlugin) -> None:
        """Add a plug-in that itself needs this client."""
        self.verbs.admission.append(plugin)

    def add_validation(self, plugin: AdmissionPlugin) -> None:
        """Add a plug-in that is asked last, after the object's own schema (a validating webhook)."""
        self.verbs.validating.append(plugin)

    def add_decision(self, plugin: AdmissionPlugin) -> None:
        """Add a plug-in that is asked about writes of a status."""
        self.verbs.deciding.append(plugin)

    def get(self, resource: str, name: str, namespace: str = "") -> Obj:
        return self.verbs.get(resource, name, namespace)

    def find(self, resource: str, name: str, namespace: str = "") -> Obj | None:
        try:
            return self.verbs.get(resource, name, namespace)
        except ApiError:
            return None

    def list(
        self, resource: str, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> list[Obj]:
        known = resource in self.verbs.registry
        objects = self.verbs.objects(resource, namespace) if known else []
        return [obj for obj in objects if has_labels(labels_of(obj), labels)] if labels else objects

    def create(self, resource: str, obj: Obj) -> Obj:
        return self.verbs.create(resource, mutable(obj)).object

    def update(self, resource: str, obj: Obj) -> Obj:
        return self.verbs.update(resource, mutable(obj)).object

    def update_status(self, resource: str, obj: Obj) -> Obj:
        return self.verbs.update(resource, mutable(obj), subresource="status").object

    def patch(self, resource: str, name: str, namespace: str, patch: Obj, *, subresource: str = "") -> Obj:
        current = mutable(self.verbs.get(resource, name, namespace))
        changed = merge_patch(current, mutable(patch))
        return self.verbs.update(
            resource, changed, name=name, namespace=namespace, subresource=subresource
        ).object

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        uid: str = "",
    ) -> None:
        self.verbs.delete(resource, name, namespace, DeleteOptions(propagation, grace_seconds, uid))

    def finalize_namespace(self, name: str) -> None:
        self.verbs.finalize_namespace(name)

    async def watch(self, *resources: str) -> AsyncIterator[WatchEvent]:
        changes: deque[Change] = deque()
        arrived = asyncio.Event()

        def keep(change: Change) -> None:
            changes.append(change)
            arrived.set()

        stop = self.store.subscribe(resources, keep)
        try:
            for resource, obj in self._objects(resources):
                yield WatchEvent("ADDED", resource, obj)
            yield WatchEvent("SYNCED", "", {})
            while True:
                while changes:
                    change = changes.popleft()
                    yield WatchEvent(change.type, change.resource, change.object)
                arrived.clear()
                await arrived.wait()
        finally:
            stop()

    def _objects(self, resources: Sequence[str]) -> Sequence[tuple[str, Obj]]:
        names = self.store.resources if EVERYTHING in resources else resources
        return [(each, obj) for each in names for obj in self.store.objects(each)]
