"""Every text a service can answer, each brought about by its real cause."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import pytest
from aiohttp import web

from labkit.services import master_system

Serve = Callable[[bytes], Awaitable[str]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with master_system.new_session("Test") as session:
        yield session


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve raw bytes to whoever connects, then close; returns the URL."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that is bound, so nobody else's, but refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_unknown_host(session: aiohttp.ClientSession) -> None:
    assert await master_system.call(session, "http://producer-internal-host", {}) == (
        'I/O error on GET request for "http://producer-internal-host": producer-internal-host; '
        "nested exception is java.net.UnknownHostException: producer-internal-host"
    )


async def test_refused(session: aiohttp.ClientSession, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    assert await master_system.call(session, url, {}) == (
        f'I/O error on GET request for "{url}": Connection refused (Connection refused); '
        "nested exception is java.net.ConnectException: Connection refused (Connection refused)"
    )


async def test_read_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_system, "READ_SECONDS", 0.05)
    over = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with silent, master_system.new_session("Test") as session:
        said = await master_system.call(session, url, {})
        over.set()
    assert said.endswith(
        ": Read timed out; nested exception is java.net.SocketTimeoutException: Read timed out"
    )


async def test_closed_without_an_answer(session: aiohttp.ClientSession, serve: Serve) -> None:
    url = await serve(b"")
    assert await master_system.call(session, url, {}) == (
        f'I/O error on GET request for "{url}": Unexpected end of file from server; '
        "nested exception is java.net.SocketException: Unexpected end of file from server"
    )


async def test_redirected_for_ever(session: aiohttp.ClientSession, serve: Serve) -> None:
    url = await serve(b"HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    said = await master_system.call(session, url, {})
    assert said.endswith("java.net.ProtocolException: Server redirected too many times (20)")


async def test_query_stays_out_of_the_message(session: aiohttp.ClientSession, serve: Serve) -> None:
    url = await serve(b"")
    assert f'"{url}/a":' in await master_system.call(session, f"{url}/a?secret=1", {})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"404 Not Found\r\ncontent-length: 0\r\n\r\n", "404 Not Found: [no body]"),
        (b"502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "502 Bad Gateway: [no body]"),
        (
            b"503 Service Unavailable\r\ncontent-length: 19\r\n\r\nno healthy upstream",
            '503 Service Unavailable: "no healthy upstream"',
        ),
        (b"500 Oops\r\ncontent-length: 4\r\n\r\na\nb\t", '500 Oops: "a<EOL>b?"'),
    ],
)
async def test_error_answers(session: aiohttp.ClientSession, serve: Serve, answer: bytes, said: str) -> None:
    assert await master_system.call(session, await serve(b"HTTP/1.1 " + answer), {}) == said


async def test_answer(session: aiohttp.ClientSession, serve: Serve) -> None:
    url = await serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    assert await master_system.call(session, url, {}) == f"Received response from master system ({url}): hi"


def test_only_trace_headers_are_passed_on() -> None:
    incoming = {"x-request-id": "1", "traceparent": "2", "b3": "3", "cookie": "4", "host": "5"}
    assert master_system.trace_headers(incoming) == {"x-request-id": "1", "traceparent": "2", "b3": "3"}


@pytest.mark.parametrize("its_id", ["", "a b", "x)", "é", "a" * 65, "a\r\nb: c"])
def test_what_is_no_id_is_not_named(its_id: str) -> None:
    assert master_system.user_agent("ServiceC", {"x-request-id": its_id}) == "ServiceC"


async def test_a_caller_passes_on_the_request_id() -> None:
    """The whole service, as the image runs it, with a master system of ours at its URL."""
    seen: list[tuple[str, str]] = []

    async def master(request: web.Request) -> web.Response:
        seen.append((request.headers["x-request-id"], request.headers["user-agent"]))
        return web.Response(text="Hello!")

    app = web.Application()
    app.add_routes([web.get("/", master)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    with running("outbound", OUTBOUND_URL=f"http://127.0.0.1:{url}/") as service:
        request = urllib.request.Request(service.url, headers={"x-request-id": "abc"})
        said = await asyncio.to_thread(read, request)
    await runner.cleanup()
    assert seen == [("abc", "Outbound (request abc)")]
    assert said == (
        "Hello from Outbound! Calling master system API... "
        f"Received response from master system (http://127.0.0.1:{url}/): Hello!"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("service-b", "Hello from ServiceB!"),
        ("service-ext", "Hello from External Cluster Service!"),
        ("outside", "Hello from outside the mesh!"),
        (
            "service-a",
            'Hello from ServiceA! Calling master system API... I/O error on GET request for "http://'
            'producer-internal-host": producer-internal-host; nested exception is '
            "java.net.UnknownHostException: producer-internal-host",
        ),
    ],
)
def test_services_answer_and_stop(name: str, said: str) -> None:
    with running(name) as service:
        assert read(service.url) == said
        assert read(service.url + "health") == "ok"
    assert service.process.returncode == 0
    assert service.lines[0].endswith(f"is listening on port {service.port}")
    assert service.lines[-1].endswith("has stopped")


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "-m", "labkit.services", "x"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "service-a, service-b" in done.stderr


def read(request: str | urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.read().decode())


class running:  # noqa: N801 - used as a statement
    """One service as its image starts it, on a free port, stopped politely at the end."""

    def __init__(self, name: str, **variables: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labkit.services", name],
            env=os.environ | {"PORT": str(self.port)} | variables,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> running:
        assert self.process.stdout
        self.lines.append(self.process.stdout.readline().strip())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=10)
        self.lines.extend(rest.split("\n")[:-1])
