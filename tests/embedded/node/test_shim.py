"""The pod network with the real thing: unmodified aiohttp programs and a real Envoy."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.embedded.addresses import app_address
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.node.containers import probes

from .programs import CLIENT, CLUSTER_IP, SERVER, Programs, create, service, sidecar, until


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
        ("http://127.10.99.99", "Connection refused"),
    ],
)
async def test_what_is_not_there_fails_at_once(
    programs: Programs, address: Callable[[int], str], client: InProcessClient, url: str, error: str
) -> None:
    create(client, service("empty", "127.10.7.8", 80, ""))
    code = f"""
        import asyncio, aiohttp, time
        async def main():
            begin = time.monotonic()
            try:
                async with aiohttp.ClientSession() as session, session.get({url!r}):
                    print("answered")
            except aiohttp.ClientError as error:
                print(type(error).__name__, error)
            assert time.monotonic() - begin < 4, "nothing was waited for: it would be for 5 s"
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
        print(socket.socket().connect_ex(("127.10.7.7", 80)))
    """
    assert await programs.said("client", address(3), code, sidecar=True) == "111"


async def test_many_connections_at_once(
    programs: Programs, address: Callable[[int], str], client: InProcessClient, run_dir: Path
) -> None:
    create(client, service("hello", CLUSTER_IP, 80, address(2)))
    programs.app("server", address(2), SERVER.replace("HOST", "None"), sidecar=False)
    await until(lambda: probes.listens(address(2), 8082))
    code = """
        import asyncio, aiohttp
        async def main():
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                async def get():
                    async with session.get("http://hello", headers={"connection": "close"}) as answer:
                        return answer.status
                print(set(await asyncio.gather(*(get() for _ in range(300)))))
        asyncio.run(main())
    """
    async with sidecar(programs, run_dir, address(3), address(2)):
        said = await programs.said("client", address(3), code, sidecar=True)
    assert said == "{200}"


LISTENING = """
    import socket
    named = [socket.create_server(each) for each in (("127.0.0.1", 7001), ("0.0.0.0", 7002), ("", 7003))]
    six = socket.create_server(("::", 7004), family=socket.AF_INET6)
    input()
    named[2].close()
    del named[2]
    input()
"""


@pytest.mark.parametrize("sidecar", [True, False])
async def test_the_node_knows_what_listens_behind_a_sidecar(
    programs: Programs, address: Callable[[int], str], sidecar: bool
) -> None:
    """But for what is the pod's own: its ``localhost``."""
    pod_ip = address(70)
    place = programs.place("server", pod_ip, sidecar=sidecar)
    code = textwrap.dedent(LISTENING)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdin=asyncio.subprocess.PIPE, env=place.shim_environment()
    )
    assert program.stdin
    for ports in ({7002, 7003, 7004}, {7002, 7004}, set[int]()):

        async def are_known(ports: set[int] = ports) -> bool:
            known = programs.open_ports.by_pod().get(pod_ip, frozenset())
            return known == (ports if sidecar else set())

        await until(are_known)
        program.stdin.write(b"\n")
    assert await program.wait() == 0
