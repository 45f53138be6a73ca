"""The kubelet: the pods bound to this node as the API has them, against the ones at work here.

One watch on pods, and on its own Node, drives it. Each pod has a worker of its own, so a slow one
holds up nobody. The node's processes die with the daemon, whatever kills it; when it comes back,
every pod starts its containers anew on the address it had, with one restart more, as after the
reboot of a real node.

Not done here, though the API takes and shows it: limits, and security contexts but for root's capabilities.
Processes of one user have no part of the machine to themselves. Of volumes there are those that need no
disk of their own (:mod:`.volumes`); a pod that asks for another gets a warning.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import (
    AccountTokens,
    Client,
    ExecOptions,
    ExecSession,
    LogOptions,
    TcpAddress,
    UnixAddress,
    Usage,
    WatchEvent,
)
from labkit.embedded.low_ports import port_at
from labkit.embedded.node import admission, node_object
from labkit.embedded.node.containers.catalogue import Catalogue
from labkit.embedded.node.containers.context import NodeContext
from labkit.embedded.node.network import pod_network
from labkit.embedded.node.network.pod_addresses import PodAddresses
from labkit.embedded.node.pods import pod_logs
from labkit.embedded.node.pods.exec import Attach, Exec
from labkit.embedded.node.pods.pod_worker import PodWorker
from labkit.embedded.node.processes.run_records import RECORDS, RunRecords
from labkit.embedded.node.usage import PERIOD, UsageMeter
from labkit.embedded.node.volumes.tokens import Tokens
from labkit.embedded.objects import Obj, is_terminating, name_of, namespace_of, timestamp, uid_of
from labkit.embedded.open_ports import OpenPorts
from labkit.embedded.status import ApiError, not_found

log = logging.getLogger(__name__)

BACK_OFF_SECONDS = 10.0
SHUTDOWN_GRACE = 3.0
TOKENS_PERIOD = 60.0  # seconds between two looks for tokens that end soon
SOURCES = ("configmaps", "secrets")
"""What volumes are filled from."""


class Kubelet:
    """The node *node_name*; also the API server's :class:`~labkit.embedded.interfaces.PodRuntime`."""

    def __init__(
        self,
        client: Client,
        node_name: str,
        state_dir: Path,
        run_dir: Path,
        block: int,
        catalogue: Catalogue,
        tokens: AccountTokens,
        *,
        back_off_seconds: float = BACK_OFF_SECONDS,
    ) -> None:
        """*state_dir* keeps logs; *run_dir* (short) sockets and, in ``processes``, the run records."""
        self._client, self._name, self._block = client, node_name, block
        self._state_dir, self._run_dir = state_dir, run_dir
        self._context = NodeContext(
            name=node_name,
            client=client,
            recorder=Recorder(client, "kubelet"),
            catalogue=catalogue,
            addresses=PodAddresses(block),
            records=RunRecords(run_dir / RECORDS),
            tokens=Tokens(tokens),
            log_dir=state_dir / "logs",
            run_dir=run_dir / "pods",
            network_socket=run_dir / "network.sock",
            back_off_seconds=back_off_seconds,
        )
        self.open_ports = OpenPorts()
        """What programs behind sidecars listen on."""
        self.synced = asyncio.Event()
        """Set once every pod there was is in hand, and its status that of now."""
        self._workers: dict[str, PodWorker] = {}
        self._meter = UsageMeter()
        self._removals: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Be the node until cancelled; then end all its containers."""
        self._clear_the_past()
        self._register()
        async with pod_network.serve(self._client, self._context.network_socket, self.open_ports):
            beat = asyncio.create_task(node_object.keep_alive(self._client, self._name, self._register))
            looks = asyncio.create_task(self._measure())
            renewals = asyncio.create_task(self._renew_tokens())
            try:
                async for event in self._client.watch("nodes", "pods", *SOURCES):
                    self._handle_safely(event)
            finally:
                for each in (beat, looks, renewals):
                    each.cancel()
                await self._shut_down()

    def logs(self, namespace: str, pod: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The bytes of a container's log; see :class:`~labkit.embedded.interfaces.PodRuntime`."""
        return pod_logs.stream(self._worker(namespace, pod), options)

    def dial(self, namespace: str, pod: str, port: int) -> TcpAddress | UnixAddress:
        """Where *port* of a pod listens."""
        worker = self._worker(namespace, pod)
        for container in worker.containers:
            if container.current and (address := container.current.dial(port)):
                return address
        if not any(container.current for container in worker.containers):
            raise ApiError(503, "ServiceUnavailable", f'no container of pod "{pod}" is running')
        return TcpAddress(worker.sandbox.pod_ip, port_at(worker.sandbox.pod_ip, port))

    def inside(self, namespace: str, pod: str, port: int) -> list[TcpAddress | UnixAddress]:
        """What ``localhost:PORT`` means in a pod: its app's side first, then its proxy's."""
        address = self.dial(namespace, pod, port)
        if isinstance(address, UnixAddress):
            return [address]
        sandbox = self._worker(namespace, pod).sandbox
        hosts = dict.fromkeys((sandbox.app_ip, sandbox.pod_ip))
        return [TcpAddress(host, port_at(host, port)) for host in hosts]

    def exec(self, namespace: str, pod: str, options: ExecOptions) -> ExecSession:
        """A command to be started in a container."""
        return Exec(self._worker(namespace, pod), options, self._context.records)

    def attach(self, namespace: str, pod: str, options: ExecOptions) -> ExecSession:
        """The output of a container's own process."""
        return Attach(self._worker(namespace, pod), options)

    def usage(self, namespace: str, pod: str) -> dict[str, Usage]:
        """What each container of a pod uses that is a process."""
        found = self._client.find("pods", pod, namespace)
        worker = self._workers.get(uid_of(found)) if found else None
        pids = {each.name: each.current.pid for each in worker.containers if each.current} if worker else {}
        usage = {name: self._meter.usage(pid) for name, pid in pids.items() if pid}
        return {name: each for name, each in usage.items() if each}

    def node_usage(self, node: str) -> Usage | None:
        """What the daemon and all its processes use."""
        return self._meter.usage(os.getpid()) if node == self._name else None

    async def _measure(self) -> None:
        """Look at all processes now and then, so that who asks can be told of the last moments."""
        while True:
            runs = (each.current for worker in self._workers.values() for each in worker.containers)
            self._meter.look([os.getpid(), *(run.pid for run in runs if run and run.pid)])
            await asyncio.sleep(PERIOD)

    async def _renew_tokens(self) -> None:
        """Look now and then for tokens in volumes that are about to end."""
        while True:
            await asyncio.sleep(TOKENS_PERIOD)
            for each in self._workers.values():
                try:
                    each.sandbox.renew_tokens()
                except Exception:  # a full disk, say: the others get theirs, and this pod the next time
                    log.exception("tokens of pod %s", name_of(each.pod))

    def _worker(self, namespace: str, name: str) -> PodWorker:
        pod = self._client.find("pods", name, namespace)
        if pod is None:
            raise not_found("pods", name)
        worker = self._workers.get(uid_of(pod))
        if worker is None:
            raise pod_logs.no_node(name)
        return worker

    def _handle_safely(self, event: WatchEvent) -> None:
        """One object that can't be handled must not end the node."""
        try:
            self._handle(event)
        except Exception as error:
            log.exception("%s %s/%s", event.resource, namespace_of(event.object), name_of(event.object))
            self._context.recorder.event(event.object, "Warning", "FailedSync", f"Error syncing pod: {error}")

    def _handle(self, event: WatchEvent) -> None:
        if event.type == "SYNCED":
            for each in self._workers.values():
                each.publish()  # what the API holds is from before the node went down
            self.synced.set()
            self._remove_old_logs()
        elif event.resource == "nodes":
            self._look_for_own_node(event)
        elif event.resource in SOURCES:
            for each in self._workers.values():
                each.source_changed(event.resource, event.object)
        elif event.type == "DELETED":
            self._forget(event.object)
        elif worker := self._workers.get(uid_of(event.object)):
            worker.update(event.object)
        else:
            self._begin(event.object)

    def _register(self) -> None:
        node_object.register(self._client, self._name, self._block, self._state_dir)

    def _look_for_own_node(self, event: WatchEvent) -> None:
        """Register again where somebody deleted the Node: its pods and their processes are still here.

        Offer what somebody has entered in its capacity.
        """
        if name_of(event.object) != self._name:
            return
        if event.type == "DELETED":
            self._register()
        else:
            node_object.follow_capacity(self._client, event.object)

    def _begin(self, pod: Obj) -> None:
        """Start a pod that is new to us, unless it can't be here."""
        if pod["spec"].get("nodeName") != self._name:
            return
        if is_terminating(pod):
            self._finish(pod)
        elif rejection := admission.rejection(self._client, self._name, pod):
            self._reject(pod, rejection)
        else:
            self._workers[uid_of(pod)] = PodWorker(self._context, pod)

    def _reject(self, pod: Obj, rejection: admission.Rejection) -> None:
        """End a pod that was bound past the scheduler to a node that can't take it."""
        self._context.recorder.event(pod, "Warning", rejection.reason, rejection.message)
        status = {
            **(pod.get("status") or {}),
            "phase": "Failed",
            "reason": rejection.reason,
            "message": f"Pod was rejected: {rejection.message}",
            "startTime": timestamp(),
        }
        self._client.update_status("pods", {**pod, "status": status})

    def _finish(self, pod: Obj) -> None:
        """A pod that was being deleted when the node went down: nothing of it runs any more."""
        with contextlib.suppress(ApiError):
            self._client.delete("pods", name_of(pod), namespace_of(pod), grace_seconds=0, uid=uid_of(pod))

    def _forget(self, pod: Obj) -> None:
        if worker := self._workers.pop(uid_of(pod), None):
            removal = asyncio.get_running_loop().create_task(worker.remove())
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    def _clear_the_past(self) -> None:
        """End what an earlier daemon may have left, and make room for new sockets."""
        self._context.records.kill_all()
        shutil.rmtree(self._context.run_dir, ignore_errors=True)
        for directory in (self._context.run_dir, self._context.log_dir):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _remove_old_logs(self) -> None:
        known = {self._context.pod_log_dir(pod).name for pod in self._client.list("pods")}
        for directory in self._context.log_dir.iterdir():
            if directory.name not in known:
                shutil.rmtree(directory, ignore_errors=True)

    async def _shut_down(self) -> None:
        """End every process; the pods stay in the API, to be started again with the node."""
        stops = [worker.shut_down(SHUTDOWN_GRACE) for worker in self._workers.values()]
        await asyncio.gather(*stops, *self._removals, return_exceptions=True)
        shutil.rmtree(self._context.run_dir, ignore_errors=True)
