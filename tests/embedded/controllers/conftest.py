"""All controllers over a real store, driven step by step, with a kubelet that is told what to do."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.controllers import ControllerManager
from labkit.embedded.controllers.injection import Injection
from labkit.embedded.controllers.readiness import is_ready
from labkit.embedded.interfaces import WatchEvent
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of, timestamp
from labkit.embedded.store import Change, Store

REGISTRY = catalogue.registry()

MOST_STEPS = 5000  # far more than any change needs: controllers that answer each other for ever fail


class World:
    """A cluster without kubelet and API server; nothing happens but in :meth:`settle`."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.client = InProcessClient(self.store)
        stored = [each for each in REGISTRY.values() if each.persisted and each.stored_as == each.name]
        kinds = {(each.group, each.kind): each.stored_as for each in REGISTRY.values() if each.persisted}
        namespaced = [each.name for each in stored if each.namespaced]
        self.manager = ControllerManager(self.client, 42, kinds, namespaced, "a certificate")
        self.loop = self.manager.loop
        self._changes: deque[Change] = deque()
        self.store.subscribe([each.name for each in stored], self._changes.append)
        self._addresses = (f"127.42.0.{number}" for number in itertools.count(1))
        self.watchers: list[Callable[[Change], None]] = []
        for name in ("default", "kube-system", "dev"):
            self.client.create("namespaces", {"metadata": {"name": name}})
        self.client.create("nodes", {"metadata": {"name": "labkit"}})
        self.settle()

    def settle(self) -> None:
        """Let the controllers work until there is nothing left to do."""
        for _ in range(MOST_STEPS):
            while self._changes:
                self._deliver(self._changes.popleft())
            if self.loop.idle:
                return
            self.loop.drain(1)
        raise AssertionError("the controllers do not come to rest")

    def _deliver(self, change: Change) -> None:
        for watcher in self.watchers:
            watcher(change)
        self.loop.see(WatchEvent(change.type, change.resource, change.object))

    def retry(self) -> None:
        """Let the time pass that a controller waits after a failure; then settle."""
        for item in list(self.loop._timers):
            self.loop._due(item)
        self.settle()

    def close(self) -> None:
        self.loop.stop_timers()
        self.store.close()

    # What a person does

    def deploy(self, name: str = "web", *, replicas: int = 1, image: str = "v1", **spec: object) -> Obj:
        """Apply a Deployment (created or changed) and settle."""
        container = {"name": "app", "image": image}
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        selector = {"matchLabels": labels}
        wanted: Obj = {"replicas": replicas, "selector": selector, "template": template, **spec}
        if self.client.find("deployments.apps", name, "dev"):
            self.client.patch("deployments.apps", name, "dev", {"spec": wanted})
        else:
            metadata = {"name": name, "namespace": "dev"}
            self.client.create("deployments.apps", {"metadata": metadata, "spec": wanted})
        self.settle()
        return self.deployment(name)

    def change(self, name: str = "web", **spec: object) -> Obj:
        """Patch a Deployment's spec and settle."""
        self.client.patch("deployments.apps", name, "dev", {"spec": spec})
        self.settle()
        return self.deployment(name)

    def create(self, resource: str, name: str, namespace: str = "dev", **rest: object) -> Obj:
        """Create and settle."""
        metadata = {"name": name, "namespace": namespace, **rest.pop("metadata", {})}
        made = self.client.create(resource, {"metadata": metadata, **rest})
        self.settle()
        return made

    def delete(self, resource: str, name: str, namespace: str = "dev", **options: object) -> None:
        self.client.delete(resource, name, namespace, **options)
        self.settle()

    # What a person sees

    def deployment(self, name: str = "web") -> Obj:
        return self.client.get("deployments.apps", name, "dev")

    def sets(self) -> list[Obj]:
        """ReplicaSets, the earliest revision first."""
        found = self.client.list("replicasets.apps", "dev")
        return sorted(
            found, key=lambda each: int(each["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
        )

    def sizes(self) -> list[int]:
        return [each["spec"]["replicas"] for each in self.sets()]

    def pods(self, namespace: str = "dev") -> list[Obj]:
        """The pods that are not ending."""
        return [pod for pod in self.client.list("pods", namespace) if not is_terminating(pod)]

    def ready_pods(self) -> list[Obj]:
        return [pod for pod in self.pods() if is_ready(pod)]

    def events(self, reason: str = "", namespace: str = "dev") -> list[str]:
        found = self.client.list("events", namespace)
        return [each["message"] for each in found if reason in ("", each["reason"])]

    # What a kubelet does

    def run(self, pod: Obj, *, ready: bool = True, since: dt.datetime | None = None) -> None:
        """Bind *pod*, give it an address, tell whether it is Ready; then settle."""
        current = self.client.get("pods", name_of(pod), namespace_of(pod))
        if not current["spec"].get("nodeName"):
            binding = {"spec": {"nodeName": "labkit"}}
            current = self.client.patch("pods", name_of(pod), namespace_of(pod), binding)
        address = current["status"].get("podIP") or next(self._addresses)
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": timestamp(since),
        }
        status = {"phase": "Running", "podIP": address, "conditions": [condition]}
        self.client.update_status("pods", {**mutable(current), "status": status})
        self.settle()

    def end(self, pod: Obj) -> None:
        """The last a kubelet does for a pod; then settle."""
        self.client.delete("pods", name_of(pod), namespace_of(pod), grace_seconds=0)
        self.settle()

    def run_all(self) -> None:
        """Start what waits and end what ends, until nothing changes any more."""
        for _ in range(200):
            waiting = [pod for pod in self.pods() if not is_ready(pod)]
            ending = [pod for pod in self.client.list("pods") if is_terminating(pod)]
            if not waiting and not ending:
                return
            for pod in waiting[:1]:
                self.run(pod)
            for pod in ending:
                self.end(pod)
        raise AssertionError("pods come and go for ever")


NewWorld = Callable[[], contextlib.AbstractContextManager[World]]


@pytest.fixture
def new_world(tmp_path_factory: pytest.TempPathFactory) -> NewWorld:
    """Makes worlds, for tests that need one for each example."""

    @contextlib.contextmanager
    def made() -> Iterator[World]:
        world = World(tmp_path_factory.mktemp("world") / "state.db")
        try:
            yield world
        finally:
            world.close()

    return made


@pytest.fixture
async def world(new_world: NewWorld) -> AsyncIterator[World]:
    """One cluster; asynchronous because its timers need a running loop."""
    with new_world() as made:
        yield made


@pytest.fixture
def mesh(world: World) -> World:
    """A world with Istio in it, istiod running."""
    world.client.add_admission(Injection(world.client))
    world.create("namespaces", "istio-system", "")
    world.create("configmaps", "istio", "istio-system", data={"mesh": "{}"})
    world.create(
        "services", "istiod", "istio-system", spec={"selector": {"app": "istiod"}, "ports": [{"port": 443}]}
    )
    pod = {"containers": [{"name": "discovery", "image": "pilot"}]}
    world.run(
        world.create("pods", "istiod", "istio-system", metadata={"labels": {"app": "istiod"}}, spec=pod)
    )
    return world
