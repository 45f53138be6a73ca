"""What is asked of a container after its start and before its end, and what it leaves in its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

from labkit.embedded.interfaces import ProcessCommand
from labkit.embedded.node.containers import probes
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.objects import Obj

from .test_inside import pod, succeeded

if TYPE_CHECKING:
    from conftest import Node


@pytest.fixture
def catalogue() -> Catalogue:
    """One image: a shell, that runs the container's arguments."""
    shell = ProcessImage(lambda launch: ProcessCommand(["/bin/sh", *launch.container.get("args", [])]))
    return Catalogue({"test/sh": shell})


class Asked:
    """An HTTP server that keeps what it was asked."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        agent = next(each for each in head.splitlines() if each.startswith("User-Agent"))
        self.lines.put_nowait(f"{head.splitlines()[0]} {agent}")
        writer.write(b"HTTP/1.1 500 Sorry\r\ncontent-length: 0\r\n\r\n")
        writer.close()


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    handler = Asked()
    async with await asyncio.start_server(handler, "127.0.0.1") as server:
        handler.port = server.sockets[0].getsockname()[1]
        yield handler


async def test_hooks_make_requests_whatever_is_answered(node: Node, asked: Asked) -> None:
    def get(path: str) -> Obj:
        return {"httpGet": {"host": "127.0.0.1", "port": asked.port, "path": path}}

    spec = pod("-c", "sleep 100", lifecycle={"postStart": get("/begin?a=b"), "preStop": get("/end")})
    node.client.create("pods", spec)
    await node.ready("web")
    async with asyncio.timeout(10):
        assert await asked.lines.get() == "GET /begin?a=b HTTP/1.1 User-Agent: kube-lifecycle/1.34"
    node.client.delete("pods", "web", "default")
    await node.gone("web")
    assert asked.lines.get_nowait().startswith("GET /end HTTP/1.1")


async def test_a_hook_that_reaches_nobody_ends_the_container(node: Node) -> None:
    spec = pod("-c", "sleep 100", lifecycle={"postStart": {"httpGet": {"port": 9}}})
    spec["spec"]["restartPolicy"] = "Never"
    spec["spec"]["terminationGracePeriodSeconds"] = 1
    node.client.create("pods", spec)
    await node.until("web", lambda seen: seen.get("status", {}).get("phase") == "Failed")
    said = dict(node.events("web"))["FailedPostStartHook"]
    assert said.startswith('PostStartHook failed: Get "http://127.')
    assert said.endswith("connect: connection refused")


def last_words(seen: Obj) -> str:
    state = seen["status"]["containerStatuses"][0]["state"]["terminated"]
    return str(state.get("message", ""))


def ended(seen: Obj) -> bool:
    return seen.get("status", {}).get("phase") in ("Failed", "Succeeded")


@pytest.mark.parametrize(
    ("script", "fields", "message"),
    [
        ("printf DONE >/dev/termination-log", {}, "DONE"),
        ("printf DONE >/dev/words", {"terminationMessagePath": "/dev/words"}, "DONE"),
        ("echo loud; exit 1", {}, ""),
        ("echo loud; exit 1", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "loud\n"),
        ("echo loud", {"terminationMessagePolicy": "FallbackToLogsOnError"}, ""),
        ("seq 1 2000 >/dev/termination-log; exit 2", {}, "".join(f"{n}\n" for n in range(1, 2001))[-4096:]),
    ],
)
async def test_a_container_leaves_a_message(
    node: Node, script: str, fields: dict[str, Any], message: str
) -> None:
    spec = pod("-c", script, **fields)
    spec["spec"]["restartPolicy"] = "Never"
    node.client.create("pods", spec)
    assert last_words(await node.until("web", ended)) == message


class HealthServer:
    """A gRPC server with the service of health, which says *status*, and knows the service ``known``."""

    def __init__(self, status: int) -> None:
        self._status = status

    async def check(self, request: bytes, context: Any) -> bytes:
        if request not in (b"", b"\x0a\x05known"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes([0x08, self._status])

    async def start(self) -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server()
        method = grpc.unary_unary_rpc_method_handler(self.check)
        handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port


async def no_command(_: object) -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    ("status", "service", "message"),
    [
        (1, "", ""),
        (1, "known", ""),
        (2, "", 'service unhealthy (responded with "NOT_SERVING")'),
        (1, "other", "error: health rpc probe failed: unknown service"),
    ],
)
async def test_grpc_probes(status: int, service: str, message: str) -> None:
    server, port = await HealthServer(status).start()
    try:
        probe = {"grpc": {"port": port, "service": service}, "timeoutSeconds": 10}
        outcome = await probes.attempt(probe, {}, "127.0.0.1", no_command)
        assert (outcome.ok, outcome.message) == (not message, message)
    finally:
        await server.stop(None)


async def test_a_grpc_probe_where_nobody_listens() -> None:
    outcome = await probes.attempt({"grpc": {"port": 9}}, {}, "127.0.0.1", no_command)
    assert outcome.message.startswith('timeout: failed to connect service "127.0.0.1:9" within 1s: ')


async def test_a_container_is_not_ready_before_its_initial_delay(node: Node) -> None:
    probe = {"exec": {"command": ["true"]}, "initialDelaySeconds": 2}
    node.client.create("pods", pod("-c", "sleep 100", readinessProbe=probe))
    begin = asyncio.get_running_loop().time()
    await node.ready("web")
    assert asyncio.get_running_loop().time() - begin >= 2


async def test_a_place_of_this_machine(node: Node, outside_tmp: Any) -> None:
    (outside_tmp / "seen").write_text("of the machine")
    volumes = [{"name": "v", "hostPath": {"path": str(outside_tmp), "type": "Directory"}}]
    mounts = [{"name": "v", "mountPath": "/machine"}]
    script = "cat /machine/seen && echo by a pod >/machine/written"
    node.client.create("pods", pod("-c", script, volumes=volumes, volumeMounts=mounts))
    await node.until("web", succeeded)
    assert (outside_tmp / "written").read_text() == "by a pod\n"


async def test_a_place_that_is_not_what_it_should_be(node: Node, outside_tmp: Any) -> None:
    volumes = [{"name": "v", "hostPath": {"path": str(outside_tmp), "type": "File"}}]
    mounts = [{"name": "v", "mountPath": "/machine"}]
    node.client.create("pods", pod("-c", "true", volumes=volumes, volumeMounts=mounts))
    async with asyncio.timeout(10):
        async for event in node.client.watch("events"):
            if event.object.get("reason") == "FailedMount":
                break
    assert event.object["message"].endswith(f"hostPath type check failed: {outside_tmp} is not a file")
