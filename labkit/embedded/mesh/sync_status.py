"""``/debug/syncz``: what each proxy was sent, what it acknowledged, and what it refused.

As istiod has it, a list with an entry for each proxy that is connected (:meth:`SyncStatus.listed`). For
``?revision=R``, one JSON object::

    {"revision": 412,            the store's revision that has been published
     "converged": true,          every proxy that runs is connected and has answered everything
     "error": "",                what is wrong with the mesh-wide settings, if they are
     "objects": [{...}, ...],    one entry an object that no proxy can be told of
     "kept": [{...}, ...],       one entry an object of which not all is enforced
     "proxies": [{...}, ...]}    one entry a proxy, those that should be connected included

Of an object: ``kind``, ``namespace``, ``name``, ``error`` (why) and ``effect`` (what holds instead);
of one that is kept: ``kind``, ``namespace``, ``name`` and ``fields`` (each with what happens instead).

An entry has istiod's fields (``proxy``, ``proxy_type``, ``cluster_id``, ``istio_version`` and
``cluster_sent``, ``cluster_acked``, the same for ``endpoint``, ``listener``, ``route``), and ours:
``pod``, ``namespace``, ``state``, ``error``, ``revision`` (the newest one it has answered), and
``types``: for CDS, EDS, LDS, RDS, and SDS where it asked for certificates: ``state``, ``sent``, ``acked``,
``error``, ``sent_at``, ``answered_at``
(seconds since 1970) and ``resources`` (names sent).

========================  ==========================================================================
state                     meaning
========================  ==========================================================================
``SYNCED``                uses everything it was sent
``STALE``                 was sent something that it has not answered yet
``NACK``                  refused what it was sent last and goes on with what it had; see ``error``
``ERROR``                 was not sent the newest configuration, which is faulty; see ``error``
``NOT SENT``              connected, and nothing sent yet (its pod is not known, or it is just starting)
``NOT CONNECTED``         its pod says that it runs, but it has not called
========================  ==========================================================================
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

from labkit.embedded.interfaces import Client
from labkit.embedded.mesh.connection import Connection
from labkit.embedded.mesh.fleet import Fleet
from labkit.embedded.mesh.kept import Kept, KeptObjects
from labkit.embedded.mesh.pods import is_running_proxy, node_type_of, proxy_container_of
from labkit.embedded.mesh.quarantine import Fault
from labkit.embedded.mesh.registry import Registry
from labkit.embedded.mesh.resources import PODS
from labkit.embedded.mesh.xds.conversation import Subscription
from labkit.embedded.mesh.xds.types import Type
from labkit.embedded.objects import Obj, is_terminating, name_of, namespace_of
from labkit.embedded.version import ISTIO_VERSION

_ISTIOD_NAMES = {
    Type.CLUSTER: "cluster",
    Type.ENDPOINT: "endpoint",
    Type.LISTENER: "listener",
    Type.ROUTE: "route",
}


class SyncStatus:
    """The answer to "who has what", and a way to wait until everybody has it."""

    def __init__(self, client: Client, registry: Registry, fleet: Fleet, kept: KeptObjects) -> None:
        self._client = client
        self._registry = registry
        self._fleet = fleet
        self._kept = kept

    def report(self, revision: int = 0) -> dict[str, Any]:
        """The page, see the module; ``converged`` is as of *revision* (0: whatever is published)."""
        published = self._registry.revision or self._fleet.revision
        entries = [_connected(each, self._registry.revision) for each in self._fleet.connections]
        entries += [_absent(pod) for pod in self._missing()]
        converged, error = self.has_converged(revision), self._registry.error
        objects = [_faulty(each) for each in self._fleet.faults]
        return {
            "revision": published,
            "converged": converged,
            "error": error,
            "objects": objects,
            "kept": [_kept(each) for each in self._kept.all],
            "proxies": entries,
        }

    def listed(self, namespace: str = "") -> list[dict[str, Any]]:
        """istiod's page, of *namespace* where it is given: ``SyncStatus`` of Istio's ``debug.go``."""
        connected = (each for each in self._fleet.connections if each.proxy)
        return [
            _istiod_entry(each) for each in connected if namespace in ("", each.short_name.rpartition(".")[2])
        ]

    def has_converged(self, revision: int) -> bool:
        """Whether every proxy that runs is connected and has answered everything up to *revision*."""
        if self._fleet.state is None:
            return False
        revision, newest = revision or self._fleet.revision, self._registry.revision
        awaited = (each for each in self._fleet.connections if each.proxy and not each.is_leaving)
        return all(_answered(each, newest) >= revision for each in awaited) and not self._missing()

    async def wait(self, revision: int, seconds: float) -> bool:
        """Wait until :meth:`has_converged`; whether it has, after *seconds* at the latest."""
        await asyncio.sleep(0)  # a write of this very turn of the loop is not yet in the registry
        try:
            async with asyncio.timeout(seconds):
                while not self.has_converged(revision):
                    await self._fleet.news()
        except TimeoutError:
            return self.has_converged(revision)
        return True

    def _missing(self) -> list[Obj]:
        """The pods whose proxy runs but is not connected."""
        here = {(each.proxy.namespace, each.proxy.name) for each in self._fleet.connections if each.proxy}
        running = (
            pod for pod in self._client.list(PODS) if is_running_proxy(pod) and not is_terminating(pod)
        )
        return [pod for pod in running if (namespace_of(pod), name_of(pod)) not in here]


def _answered(connection: Connection, revision: int) -> int:
    """The newest revision the proxy has answered; *revision*: the newest of all, 0 if one is under way."""
    return max(revision if connection.is_settled else 0, connection.answered_revision)


def _faulty(fault: Fault) -> dict[str, Any]:
    _, namespace, name = fault.key
    kind = fault.title.partition(" ")[0]
    return {
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "error": fault.reason,
        "effect": fault.effect,
    }


def _kept(kept: Kept) -> dict[str, Any]:
    _, namespace, name = kept.key
    return {"kind": kept.kind, "namespace": namespace, "name": name, "fields": list(kept.fields)}


def _connected(connection: Connection, revision: int) -> dict[str, Any]:
    """The entry of a connected proxy; *revision* as in :func:`_answered`."""
    subscriptions = {kind: connection.conversation.subscriptions.get(kind) for kind in Type}
    kind, _, full_name, *_ = [*connection.node_id.split("~"), "", "", ""]
    pod, _, namespace = full_name.rpartition(".")
    entry = _entry(pod, namespace, kind, _state(connection), _error(connection))
    entry["revision"] = _answered(connection, revision)
    entry["connected_at"] = connection.connected_at
    told = {kind: each for kind, each in subscriptions.items() if each or kind in _ISTIOD_NAMES}
    entry["types"] = {kind.service: _type(each) for kind, each in told.items()}
    for kind_, prefix in _ISTIOD_NAMES.items():
        subscription = subscriptions[kind_]
        entry[f"{prefix}_sent"] = subscription.nonce and subscription.version if subscription else ""
        entry[f"{prefix}_acked"] = subscription.acknowledged if subscription else ""
    return entry


def _istiod_entry(connection: Connection) -> dict[str, Any]:
    asked = connection.conversation.subscriptions
    entry = {
        "cluster_id": "Kubernetes",
        "proxy": connection.short_name,
        "proxy_type": connection.node_id.partition("~")[0],
        "istio_version": ISTIO_VERSION,
    }
    for kind, prefix in _ISTIOD_NAMES.items():
        if (subscription := asked.get(kind)) and subscription.nonce:
            entry |= {f"{prefix}_sent": subscription.version, f"{prefix}_acked": subscription.acknowledged}
    return entry | {"resources": {kind.url: _resource(each) for kind, each in asked.items()}}


def _resource(subscription: Subscription) -> dict[str, str]:
    sent_at = dt.datetime.fromtimestamp(subscription.sent_at, dt.UTC)
    found = {
        "sent": subscription.version,
        "acked": subscription.acknowledged,
        "sentTime": sent_at.isoformat().replace("+00:00", "Z") if subscription.sent_at else "",
        "lastError": subscription.error,
    }
    return {key: value for key, value in found.items() if value}


def _absent(pod: Obj) -> dict[str, Any]:
    """The entry of a proxy that should be connected."""
    kind = node_type_of(proxy_container_of(pod) or {})
    reason = "its container runs, but it has not connected to istiod"
    return {**_entry(name_of(pod), namespace_of(pod), kind, "NOT CONNECTED", reason), "types": {}}


def _entry(pod: str, namespace: str, kind: str, state: str, error: str) -> dict[str, Any]:
    return {
        "cluster_id": "Kubernetes",
        "istio_version": ISTIO_VERSION,
        "proxy": f"{pod}.{namespace}",
        "proxy_type": kind,
        "pod": pod,
        "namespace": namespace,
        "state": state,
        "error": error,
        "revision": 0,
    }


def _type(subscription: Subscription | None) -> dict[str, Any]:
    if subscription is None:
        return {"state": "NOT SENT", "sent": "", "acked": "", "error": "", "resources": []}
    return {
        "state": subscription.state,
        "sent": subscription.version,
        "acked": subscription.acknowledged,
        "error": subscription.error,
        "sent_at": subscription.sent_at,
        "answered_at": subscription.answered_at,
        "resources": sorted(subscription.sent),
    }


def _state(connection: Connection) -> str:
    conversation = connection.conversation
    states = {each.state for each in conversation.subscriptions.values()}
    if conversation.target is None or not states:
        return "NOT SENT"
    if connection.inquiry is not None:
        return "STALE"  # it will be offered something better
    if "NACK" in states:
        return "NACK"
    if connection.error and not connection.is_leaving:
        return "ERROR"
    return "SYNCED" if connection.is_settled else "STALE"


def _error(connection: Connection) -> str:
    return "\n".join(connection.refusals) or connection.error
