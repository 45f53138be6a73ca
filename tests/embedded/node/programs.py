"""Unmodified programs as apps of pods, a real Envoy configured by hand as their sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from labkit.embedded.addresses import OUTBOUND_SOCKET, app_address
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.mesh.bootstrap import envoy_path
from labkit.embedded.node.inside.node import Place
from labkit.embedded.node.processes.process import SupervisedProcess
from labkit.embedded.node.processes.run_records import RunRecords
from labkit.embedded.objects import Obj
from labkit.embedded.open_ports import OpenPorts

CLUSTER_IP = "127.10.7.7"
EXTENSIONS = "type.googleapis.com/envoy.extensions"


class Programs:
    """Starts Python programs as apps of pods, and keeps their output."""

    def __init__(self, run_dir: Path, records: RunRecords) -> None:
        self._run_dir, self._records = run_dir, records
        self._running: list[SupervisedProcess] = []
        self.output: dict[str, str] = {}
        self.open_ports = OpenPorts()

    def start(self, name: str, argv: list[str], environment: dict[str, str]) -> SupervisedProcess:
        self.output[name] = ""

        def keep(chunk: bytes) -> None:
            self.output[name] += chunk.decode()

        process = SupervisedProcess.start(
            argv, environment=environment, directory=self._run_dir, on_output=keep, records=self._records
        )
        self._running.append(process)
        return process

    def app(self, name: str, pod_ip: str, code: str, *, sidecar: bool) -> SupervisedProcess:
        environment = self.place(name, pod_ip, sidecar=sidecar).shim_environment()
        return self.start(name, [sys.executable, "-c", textwrap.dedent(code)], environment)

    def place(self, name: str, pod_ip: str, *, sidecar: bool) -> Place:
        return Place(
            str(self._run_dir / "network.sock"),
            namespace="default",
            pod=name,
            pod_ip=pod_ip,
            app_ip=app_address(pod_ip) if sidecar else pod_ip,
            sidecar=str(self._run_dir / OUTBOUND_SOCKET) if sidecar else "",
        )

    async def said(self, name: str, pod_ip: str, code: str, *, sidecar: bool) -> str:
        """What the program printed, once it has ended."""
        code_ = await self.app(name, pod_ip, code, sidecar=sidecar).exited
        assert code_ == 0, self.output[name]
        return self.output[name].strip()

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop(2) for process in self._running))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - nothing tells us when others listen
            await asyncio.sleep(0.01)


SERVER = """
    import asyncio
    from aiohttp import web
    async def hello(request):
        return web.Response(text=f"{request.remote} {request.host}")
    app = web.Application()
    app.add_routes([web.get("/", hello)])
    web.run_app(app, host=HOST, port=8082, print=None)
"""

CLIENT = """
    import asyncio, aiohttp
    async def main():
        async with aiohttp.ClientSession() as session:
            for url in URLS:
                async with session.get(url) as answer:
                    print(answer.status, await answer.text())
    asyncio.run(main())
"""


def service(name: str, cluster_ip: str, port: int, target: str, namespace: str = "default") -> list[Obj]:
    meta = {"name": name, "namespace": namespace}
    labels = {"kubernetes.io/service-name": name}
    ports = [{"name": "http", "port": port, "targetPort": 8082, "protocol": "TCP"}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8082, "protocol": "TCP"}],
            "endpoints": [{"addresses": [target], "conditions": {"ready": True}}] if target else [],
        },
    ]


def create(client: InProcessClient, objects: list[Obj]) -> None:
    client.create("services", objects[0])
    client.create("endpointslices.discovery.k8s.io", objects[1])


def manager(routes: list[dict[str, Any]]) -> dict[str, Any]:
    line = "%REQ(:AUTHORITY)% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\n"
    stdout = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    form = {"@type": stdout, "log_format": {"text_format_source": {"inline_string": line}}}
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    http = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    config = {
        "@type": f"{http}.HttpConnectionManager",
        "stat_prefix": "test",
        "access_log": [{"name": "stdout", "typed_config": form}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def outbound_listener(filters: list[dict[str, Any]]) -> dict[str, Any]:
    """``virtualOutbound``; *filters* take what no other listener does."""
    proxy_protocol = {"@type": f"{EXTENSIONS}.filters.listener.proxy_protocol.v3.ProxyProtocol"}
    return {
        "name": "virtualOutbound",
        "address": {"pipe": {"path": OUTBOUND_SOCKET, "mode": 0o600}},
        "use_original_dst": True,
        "listener_filters": [{"name": "proxy_protocol", "typed_config": proxy_protocol}],
        "filter_chains": [{"filters": filters}],
    }


def sidecar_config(pod_ip: str, target: str) -> str:
    """Istio's outbound layout in small: virtualOutbound, and what it hands connections to port 80 to."""
    tcp_proxy = {
        "@type": f"{EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "black_hole",
        "cluster": "BlackHoleCluster",
    }
    outbound = outbound_listener([{"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp_proxy}])
    port_80 = {
        "name": "0.0.0.0_80",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
        "bind_to_port": False,
        "filter_chains": [
            {"filters": [manager([{"match": {"prefix": "/"}, "route": {"cluster": "target"}}])]}
        ],
    }
    endpoint = {"endpoint": {"address": {"socket_address": {"address": target, "port_value": 8082}}}}
    clusters = [
        {
            "name": "target",
            "type": "STATIC",
            "upstream_bind_config": {"source_address": {"address": pod_ip, "port_value": 0}},
            "load_assignment": {"cluster_name": "target", "endpoints": [{"lb_endpoints": [endpoint]}]},
        },
        {"name": "BlackHoleCluster", "type": "STATIC"},
    ]
    return json.dumps({"static_resources": {"listeners": [outbound, port_80], "clusters": clusters}})


async def takes_connections(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


@contextlib.asynccontextmanager
async def sidecar(programs: Programs, run_dir: Path, pod_ip: str, target: str) -> AsyncIterator[None]:
    async with started_envoy(programs, run_dir, sidecar_config(pod_ip, target)):
        yield


@contextlib.asynccontextmanager
async def started_envoy(programs: Programs, run_dir: Path, config: str) -> AsyncIterator[None]:
    (run_dir / "envoy.json").write_text(config)
    flags = ["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--file-flush-min-size-kb", "0"]
    process = programs.start("envoy", [str(envoy_path()), "-c", "envoy.json", *flags], {})
    await until(lambda: takes_connections(run_dir / OUTBOUND_SOCKET))
    yield
    await process.stop(5)
