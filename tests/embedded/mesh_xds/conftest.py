"""A control plane with real Envoys; the tests play the kubelet and, where they like, the translation."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.cluster.network import claim_block
from labkit.embedded.interfaces import Launch
from labkit.embedded.mesh.bootstrap import proxy_command
from labkit.embedded.mesh.control_plane import ControlPlane
from labkit.embedded.mesh.snapshot import Snapshot
from labkit.embedded.store import Store

from .town import Town

# Addresses of this process's own, so that two runs at once, or a cluster beside them, do not meet.
_BLOCK, _CLAIM = claim_block(200 + 2 * (os.getpid() % 25))
NETWORK = f"127.{_BLOCK}.0"
_TYPE = "type.googleapis.com/envoy.extensions.filters"


class Resources:
    """Hand-made Envoy resources in JSON form."""

    @staticmethod
    def cluster(name, *, timeout="5s"):
        ads = {"ads": {}, "resourceApiVersion": "V3", "initialFetchTimeout": "0s"}
        return {
            "name": name,
            "type": "EDS",
            "edsClusterConfig": {"edsConfig": ads},
            "connectTimeout": timeout,
        }

    @staticmethod
    def endpoints(name, *addresses):
        found = [
            {"endpoint": {"address": {"socketAddress": {"address": host, "portValue": port}}}}
            for host, port in addresses
        ]
        return {"clusterName": name, "endpoints": [{"lbEndpoints": found}]}

    @staticmethod
    def listener(name, address, port, routes, *, log=False):
        ads = {"ads": {}, "resourceApiVersion": "V3", "initialFetchTimeout": "0s"}
        manager = {
            "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
            "statPrefix": name,
            "rds": {"routeConfigName": routes, "configSource": ads},
            "httpFilters": [
                {
                    "name": "envoy.filters.http.router",
                    "typedConfig": {"@type": f"{_TYPE}.http.router.v3.Router"},
                }
            ],
        }
        if log:
            access_log = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
            typed = {"@type": access_log, "path": "/dev/stdout"}
            manager["accessLog"] = [{"name": "envoy.access_loggers.file", "typedConfig": typed}]
        return {
            "name": name,
            "address": {"socketAddress": {"address": address, "portValue": port}},
            "filterChains": [
                {
                    "filters": [
                        {"name": "envoy.filters.network.http_connection_manager", "typedConfig": manager}
                    ]
                }
            ],
        }

    @staticmethod
    def routes(name, weights):
        clusters = [{"name": each, "weight": weight} for each, weight in weights.items()]
        route = {
            "match": {"prefix": "/"},
            "route": {"weightedClusters": {"clusters": clusters}, "timeout": "0s"},
        }
        return {"name": name, "virtualHosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}

    @classmethod
    def gateway(cls, proxy, backends, weights, *, port=8080):
        """A whole snapshot: one listener of *proxy*, routed by *weights* to *backends* (name → address)."""
        routes = f"http.{port}"
        listener = cls.listener(f"{proxy.pod_ip}_{port}", proxy.pod_ip, port, routes, log=True)
        return Snapshot(
            clusters={name: cls.cluster(name) for name in backends},
            endpoints={name: cls.endpoints(name, address) for name, address in backends.items()},
            listeners={listener["name"]: listener},
            routes={routes: cls.routes(routes, weights)},
        )


@dataclass
class RunningEnvoy:
    """A real Envoy, started as the kubelet would start it."""

    name: str
    ip: str
    process: subprocess.Popen
    folder: Path
    command: object
    admin_socket: Path
    log: Path

    async def admin(self, path, method="GET"):
        connector = aiohttp.UnixConnector(str(self.admin_socket))
        async with (
            aiohttp.ClientSession("http://admin", connector=connector) as session,
            session.request(method, path) as answer,
        ):
            return await answer.text()

    async def stats(self, pattern):
        found = json.loads(await self.admin(f"/stats?format=json&filter={pattern}"))
        return {each["name"]: each["value"] for each in found["stats"] if "value" in each}

    async def logged(self, words):
        """The first line of the proxy's log that holds *words*, as soon as it is there."""
        async with asyncio.timeout(5):
            while True:
                for line in self.log.read_text().splitlines():
                    if words in line:
                        return line
                await asyncio.sleep(0.005)


