"""One container of a pod, from its first start to its last: image, run, health, end, back-off, again.

The states, reasons, events and pauses are the kubelet's: the first restart comes at once, the next
after 10 s, then 20 s, 40 s … up to five minutes, and a run of ten minutes wipes the slate.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from labkit.embedded.interfaces import Launch
from labkit.embedded.node.containers import hooks, last_words, starting
from labkit.embedded.node.containers.back_off import FORGIVEN_AFTER, BackOff, duration
from labkit.embedded.node.containers.catalogue import BuiltinImage, Image, ProcessImage
from labkit.embedded.node.containers.container_state import CREATING, INITIALIZING, ContainerState
from labkit.embedded.node.containers.health import Health
from labkit.embedded.node.containers.sandbox import Sandbox
from labkit.embedded.node.logs.container_log import ContainerLog
from labkit.embedded.node.processes import commands
from labkit.embedded.node.processes.commands import Ended
from labkit.embedded.node.processes.environment import ConfigError
from labkit.embedded.node.processes.runs import Run
from labkit.embedded.node.volumes.volume_content import MountError
from labkit.embedded.objects import Obj, name_of, namespace_of, timestamp, uid_of

log = logging.getLogger(__name__)

CONFIG_RETRY = 2.0
IMAGE_LOOK = 0.5  # seconds between two looks for an image that a learner may enter
REBOOTED = 255  # what a runtime reports for a container it did not see end
CANNOT_START = 128  # and for one it could not start


class Container:
    """Keeps one container as its pod's restart policy wants it."""

    def __init__(self, sandbox: Sandbox, spec: Obj, *, policy: str, previous: Obj | None = None) -> None:
        """*previous* is its entry in the pod's status, from before the node was started again."""
        self.spec, self.policy = spec, policy
        self._first_reason = INITIALIZING if sandbox.has_init_containers else CREATING
        self.state = ContainerState(str(spec["name"]), str(spec["image"]), (self._first_reason, ""))
        self.log: ContainerLog | None = None
        self._sandbox, self._node = sandbox, sandbox.node
        self._run: Run | None = None
        self._stopping = False
        self._woken = asyncio.Event()
        self.was_ready = asyncio.Event()
        """Set once it has been ready, or will never be."""
        self._back_off = BackOff(self._node.back_off_seconds, free=1)
        self._runs = 0
        if previous:
            self._adopt(previous)

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return self.state.name

    @property
    def is_proxy(self) -> bool:
        """Whether it is an Envoy, which ends after the pod's other containers."""
        image = self._node.catalogue.find(self.spec["image"])
        return isinstance(image, ProcessImage) and image.is_proxy

    def log_dir(self, run: int) -> Path:
        """Where the log of run number *run* is kept."""
        return self._node.pod_log_dir(self._sandbox.pod) / self.name / str(run)

    async def run(self) -> None:
        """Start, and start again, until the restart policy is content or :meth:`stop` is called."""
        try:
            while not (self._stopping or self.state.terminated):
                prepared = await self._prepare()
                if prepared is None or not self._restarts(await self._run_once(*prepared)):
                    return
                await self._pause()
        finally:
            self.was_ready.set()

    async def stop(self, grace: float) -> None:
        """End it for good: politely, for at most *grace* seconds."""
        self._stopping = True
        self._woken.set()
        if run := self._run:
            await run.stop(max(grace - await self._pre_stop(grace), 0.0))

    def replace(self, spec: Obj) -> None:
        """Take the changed *spec*: a new image means a new run."""
        if spec["image"] == self.spec["image"]:
            return
        self.spec, self.state.image = spec, str(spec["image"])
        self._back_off.reset()
        self._woken.set()
        if self._run:
            self._event("Normal", "Killing", f"Container {self.name} definition changed, will be restarted")
            self._sandbox.spawn(self._run.stop(self._sandbox.grace))

    @property
    def current(self) -> Run | None:
        """The run at work."""
        return self._run

    async def _command(self, words: Sequence[str]) -> Ended:
        """Run *words* in this container, which runs."""
        what = f"{namespace_of(self._sandbox.pod)}/{name_of(self._sandbox.pod)}/{self.name} exec"
        if self._run is None:
            return Ended(CANNOT_START, "the container does not run")
        return await commands.run(self._run.surroundings, words, self._node.records, what)

    async def _call(self, hook: Obj) -> str | None:
        """Why a lifecycle hook failed; None where it did not."""
        return await hooks.run(hook, self.spec, self._sandbox.app_ip, self._command)

    async def _post_start(self) -> None:
        hook = hooks.hook_of(self.spec, "postStart")
        if hook and (failed := await self._call(hook)) is not None and self._run:
            self._event("Warning", "FailedPostStartHook", f"PostStartHook failed: {failed}")
            self._give_up("FailedPostStartHook")

    async def _pre_stop(self, grace: float) -> float:
        """Run the hook before the end, for *grace* seconds at most; how long that took.

        A pause has been made before (:class:`~labkit.embedded.node.pods.pod_worker.PodWorker`).
        """
        hook, begin = hooks.hook_of(self.spec, "preStop"), time.monotonic()
        if hook and "sleep" not in hook and grace:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    if (failed := await self._call(hook)) is not None:
                        self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {failed}")
        return time.monotonic() - begin

    def _adopt(self, previous: Obj) -> None:
        """Go on where the status left off; what was running then ended with the node."""
        if not previous.get("containerID"):
            return
        self.state.restart_count = int(previous.get("restartCount", 0))
        self.state.container_id = str(previous["containerID"])
        self._runs = self.state.restart_count + 1
        ended = _ended_with_node(previous)
        if ended and self._restarts(int(ended.get("exitCode", REBOOTED))):
            self.state.last = ended
        else:
            self.state.terminated = ended
            self.state.last = (previous.get("lastState") or {}).get("terminated")

    async def _prepare(self) -> tuple[Launch, Image] | None:
        """What to start; waits, as long as it takes, for an image and a configuration that exist."""
        pulls = BackOff(self._node.back_off_seconds)
        while not self._stopping:
            image = self._node.catalogue.find(self.spec["image"])
            if image is None:
                await self._wait_for_image(pulls)
                continue
            try:
                return starting.launch_of(self._sandbox, self.spec), image
            except ConfigError as error:
                self._wait_as("CreateContainerConfigError", str(error))
                self._event("Warning", "Failed", f"Error: {error}")
            except MountError as error:
                self._wait_as(self._first_reason, "")
                self._event("Warning", "FailedMount", str(error))
            await self._sleep(CONFIG_RETRY)
        return None

    async def _wait_for_image(self, pulls: BackOff) -> None:
        """Report that there is no such image, and wait before the next look."""
        image, pause = self.spec["image"], pulls.next()
        message = (
            f'Failed to pull image "{image}": not in this node\'s catalogue. '
            f"`labkit images` shows what is; `labkit images add {image} -- COMMAND` enters a program of yours"
        )
        self._event("Normal", "Pulling", f'Pulling image "{image}"')
        self._event("Warning", "Failed", message)
        self._event("Warning", "Failed", "Error: ErrImagePull")
        self._wait_as("ErrImagePull", message)
        if await self._sleep_for_image(pause / 2):
            return
        self._event("Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._event("Warning", "Failed", "Error: ImagePullBackOff")
        self._wait_as("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}')
        await self._sleep_for_image(pause)

    async def _sleep_for_image(self, seconds: float) -> bool:
        """As :meth:`_sleep`; True also where the image has been entered meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if await self._sleep(min(left, IMAGE_LOOK)) or self._node.catalogue.find(self.spec["image"]):
                return True
        return False

    async def _run_once(self, launch: Launch, image: Image) -> int:
        """One run, to its end; the exit code."""
        begin = time.monotonic()
        try:
            run = self._begin(launch, image)
        except Exception as error:  # no space for its files, no process to be had, a faulty entry
            log.exception("container %s of pod %s", self.name, name_of(launch.pod))
            return self._not_started(error)
        health = asyncio.create_task(self._health(image))
        code = await asyncio.shield(run.exited)
        health.cancel()
        await asyncio.wait([health])
        self._end(code, "Completed" if code == 0 else "Error", await self._last_words(launch, code))
        if time.monotonic() - begin > FORGIVEN_AFTER:
            self._back_off.reset()
        return code

    def _begin(self, launch: Launch, image: Image) -> Run:
        """Start the next run, with a log of its own; the log before it is kept, too."""
        self.state.restart_count = self._runs
        self._runs += 1
        self.log = ContainerLog(self.log_dir(self.state.restart_count))
        shutil.rmtree(self.log_dir(self.state.restart_count - 2), ignore_errors=True)
        self.state.container_id = f"labkit://{secrets.token_hex(32)}"
        self._event(
            "Normal", "Pulled", f'Container image "{launch.container["image"]}" already present on machine'
        )
        self._event("Normal", "Created", f"Created container: {self.name}")
        self.state.running, self.state.terminated = {"startedAt": timestamp()}, None
        self._run = run = starting.start(self._sandbox, launch, image, self.log, self._builtin_ready)
        self._event("Normal", "Started", f"Started container {self.name}")
        self._sandbox.spawn(self._post_start())
        self._sandbox.changed()
        return run

    async def _last_words(self, launch: Launch, code: int) -> str:
        log_dir = self.log_dir(self.state.restart_count)
        return await last_words.read(launch.container, launch.run_dir, log_dir, code)

    def _not_started(self, error: Exception) -> int:
        self._event("Warning", "Failed", f"Error: failed to start container {self.name}: {error}")
        self._end(CANNOT_START, "StartError", str(error))
        return CANNOT_START

    async def _health(self, image: Image) -> None:
        if isinstance(image, BuiltinImage):
            return  # it says itself when it is ready
        health = Health(
            self.spec,
            self._sandbox.pod_ip if image.is_proxy else self._sandbox.app_ip,
            waits_for_ports=not image.is_proxy,
            changed=self._health_changed,
            warn=lambda reason, message: self._event("Warning", reason, message),
            give_up=self._give_up,
            run=self._command,
        )
        try:
            await health.run()
        except Exception as error:  # a fault of ours must not pass for good health
            log.exception("probes of container %s", self.name)
            self._event("Warning", "Unhealthy", f"Container {self.name} is not probed any more: {error!r}")

    def _health_changed(self, started: bool, ready: bool) -> None:
        if self.state.running:
            self.state.started, self.state.ready = started, ready
            if ready:
                self.was_ready.set()
            self._sandbox.changed()

    def _builtin_ready(self, ready: bool) -> None:
        self._health_changed(True, ready)

    def _give_up(self, why: str) -> None:
        self._event("Normal", "Killing", why)
        if self._run:
            self._sandbox.spawn(self._run.stop(self._sandbox.grace))

    def _end(self, code: int, reason: str, message: str = "") -> None:
        running = self.state.running or {}
        self.state.terminated = {
            "exitCode": code,
            "reason": reason,
            "startedAt": running.get("startedAt"),
            "finishedAt": timestamp(),
            "containerID": self.state.container_id,
        } | ({"message": message} if message else {})
        self._run = self.state.running = None
        self.state.started = self.state.ready = False
        if self.log:
            self.log.close()
        self._sandbox.changed()

    def _restarts(self, code: int) -> bool:
        if self._stopping:
            return False
        return self.policy == "Always" or (self.policy == "OnFailure" and code != 0)

    async def _pause(self) -> None:
        """Wait before the next start; the first comes at once."""
        self.state.last, self.state.terminated = self.state.terminated, None
        pause = self._back_off.next()
        if not pause:
            return
        pod = self._sandbox.pod
        whose = f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
        self._event("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {whose}")
        why = f"back-off {duration(pause)} restarting failed container={self.name} pod={whose}"
        self._wait_as("CrashLoopBackOff", why)
        await self._sleep(pause)

    def _wait_as(self, reason: str, message: str) -> None:
        self.state.waiting = (reason, message)
        self._sandbox.changed()

    async def _sleep(self, seconds: float) -> bool:
        """Sleep; True where something woke us before the time."""
        self._woken.clear()
        if self._stopping:
            return True
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._woken.wait(), seconds)
        return False

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._node.recorder.event(self._sandbox.pod, kind, reason, message)


def _ended_with_node(status: Obj) -> Obj | None:
    """How the container of a status from before the node went down has ended."""
    state = status.get("state") or {}
    if running := state.get("running"):
        return {
            "exitCode": REBOOTED,
            "reason": "Unknown",
            "startedAt": running.get("startedAt"),
            "finishedAt": timestamp(),
            "containerID": status["containerID"],
        }
    found: Obj | None = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    return found
