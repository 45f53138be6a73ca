"""The mesh's objects, watched: when something that matters changes, the whole is published anew.

The watch is only the bell. What is published is read from the API in one go, so that a state is
always that of exactly one revision. Changes that come close together are published once: real
istiod waits 100 ms for silence, which a learner feels at every slider; here the writers live in
the same process, so a millisecond or two are enough to catch what belongs together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from labkit.embedded.addresses import lowest_port
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.mesh.configs import configs_of
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.mesh_config import CONFIG_MAP, ROOT_NAMESPACE, MeshConfig
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import undeclared
from labkit.embedded.mesh.resources import (
    CONFIG_MAPS,
    NODES,
    PODS,
    REQUEST_AUTHENTICATIONS,
    VIRTUAL_SERVICES,
    WATCHED,
)
from labkit.embedded.mesh.security.key_sets import Fetch, KeySets
from labkit.embedded.mesh.security.request_authentications import KeySource, RequestAuthentications
from labkit.embedded.objects import (
    Obj,
    annotations_of,
    condition_of,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
)
from labkit.embedded.open_ports import OpenPorts, PortsByPod

QUIET = 0.001
"""Seconds without a change after which what came is published …"""
LONGEST = 0.02
"""… and seconds after which it is published in any case."""

Publish = Callable[[MeshState, int, str], Awaitable[None]]
"""Takes a new state, its revision, and what changed, in words."""


class Registry:
    """Rings *publish* for every new state of the mesh, one at a time."""

    def __init__(
        self,
        client: Client,
        publish: Publish,
        log: IstiodLog,
        fetch: Fetch,
        open_ports: OpenPorts,
        environment: Mapping[str, str],
    ) -> None:
        """*fetch* finds the keys that RequestAuthentications say only the place of.

        *environment*: istiod's variables.
        """
        self._environment = environment
        self._open_ports = open_ports
        self._client = client
        self._keys = KeySets(fetch, log, self._publish_again)
        self._publish = publish
        self._log = log
        self._changes: list[WatchEvent] = []
        self._changed = asyncio.Event()
        self._is_published = False
        self._lowest_port = lowest_port()
        self._settings = MeshConfig()
        self._last: MeshState | None = None
        self.error = ""
        """What is wrong with the mesh-wide settings; the last good ones hold on."""

    @property
    def revision(self) -> int:
        """The newest revision that all that was published takes in; 0 before the first time."""
        return self._client.revision if self._is_published and not self._changes else 0

    async def run(self) -> None:
        """Watch and publish until cancelled."""
        with self._open_ports.followed(self._ports_changed):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._publish_changes())
                tasks.create_task(self._keys.run())

    async def _watch(self) -> None:
        pods: dict[tuple[str, str], object] = {}
        async for event in self._client.watch(*WATCHED):
            if _matters(event) and not _is_known(event, pods):
                self._changes.append(event)
                if self._is_published:
                    self._changed.set()
            elif event.type == "SYNCED":
                self._changes.append(event)
                self._changed.set()

    async def _publish_changes(self) -> None:
        while True:
            await self._changed.wait()
            await self._silence()
            await self._keys.prepare(self._wanted_keys())
            changes, revision = list(self._changes), self._client.revision
            self._changed.clear()
            await self._publish(self._state(), revision, _words(changes))
            del self._changes[: len(changes)]
            self._is_published = True
            if self._changes:
                self._changed.set()

    def _ports_changed(self) -> None:
        """Most that are opened are declared: the mesh has them already."""
        if self._last is not None and self._undeclared_ports() != self._last.open_ports:
            self._publish_again()

    def _undeclared_ports(self) -> PortsByPod:
        return undeclared(self._client.list(PODS), self._open_ports.by_pod())

    def _publish_again(self) -> None:
        """No object has changed, but keys that one of them names have, or a pod's open ports."""
        if self._is_published:
            self._changed.set()

    def _wanted_keys(self) -> Mapping[KeySource, float]:
        configs = configs_of(self._client.list(REQUEST_AUTHENTICATIONS))
        return RequestAuthentications(configs, self._settings.root_namespace).key_sources

    async def _silence(self) -> None:
        deadline = asyncio.get_running_loop().time() + LONGEST
        seen = -1
        while len(self._changes) != seen and asyncio.get_running_loop().time() < deadline:
            seen = len(self._changes)
            await asyncio.sleep(QUIET)

    def _state(self) -> MeshState:
        objects = {resource: self._client.list(resource) for resource in WATCHED}
        ports = undeclared(objects[PODS], self._open_ports.by_pod())
        if self._last is not None and self._last.is_routed_anew(objects, self._keys.known, ports):
            self._last = self._last.unrouted.routed(objects[VIRTUAL_SERVICES])
        else:
            self._last = self._made_of(objects, ports)
        return self._last

    def _made_of(self, objects: Mapping[str, list[Obj]], ports: PortsByPod) -> MeshState:
        make = partial(
            MeshState,
            objects,
            lowest_port=self._lowest_port,
            key_sets=self._keys.known,
            open_ports=ports,
            environment=self._environment,
        )
        try:
            state = make()
            self._settings, self.error = state.mesh, ""
        except Exception as error:  # text that a person typed into a ConfigMap: anything can be wrong
            self.error = f"mesh settings (ConfigMap {ROOT_NAMESPACE}/{CONFIG_MAP}) not taken over: {error}"
            self._log.error("mesh", self.error)
            state = make(mesh=self._settings)
        return state


def _matters(event: WatchEvent) -> bool:
    if event.type == "SYNCED":
        return False
    if event.resource != CONFIG_MAPS:
        return True
    name = name_of(event.object)
    if (namespace_of(event.object), name) == (ROOT_NAMESPACE, CONFIG_MAP):
        return True
    return name not in _IN_EVERY_NAMESPACE and _has_certificates(event.object)


_IN_EVERY_NAMESPACE = ("istio-ca-root-cert", "kube-root-ca.crt")


def _has_certificates(config_map: Obj) -> bool:
    return any("BEGIN CERTIFICATE" in text for text in (config_map.get("data") or {}).values())


def _is_known(event: WatchEvent, pods: dict[tuple[str, str], object]) -> bool:
    """Whether *event* tells nothing new of a pod or node: most of what happens to them is not the mesh's."""
    if event.resource not in (PODS, NODES):
        return False
    key = namespace_of(event.object), name_of(event.object)
    side = _mesh_side if event.resource == PODS else labels_of
    before, now = pods.get(key), None if event.type == "DELETED" else side(event.object)
    pods[key] = now
    if now is None:
        del pods[key]
    return before == now


def _mesh_side(pod: Obj) -> object:
    """What of a pod the mesh is made from."""
    address = (pod.get("status") or {}).get("podIP")
    ready = (condition_of(pod, "Ready") or {}).get("status")
    return labels_of(pod), annotations_of(pod), address, ready, is_terminating(pod), pod.get("spec")


def _words(changes: list[WatchEvent]) -> str:
    if not changes:
        return "keys of tokens, or open ports"
    told = [each for each in changes if each.type != "SYNCED"]
    if len(told) != len(changes):
        return "all that is there"
    last = told[-1].object
    name = f"{last.get('kind', '')}/{namespace_of(last)}/{name_of(last)}"
    return name if len(told) == 1 else f"{name} and {len(told) - 1} more"