@dataclass
class Mesh:
    """The control plane under test and everything around it."""

    folder: Path
    client: InProcessClient
    plane: ControlPlane
    snapshots: dict = field(default_factory=dict)
    """Pod name → function of the proxy that returns its snapshot, where the test translates."""
    envoys: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    """istiod's log."""
    task: asyncio.Task | None = None

    def __post_init__(self):
        self._numbers = itertools.count(1)
        self._changes = itertools.count(1)

    def address(self):
        return f"{NETWORK}.{next(self._numbers)}"

    async def start(self, **environment):
        ready = asyncio.Event()
        pod = {"metadata": {"name": "istiod", "namespace": "istio-system"}}
        running = self.plane.run(pod, self.lines.append, lambda _: ready.set(), environment)
        self.task = asyncio.create_task(running)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            self.task.result()

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def pod(self, name, *, kind="sidecar", labels=None, namespace="default", ip=None, ports=(), running=True):
        """Create a Pod whose proxy runs, as far as the API knows."""
        proxy = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.3", "args": ["proxy", kind]}
        app = {"name": "app", "image": "x", "ports": [{"containerPort": port} for port in ports]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
            "spec": {"containers": [app, proxy] if kind == "sidecar" else [proxy]},
        }
        self.client.create("pods", pod)
        ip = ip or self.address()
        state = (
            {"running": {"startedAt": "2026-01-01T00:00:00Z"}} if running else {"waiting": {"reason": "x"}}
        )
        statuses = [
            {
                "name": "istio-proxy",
                "ready": True,
                "restartCount": 0,
                "image": "",
                "imageID": "",
                "state": state,
            }
        ]
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "containerStatuses": statuses}
        return self.client.patch("pods", name, namespace, {"status": status}, subresource="status")

    def launch(self, pod):
        name, ip = pod["metadata"]["name"], pod["status"]["podIP"]
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        container = next(each for each in pod["spec"]["containers"] if each["name"] == "istio-proxy")
        command = proxy_command(Launch(pod, container, folder, ip, ip, {}), self.folder / "xds.sock")
        for file, content in command.files.items():
            (folder / file).write_text(content)
        log = folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(command.argv, cwd=folder, stdout=output, stderr=output)
        self.envoys.append(RunningEnvoy(name, ip, process, folder, command, command.unix_ports[15000], log))
        return self.envoys[-1]

    def envoy(self, name, **fields):
        """A pod and its Envoy."""
        return self.launch(self.pod(name, **fields))

    def change(self):
        """Make a change that istiod sees; the store's revision of it."""
        return self.settings(f"# change {next(self._changes)}\naccessLogFile: /dev/stdout\n")

    def settings(self, text):
        """Have *text* be the mesh's settings; the store's revision of it."""
        mesh = {"mesh": text}
        if self.client.find("configmaps", "istio", "istio-system") is None:
            found = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "istio", "namespace": "istio-system"},
            }
            return int(
                self.client.create("configmaps", {**found, "data": mesh})["metadata"]["resourceVersion"]
            )
        found = self.client.patch("configmaps", "istio", "istio-system", {"data": mesh})
        return int(found["metadata"]["resourceVersion"])

    async def debug(self, path):
        connector = aiohttp.UnixConnector(str(self.folder / "debug.sock"))
        async with (
            aiohttp.ClientSession("http://istiod", connector=connector) as session,
            session.get(path, raise_for_status=True) as answer,
        ):
            return await answer.json()

    async def logged(self, words, times=1, lines=None):
        """Wait until istiod has logged *words*, so many times."""
        async with asyncio.timeout(10):
            while sum(words in line for line in (self.lines if lines is None else lines)) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def synced(self, revision=None, seconds=10):
        """Wait for convergence; the status page."""
        revision = revision or self.client.revision
        page = await self.debug(f"/debug/syncz?revision={revision}&timeout={seconds}")
        assert page["converged"], json.dumps(page["proxies"], indent=1)[:3000] + "\n".join(self.lines[-20:])
        return page


def _namespaces(client):
    for name in ("default", "istio-system"):
        if client.find("namespaces", name) is None:
            client.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@contextlib.asynccontextmanager
async def running_mesh(**options):
    folder = Path(tempfile.mkdtemp(prefix="lkx"))
    store = Store(folder / "db")
    client = InProcessClient(store)
    _namespaces(client)
    mesh = Mesh(folder, client, ControlPlane(client, folder / "xds.sock", folder / "debug.sock", **options))
    try:
        await mesh.start()
        yield mesh
    finally:
        for envoy in mesh.envoys:
            envoy.process.kill()
            envoy.process.wait()
        await mesh.stop()
        store.close()
        shutil.rmtree(folder)


@pytest.fixture
async def mesh():
    """The real translation."""
    async with running_mesh() as running:
        yield running


@pytest.fixture
async def handmade():
    """The test translates: ``mesh.snapshots[pod] = lambda proxy: Snapshot(...)``."""
    snapshots = {}
    nothing = Snapshot({}, {}, {}, {})

    def translate(_, proxy):
        return snapshots[proxy.name](proxy) if proxy.name in snapshots else nothing

    async with running_mesh(translate=translate) as running:
        running.snapshots = snapshots
        yield running


@pytest.fixture
def resources():
    return Resources


@pytest.fixture
async def backend():
    """Start a little HTTP server that answers its name, on an address of its own; returns (host, port)."""
    runners, numbers = [], itertools.count(200)

    async def start(name, *, host=None, port=8000, wait=None):
        async def answer(_):
            if wait is not None:
                await wait.wait()
            return web.Response(text=name)

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(application, shutdown_timeout=0)
        await runner.setup()
        runners.append(runner)
        host = host or f"{NETWORK}.{next(numbers)}"
        await web.TCPSite(runner, host, port).start()
        return host, port

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def town(mesh, backend):
    mesh.change()  # the settings: access logs to stdout
    return Town(mesh, backend)
