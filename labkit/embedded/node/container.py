"""One container of a pod, from its first start to its last: image, run, health, end, back-off, again.

The states, reasons, events and pauses are the kubelet's: the first restart comes at once, the next
after 10 s, then 20 s, 40 s … up to five minutes, and a run of ten minutes wipes the slate.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from labkit.embedded.interfaces import Launch, ProcessCommand
from labkit.embedded.node import runs
from labkit.embedded.node.catalogue import BuiltinImage, Image, ProcessImage
from labkit.embedded.node.container_log import ContainerLog
from labkit.embedded.node.environment import ConfigError, container_environment
from labkit.embedded.node.health import Health
from labkit.embedded.node.pod_status import ContainerState
from labkit.embedded.node.process import SupervisedProcess
from labkit.embedded.node.runs import BuiltinRun, ProcessRun, Run
from labkit.embedded.node.sandbox import Sandbox
from labkit.embedded.objects import Obj, name_of, namespace_of, timestamp, uid_of

LONGEST_BACK_OFF = 300.0
FORGIVEN_AFTER = 600.0
CONFIG_RETRY = 2.0
REBOOTED = 255  # what a runtime reports for a container it did not see end


class Container:
    """Keeps one container as its pod's restart policy wants it."""

    def __init__(self, sandbox: Sandbox, spec: Obj, *, policy: str, previous: Obj | None = None) -> None:
        """*previous* is its entry in the pod's status, from before the node was started again."""
        self.spec, self.policy = spec, policy
        self.state = ContainerState(str(spec["name"]), str(spec["image"]))
        self.log: ContainerLog | None = None
        self._sandbox, self._node = sandbox, sandbox.node
        self._run: Run | None = None
        self._stop = asyncio.Event()
        self._replaced = False
        self._pause = 0.0
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
        while not self._stop.is_set():
            launch, image = await self._prepare()
            if launch is None or image is None or not await self._run_once(launch, image):
                return
            await self._back_off()

    async def stop(self, grace: float) -> None:
        """End it for good: politely, for at most *grace* seconds."""
        self._stop.set()
        if self._run:
            await self._run.stop(grace)

    def kill(self) -> None:
        """End it for good, at once."""
        self._stop.set()
        if self._run:
            self._run.kill()

    def replace(self, spec: Obj) -> None:
        """Take the changed *spec*: a new image means a new run."""
        if spec["image"] == self.spec["image"]:
            return
        self.spec, self.state.image, self._replaced = spec, str(spec["image"]), True
        if self._run:
            self._event("Normal", "Killing", f"Container {self.name} definition changed, will be restarted")
            self._sandbox.spawn(self._run.stop(self._sandbox.grace))

    @property
    def current(self) -> Run | None:
        """The run at work."""
        return self._run

    def _adopt(self, previous: Obj) -> None:
        """Go on counting where the status left off; what was running then ended with the node."""
        if not previous.get("containerID"):
            return
        state = previous.get("state") or {}
        self.state.last = state.get("terminated") or (previous.get("lastState") or {}).get("terminated")
        if running := state.get("running"):
            self.state.last = {
                "exitCode": REBOOTED,
                "reason": "Unknown",
                "startedAt": running.get("startedAt"),
                "finishedAt": timestamp(),
                "containerID": previous["containerID"],
            }
        self.state.restart_count = int(previous.get("restartCount", 0))
        self._runs = self.state.restart_count + 1

    async def _prepare(self) -> tuple[Launch | None, Image | None]:
        """What to start; waits, as long as it takes, for an image and a configuration that exist."""
        while not self._stop.is_set():
            image = await self._image()
            try:
                return self._launch(), image
            except ConfigError as error:
                if self.state.waiting[0] != "CreateContainerConfigError":
                    self._event("Warning", "Failed", f"Error: {error}")
                self._wait_as("CreateContainerConfigError", str(error))
                await self._sleep(CONFIG_RETRY)
        return None, None

    async def _image(self) -> Image | None:
        pause = self._node.back_off_seconds
        while not self._stop.is_set():
            if image := self._node.catalogue.find(self.spec["image"]):
                self._event(
                    "Normal", "Pulled", f'Container image "{self.spec["image"]}" already present on machine'
                )
                return image
            self._report_missing_image()
            await self._sleep(pause / 2)
            self._wait_as("ImagePullBackOff", self._back_off_pulling())
            self._event("Normal", "BackOff", self._back_off_pulling())
            self._event("Warning", "Failed", "Error: ImagePullBackOff")
            await self._sleep(pause)
            pause = min(pause * 2, LONGEST_BACK_OFF)
        return None

    def _back_off_pulling(self) -> str:
        return f'Back-off pulling image "{self.spec["image"]}"'

    def _report_missing_image(self) -> None:
        known = ", ".join(self._node.catalogue.names)
        why = f"not in this node's catalogue, which holds {known}"
        message = f'Failed to pull image "{self.spec["image"]}": {why}'
        self._event("Normal", "Pulling", f'Pulling image "{self.spec["image"]}"')
        self._event("Warning", "Failed", message)
        self._event("Warning", "Failed", "Error: ErrImagePull")
        self._wait_as("ErrImagePull", message)

    def _launch(self) -> Launch:
        sandbox = self._sandbox
        variables = container_environment(self._node.client, sandbox.pod, self.spec, sandbox.pod_ip)
        directory = self._node.pod_run_dir(sandbox.pod) / self.name
        return Launch(sandbox.pod, self.spec, directory, sandbox.pod_ip, sandbox.app_ip, variables)

    async def _run_once(self, launch: Launch, image: Image) -> bool:
        """One run, to its end; whether another shall follow."""
        begin = time.monotonic()
        run = self._begin(launch, image)
        health = asyncio.create_task(self._health(run, image))
        try:
            code = await asyncio.shield(run.exited)
        finally:
            health.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await health
        self._end(code)
        if time.monotonic() - begin > FORGIVEN_AFTER or self._replaced:
            self._pause, self._replaced = 0.0, False
        return self._restarts(code)

    def _begin(self, launch: Launch, image: Image) -> Run:
        self.state.restart_count = self._runs
        self._runs += 1
        self.log = ContainerLog(self.log_dir(self.state.restart_count))
        shutil.rmtree(self.log_dir(self.state.restart_count - 2), ignore_errors=True)
        self._event("Normal", "Created", f"Created container: {self.name}")
        self._run = run = self._start(launch, image, self.log)
        self.state.container_id = f"labkit://{secrets.token_hex(32)}"
        self.state.running, self.state.terminated = {"startedAt": timestamp()}, None
        self.state.started = self.state.ready = False
        self._event("Normal", "Started", f"Started container {self.name}")
        self._sandbox.changed()
        return run

    def _start(self, launch: Launch, image: Image, log: ContainerLog) -> Run:
        if isinstance(image, BuiltinImage):
            return BuiltinRun(image.make(launch), launch.pod, log.write_line, self._builtin_ready)
        command = image.describe(launch)
        runs.write_files(launch.run_dir, command)
        process = SupervisedProcess.start(
            command.argv,
            environment=self._environment(launch, command, image.is_proxy),
            directory=launch.run_dir,
            on_output=log.write,
            records=self._node.records,
            what=f"{namespace_of(launch.pod)}/{name_of(launch.pod)}/{self.name}",
        )
        return ProcessRun(process, command)

    def _environment(self, launch: Launch, command: ProcessCommand, is_proxy: bool) -> dict[str, str]:
        """A container's environment: never the daemon's own."""
        base = {
            "PATH": os.defpath,
            "HOME": str(launch.run_dir),
            "HOSTNAME": name_of(launch.pod),
            **self._sandbox.service_environment(),
            **launch.environment,
            **command.environment,
        }
        return base if is_proxy else base | self._sandbox.network_environment()

    async def _health(self, run: Run, image: Image) -> None:
        if isinstance(image, BuiltinImage):
            return
        await Health(
            self.spec,
            self._sandbox.pod_ip if image.is_proxy else self._sandbox.app_ip,
            waits_for_ports=not image.is_proxy,
            changed=self._health_changed,
            warn=lambda reason, message: self._event("Warning", reason, message),
            give_up=self._give_up,
        ).run()

    def _health_changed(self, started: bool, ready: bool) -> None:
        if self.state.running:
            self.state.started, self.state.ready = started, ready
            self._sandbox.changed()

    def _builtin_ready(self, ready: bool) -> None:
        self._health_changed(True, ready)

    def _give_up(self, why: str) -> None:
        self._event("Normal", "Killing", why)
        if self._run:
            self._sandbox.spawn(self._run.stop(self._sandbox.grace))

    def _end(self, code: int) -> None:
        running = self.state.running or {}
        self.state.terminated = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": running.get("startedAt"),
            "finishedAt": timestamp(),
            "containerID": self.state.container_id,
        }
        self._run = self.state.running = None
        self.state.started = self.state.ready = False
        if self.log:
            self.log.close()
        self._sandbox.changed()

    def _restarts(self, code: int) -> bool:
        if self._stop.is_set():
            return False
        return self.policy == "Always" or (self.policy == "OnFailure" and code != 0)

    async def _back_off(self) -> None:
        """Pause before the next start; the first comes at once."""
        self.state.last, pause = self.state.terminated, self._pause
        self._pause = min(max(pause * 2, self._node.back_off_seconds), LONGEST_BACK_OFF)
        if not pause:
            return
        pod = self._sandbox.pod
        whose = f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
        self._event("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {whose}")
        message = f"back-off {_duration(pause)} restarting failed container={self.name} pod={whose}"
        self.state.terminated = None
        self._wait_as("CrashLoopBackOff", message)
        await self._sleep(pause)

    def _wait_as(self, reason: str, message: str) -> None:
        self.state.waiting = (reason, message)
        self._sandbox.changed()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._node.recorder.event(self._sandbox.pod, kind, reason, message)


def _duration(seconds: float) -> str:
    """As Go prints it: ``10s``, ``2m40s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
