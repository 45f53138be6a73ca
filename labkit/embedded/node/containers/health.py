"""The health of one run of a container: has it started, is it ready, must it be killed.

Two things are quicker here than on a real node, neither visible in what is reported. A startup or
readiness probe is tried every 20 ms from its ``initialDelaySeconds`` on until it first succeeds, then
every ``periodSeconds``: a pod is Ready the moment it is. And a container without a readiness probe counts
as started when it listens on the ports it declares (a real kubelet does not look; there, the first
requests may be refused), or after :data:`LISTEN_SECONDS` if it never does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Literal

from labkit.embedded.node.containers import probes
from labkit.embedded.node.containers.probes import Outcome
from labkit.embedded.objects import Obj

Kind = Literal["startupProbe", "readinessProbe", "livenessProbe"]
TITLES: dict[Kind, str] = {
    "startupProbe": "Startup",
    "readinessProbe": "Readiness",
    "livenessProbe": "Liveness",
}

LISTEN_SECONDS = 10.0  # long, for a machine with one busy core
QUICK_STEP, QUICK_SECONDS = 0.02, 3.0
SLOWER_STEP = 0.25


class Health:
    """Watches one run of *container*, which listens at *address*, until cancelled."""

    def __init__(
        self,
        container: Obj,
        address: str,
        *,
        waits_for_ports: bool,
        changed: Callable[[bool, bool], None],
        warn: Callable[[str, str], None],
        give_up: Callable[[str], None],
        run: probes.RunCommand,
    ) -> None:
        """*changed* gets (started, ready); *warn* an event's reason and message; *give_up* why to restart.

        *run* runs a command in the container.
        """
        self._run = run
        self._container, self._address, self._waits_for_ports = container, address, waits_for_ports
        self._changed, self._warn, self._give_up = changed, warn, give_up

    async def run(self) -> None:
        """Report until cancelled."""
        if not await self._start():
            return
        self._changed(True, not self._probe("readinessProbe"))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_readiness())
            group.create_task(self._watch_liveness())

    def _probe(self, kind: Kind) -> Obj:
        found: Obj = self._container.get(kind) or {}
        return found

    async def _start(self) -> bool:
        """Wait for the start; False where the container must be killed instead."""
        if probe := self._probe("startupProbe"):
            return await self._startup_succeeds(probe)
        if self._waits_for_ports and not self._probe("readinessProbe"):
            await self._listening()
        return True

    async def _startup_succeeds(self, probe: Obj) -> bool:
        failures = 0
        async for outcome in self._outcomes("startupProbe"):
            if outcome.ok:
                return True
            failures += 1
            if failures >= probe.get("failureThreshold", 3):
                break
        self._give_up(f"Container {self._container['name']} failed startup probe, will be restarted")
        return False

    async def _listening(self) -> None:
        ports = [
            int(entry["containerPort"])
            for entry in self._container.get("ports") or []
            if entry.get("protocol", "TCP") == "TCP"
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_SECONDS):
                for port in ports:
                    # Nothing tells us when another process begins to listen: we have to look.
                    while not await probes.listens(self._address, port):  # noqa: ASYNC110
                        await asyncio.sleep(QUICK_STEP / 2)

    async def _watch_readiness(self) -> None:
        probe = self._probe("readinessProbe")
        ready, streak = False, 0
        async for outcome in self._outcomes("readinessProbe"):
            streak = 0 if outcome.ok == ready else streak + 1
            limit = probe.get("successThreshold", 1) if outcome.ok else probe.get("failureThreshold", 3)
            if streak >= limit:
                ready, streak = outcome.ok, 0
                self._changed(True, ready)

    async def _watch_liveness(self) -> None:
        failures = 0
        async for outcome in self._outcomes("livenessProbe"):
            failures = 0 if outcome.ok else failures + 1
            if failures >= self._probe("livenessProbe").get("failureThreshold", 3):
                name = self._container["name"]
                self._give_up(f"Container {name} failed liveness probe, will be restarted")
                return

    async def _outcomes(self, kind: Kind) -> AsyncIterator[Outcome]:
        """What each probe gave, at its period; while nothing has succeeded yet, good news sooner."""
        probe = self._probe(kind)
        if not probe:
            return
        period, succeeded = float(probe.get("periodSeconds") or 10), kind == "livenessProbe"
        await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
        begin = reported = asyncio.get_running_loop().time()
        while True:
            outcome = await probes.attempt(probe, self._container, self._address, self._run)
            now = asyncio.get_running_loop().time()
            if outcome.ok or succeeded or now - reported >= period:
                reported = now
                self._tell(kind, outcome)
                yield outcome
            succeeded = succeeded or outcome.ok
            await asyncio.sleep(period if succeeded else min(period, _step(now - begin)))

    def _tell(self, kind: Kind, outcome: Outcome) -> None:
        if not outcome.ok:
            self._warn("Unhealthy", f"{TITLES[kind]} probe failed: {outcome.message}")


def _step(age: float) -> float:
    return QUICK_STEP if age < QUICK_SECONDS else SLOWER_STEP
