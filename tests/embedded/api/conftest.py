"""A real API server on a port of its own, in a thread, for clients that are real too."""

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from labkit.embedded.api import bootstrap
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.server import ApiServer
from labkit.embedded.cluster import certificates, kubeconfig
from labkit.embedded.interfaces import LogOptions, TcpAddress, UnixAddress
from labkit.embedded.status import ApiError
from labkit.embedded.store import Store

TOKEN = "a-token-of-the-tests"
T = TypeVar("T")


class FakeNode:
    """A node whose pods are what a test says."""

    def __init__(self) -> None:
        self.addresses: dict[tuple[str, int], TcpAddress | UnixAddress] = {}
        self.lines: list[bytes] = [b"first line\n", b"second line\n"]
        self.asked: list[LogOptions] = []

    async def logs(self, namespace: str, pod: str, options: LogOptions) -> AsyncIterator[bytes]:
        self.asked.append(options)
        for line in self.lines:
            yield line

    def dial(self, namespace: str, pod: str, port: int) -> TcpAddress | UnixAddress:
        try:
            return self.addresses[pod, port]
        except KeyError:
            raise ApiError(503, "ServiceUnavailable", f"nothing listens on {pod}:{port}") from None


class Answer:
    """What came back for one request."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def warnings(self) -> list[str]:
        return self.headers.get_all("Warning") or []


async def _let_go() -> None:
    """Some turns of the loop, in which it notices the connections that clients have closed."""
    for _ in range(10):
        await asyncio.sleep(0)


class Api:
    """The server under test, from outside (HTTP) and inside (its loop)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = certificates.ensure(folder / "pki")
        self.kubeconfig = folder / "kubeconfig"
        self.node = FakeNode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{port}"
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.certificates.certificate, self.certificates.key)
        self._thread.start()
        self.inside(lambda: self._make(port))
        self.run(self.server.start(listener, tls))
        authority = self.certificates.authority
        kubeconfig.update(self.kubeconfig, server=self.url, authority=authority, token=TOKEN)

    def _make(self, port: int) -> None:
        self.store = Store(self.folder / "state.db")
        self.client = InProcessClient(self.store)
        self.server = ApiServer(self.client, self.node, TOKEN)
        bootstrap.ensure(self.client, "127.0.0.1", port)

    def stop(self) -> None:
        self.run(self.server.stop())
        self.inside(self.store.close)
        self.run(_let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def inside(self, call: Callable[[], T]) -> T:
        """Run *call* where the cluster's own parts run."""

        async def called() -> T:
            return call()

        return self.run(called())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for *coroutine* on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def open(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The open response; urllib raises HTTPError for a refusal."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        every = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, every, method=method)
        context = ssl.create_default_context(cafile=str(self.certificates.authority))
        return urllib.request.urlopen(request, context=context, timeout=10)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The whole answer, also to a request that is refused."""
        try:
            with self.open(method, path, body, headers) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("GET", path, headers=headers).json


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    server = Api(tmp_path)
    server.start()
    server.inside(lambda: server.client.create("namespaces", {"metadata": {"name": "dev"}}))
    yield server
    server.stop()


Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(api: Api) -> Kubectl:
    """Types a kubectl command; returns what it printed, on both channels."""
    program = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl on PATH (Debian: apt-get install kubernetes-client)")
    env = {**os.environ, "KUBECONFIG": str(api.kubeconfig), "HOME": str(api.folder)}

    def run(*words: str, stdin: str = "", fails: bool = False) -> str:
        command = [program, *words]
        done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, timeout=60)
        printed = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, printed
        return printed

    return run
