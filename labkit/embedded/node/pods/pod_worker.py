"""One pod: its containers in order, its status told, its end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
from collections.abc import Mapping

from labkit.embedded.addresses import lowest_port
from labkit.embedded.low_ports import moved
from labkit.embedded.node.containers import hooks
from labkit.embedded.node.containers.container import Container
from labkit.embedded.node.containers.context import NodeContext
from labkit.embedded.node.containers.sandbox import Sandbox
from labkit.embedded.node.inside import start
from labkit.embedded.node.pods import deadline, pod_status
from labkit.embedded.node.pods.deadline import ActiveDeadline
from labkit.embedded.node.volumes import volume_content, volumes
from labkit.embedded.objects import (
    Obj,
    annotations_of,
    condition_of,
    labels_of,
    name_of,
    namespace_of,
    timestamp,
    uid_of,
)
from labkit.embedded.status import ApiError

log = logging.getLogger(__name__)

STATUS_RETRY = 1.0
LINGER_SECONDS = 0.2
LAST_GRACE = 2.0  # what a kubelet leaves a container however long the hooks took
CLASH = (
    "This account may not open ports below {lowest}: what listens on {port} in a pod really does on {there}, "
    "so this pod can't listen on both. Name another port than {there}"
)

_why_not = functools.cache(start.why_not)


class PodWorker:
    """Runs *pod* from the moment it is bound to this node until nothing of it is left."""

    def __init__(self, node: NodeContext, pod: Obj) -> None:
        self._node, self.uid = node, uid_of(pod)
        status = pod.get("status") or {}
        address = self._address(status.get("podIP", ""))
        self.sandbox = Sandbox(node, pod, address, self._changed)
        self._start_time = status.get("startTime") or timestamp()
        spec = pod.get("spec", {})
        self._is_over = status.get("phase") in ("Succeeded", "Failed")
        self._failure: tuple[str, str] | None = None
        self._failing: asyncio.Task[None] | None = None
        policy = "Never" if self._is_over else spec.get("restartPolicy", "Always")
        init_policy = "Never" if policy == "Never" else "OnFailure"
        self.init_containers = self._containers(
            spec.get("initContainers"), init_policy, status.get("initContainerStatuses")
        )
        self.containers = self._containers(spec.get("containers"), policy, status.get("containerStatuses"))
        self.ephemeral_containers = self._containers(
            spec.get("ephemeralContainers"), "Never", status.get("ephemeralContainerStatuses")
        )
        self._ephemeral_begun = 0
        self._has_ended = False
        self._publish_soon = False
        self._ending: asyncio.Task[None] | None = None
        self._gone = False
        self._deadline = ActiveDeadline(self._start_time, self._exceed)
        self._mind_deadline()
        self._main = asyncio.get_running_loop().create_task(self._run())
        self._main.add_done_callback(self._report_failure)

    @property
    def pod(self) -> Obj:
        """The pod as last seen."""
        return self.sandbox.pod

    def update(self, pod: Obj) -> None:
        """Take the changed *pod*: perhaps a new image, perhaps its end."""
        told_differently = _told(self.sandbox.pod) != _told(pod)
        self.sandbox.pod = pod
        if told_differently:
            self.sandbox.refresh_volumes()
        for container, spec in zip(self.containers, pod["spec"].get("containers") or [], strict=False):
            container.replace(spec)
        self._begin_ephemeral()
        self._mind_deadline()
        if pod["metadata"].get("deletionTimestamp"):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            self.end(self.sandbox.grace if grace is None else float(grace))

    def source_changed(self, kind: str, source: Obj) -> None:
        """Take the changed ConfigMap or Secret *source*, where a volume of this pod's is filled from it."""
        named = (volume_content.mentions(each, kind, name_of(source)) for each in self._volumes())
        if namespace_of(source) == namespace_of(self.pod) and any(named):
            self.sandbox.refresh_volumes()

    def _volumes(self) -> list[Obj]:
        return self.pod["spec"].get("volumes") or []

    def end(self, grace: float) -> None:
        """Begin to end the pod; then remove it from the API."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(grace))
            self._ending.add_done_callback(self._report_failure)

    async def remove(self) -> None:
        """The pod's object has gone: end at once whatever still runs."""
        self._gone = True
        await self.stop(0.0)
        self._clean()

    async def shut_down(self, grace: float) -> None:
        """The node goes down: end all containers, and leave the pod in the API as it is."""
        self._gone = True
        if self._ending:
            self._ending.cancel()
        await self.stop(grace)

    async def stop(self, grace: float) -> None:
        """End all containers, the proxies after the others; the API is not told."""
        self._deadline.cancel()
        everything = [*self.init_containers, *self.containers, *self.ephemeral_containers]
        deadline = asyncio.get_running_loop().time() + grace
        for group in (
            [each for each in everything if not each.is_proxy],
            [each for each in everything if each.is_proxy],
        ):
            left = max(deadline - asyncio.get_running_loop().time(), 0.0)
            await asyncio.gather(*(each.stop(left) for each in group))
        await asyncio.wait([self._main])
        await self.sandbox.close()

    def find(self, name: str) -> Container | None:
        """The container called *name*."""
        everything = (*self.containers, *self.init_containers, *self.ephemeral_containers)
        return next((each for each in everything if each.name == name), None)

    async def _run(self) -> None:
        if self._is_over or self._failure:
            return
        self._warn_of_unsupported()
        self._changed()
        self._begin_ephemeral()
        await self._run_containers()
        self._has_ended = True
        await asyncio.gather(*(each.stop(self.sandbox.grace) for each in self.ephemeral_containers))

    def _begin_ephemeral(self) -> None:
        """Start the ephemeral containers that are new; none is ever started again."""
        if self._is_over or self._failure or self._ending or self._has_ended:
            return
        known = {each.name for each in self.ephemeral_containers}
        specs = self.pod["spec"].get("ephemeralContainers") or []
        new = [each for each in specs if each["name"] not in known]
        self.ephemeral_containers += self._containers(new, "Never", None)
        for each in self.ephemeral_containers[self._ephemeral_begun :]:
            self.sandbox.spawn(each.run())
        self._ephemeral_begun = len(self.ephemeral_containers)

    async def _run_containers(self) -> None:
        for container in self.init_containers:
            await container.run()
            if not container.state.succeeded:
                return
        # A task each, begun in the order of the spec; none waits for another but for a proxy that is first:
        # injection puts it there where its settings hold the application (in Istio a hook does that).
        first = [each for each in self.containers[:1] if each.is_proxy]
        others = [_run_after(first, each) for each in self.containers if each not in first]
        await asyncio.gather(*(each.run() for each in first), *others)

    async def _end(self, grace: float) -> None:
        await self._stop_politely(grace)
        self.publish()
        with contextlib.suppress(ApiError):  # somebody was quicker
            self._node.client.delete(
                "pods", name_of(self.pod), namespace_of(self.pod), grace_seconds=0, uid=self.uid
            )
        self._gone = True
        self._clean()

    async def _stop_politely(self, grace: float) -> None:
        for container in self.containers:
            if container.current:
                message = f"Stopping container {container.name}"
                self._node.recorder.event(self.pod, "Normal", "Killing", message)
        begin = asyncio.get_running_loop().time()
        await self._drain(grace)
        await self.stop(max(grace - (asyncio.get_running_loop().time() - begin), LAST_GRACE))

    def _mind_deadline(self) -> None:
        """Look at ``activeDeadlineSeconds``, which may be set, and shortened, while the pod runs."""
        if self._is_over or self._failure or self._ending:
            return
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is not None and self._deadline.left(seconds) == 0:
            self._exceed()  # before anything is started, where the node was away meanwhile
        else:
            self._deadline.set(seconds)

    def _exceed(self) -> None:
        """The pod's time is up: end its containers, and leave it in the API as Failed."""
        self._failure = (deadline.REASON, deadline.MESSAGE)
        self._node.recorder.event(self.pod, "Normal", *self._failure)
        self._failing = asyncio.get_running_loop().create_task(self._fail())
        self._failing.add_done_callback(self._report_failure)

    async def _fail(self) -> None:
        await self._stop_politely(self.sandbox.grace)
        self.publish()

    async def _drain(self, grace: float) -> None:
        """Let a ready pod serve on while the endpoints and the other proxies learn of its end.

        A proxy knows when it is left alone. A pod without one can't know, so it gets a moment: on a
        real node the way from the API to the runtime takes longer than that by itself.
        """
        runs = [each.current for each in self.containers if each.current]
        if (condition_of(self.pod, "Ready") or {}).get("status") != "True":
            return
        pause = asyncio.sleep(max(map(self._pause, self.containers)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(pause, *(run.drain() for run in runs))

    def _pause(self, container: Container) -> float:
        """How long *container* wants to wait before SIGTERM: its ``preStop.sleep``, and the moment above."""
        hook = (container.spec.get("lifecycle") or {}).get("preStop") or {}
        moment = 0.0 if any(each.is_proxy for each in self.containers) else LINGER_SECONDS
        return float(max((hook.get("sleep") or {}).get("seconds") or 0, moment))

    def _containers(
        self, specs: list[Obj] | None, policy: str, statuses: list[Obj] | None
    ) -> list[Container]:
        before = {status["name"]: status for status in statuses or []}
        return [
            Container(self.sandbox, spec, policy=policy, previous=before.get(spec["name"]))
            for spec in specs or []
        ]

    def _address(self, before: str) -> str:
        if before and self._node.addresses.keep(before, self.uid):
            return before
        return self._node.addresses.take(self.uid)

    def _warn_of_unsupported(self) -> None:
        spec = self.pod["spec"]
        if names := volumes.not_mounted(self.pod):
            self._warn(
                "FailedMount", f"This node has no volumes of that kind: not mounted are {', '.join(names)}"
            )
        if names := volumes.mounted(self.pod):
            self.sandbox.spawn(self._warn_of_missing_namespaces(names))
        for port, there in _clashing_ports(spec):
            self._warn("PortsNotAllowed", CLASH.format(lowest=lowest_port(), port=port, there=there))
        for container in spec["containers"]:
            name = container["name"]
            lifecycle = container.get("lifecycle") or {}
            if any(hook and not hook.keys() & set(hooks.KINDS) for hook in _hooks(lifecycle)):
                self._warn(
                    "LifecycleIgnored", f"Hooks of container {name} that only name a tcpSocket are not run"
                )

    async def _warn_of_missing_namespaces(self, names: list[str]) -> None:
        network, why = await asyncio.to_thread(_why_not)
        if why and network:
            lost = f"This host lets no pod have files of its own ({why}): not mounted are {', '.join(names)}"
            self._warn("FailedMount", lost)

    def _warn(self, reason: str, message: str) -> None:
        self._node.recorder.event(self.pod, "Warning", reason, message)

    def _changed(self) -> None:
        """Something happened: tell the API, once for all that happened in this turn of the loop."""
        if not self._publish_soon:
            self._publish_soon = True
            asyncio.get_running_loop().call_soon(self.publish)

    def publish(self) -> None:
        """Tell the API how the pod is, where that is news."""
        self._publish_soon = False
        pod = self._node.client.find("pods", name_of(self.pod), namespace_of(self.pod))
        if self._gone or self._is_over or pod is None or uid_of(pod) != self.uid:
            return
        status = self.status(pod)
        if status == pod.get("status"):
            return
        try:
            self._node.client.update_status("pods", {**pod, "status": status})
        except Exception as error:  # a full disk, say: the pod runs on, and we try again
            log.warning("status of pod %s/%s not written: %s", namespace_of(pod), name_of(pod), error)
            asyncio.get_running_loop().call_later(STATUS_RETRY, self._changed)

    def status(self, pod: Obj) -> Obj:
        """The status *pod* should show now."""
        return pod_status.pod_status(
            pod,
            [each.state for each in self.containers],
            [each.state for each in self.init_containers],
            [each.state for each in self.ephemeral_containers],
            pod_ip=self.sandbox.pod_ip,
            start_time=self._start_time,
            failure=self._failure,
        )

    def _clean(self) -> None:
        self._node.addresses.release(self.sandbox.pod_ip)
        self._node.tokens.forget(self.pod)
        shutil.rmtree(self._node.pod_run_dir(self.pod), ignore_errors=True)
        shutil.rmtree(self._node.pod_log_dir(self.pod), ignore_errors=True)

    def _report_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("pod %s/%s: %s", namespace_of(self.pod), name_of(self.pod), error, exc_info=error)
            self._warn("FailedSync", f"Error syncing pod: {error}")


async def _run_after(first: list[Container], container: Container) -> None:
    """Run *container* once all of *first* have been ready."""
    for each in first:
        await each.was_ready.wait()
    await container.run()


def _hooks(lifecycle: Obj) -> list[Obj]:
    """What a container's ``lifecycle`` has run; it may say other things, too (``stopSignal``)."""
    return [each for name in ("postStart", "preStop") if (each := lifecycle.get(name))]


def _told(pod: Obj) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What a volume can say of a pod that changes."""
    return labels_of(pod), annotations_of(pod)


def _clashing_ports(spec: Obj) -> list[tuple[int, int]]:
    """The ports of its containers that are moved to where another of them is."""
    wanted = {port["containerPort"] for each in spec["containers"] for port in each.get("ports") or []}
    found = ((port, moved(port, lowest_port())) for port in sorted(wanted))
    return [(port, there) for port, there in found if there != port and there in wanted]
