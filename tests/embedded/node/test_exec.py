"""Commands in a container: what they find there, how they end, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labkit.embedded.interfaces import ExecOptions, ExecSession, ProcessCommand
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.node.processes.run_records import start_time_of
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

if TYPE_CHECKING:
    from conftest import Node

TALKING = "trap 'exit 0' TERM; while :; do echo tick; sleep 0.05; done"


@pytest.fixture
def catalogue() -> Catalogue:
    def describe(script: str) -> ProcessImage:
        programs = {"greet": ["/bin/echo", "hello  to"]}
        return ProcessImage(
            lambda launch: ProcessCommand(
                ["/bin/sh", "-c", script], launch.environment, {"note": "text"}, programs=programs
            )
        )

    return Catalogue({"test/talking": describe(TALKING), "test/done": describe("exit 0")})


def pod(name: str, image: str = "test/talking", policy: str = "Always") -> Obj:
    container = {"name": "main", "image": image, "env": [{"name": "COLOUR", "value": "blue"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"restartPolicy": policy, "terminationGracePeriodSeconds": 2, "containers": [container]},
    }


@pytest.fixture
async def web(node: Node) -> Obj:
    node.client.create("pods", pod("web"))
    return await node.ready("web")


class Command:
    """One command in the pod `web`, and what it has written."""

    def __init__(self, session: ExecSession) -> None:
        self.session = session
        self.stdout = self.stderr = b""
        self._news = asyncio.Event()
        self._work: asyncio.Task[int] | None = None

    async def start(self) -> Command:
        await self.session.start()
        self._work = asyncio.create_task(self.session.run(self._keep))
        return self

    async def code(self) -> int:
        assert self._work
        async with asyncio.timeout(10):
            return await self._work

    async def wrote(self, text: bytes) -> None:
        async with asyncio.timeout(10):
            while text not in self.stdout:
                self._news.clear()
                await self._news.wait()

    async def leave(self) -> None:
        """As a client that goes."""
        if self._work:
            self._work.cancel()
            await asyncio.wait([self._work])
        await self.session.close()

    async def _keep(self, name: str, data: bytes) -> None:
        if name == "stdout":
            self.stdout += data
        else:
            self.stderr += data
        self._news.set()


@pytest.fixture
async def type_(node: Node, web: Obj) -> AsyncIterator[Callable[..., object]]:
    """Types a command; whatever still runs at the end of the test is closed."""
    begun: list[Command] = []

    async def start(*words: str, tty: bool = False) -> Command:
        options = ExecOptions("main", words, stdin=True, tty=tty)
        begun.append(Command(node.kubelet.exec("default", "web", options)))
        return await begun[-1].start()

    yield start
    for each in begun:
        await each.leave()


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while start_time_of(pid) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_finds_what_the_container_has(type_, web):
    command = await type_("sh", "-c", "echo $COLOUR $HOSTNAME; cat note; greet you; echo oops >&2; exit 3")
    assert await command.code() == 3
    assert command.stdout == b"blue web\ntexthello  to you\n"
    assert command.stderr == b"oops\n"


async def test_python_is_in_the_pods_network(type_, web):
    script = "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[0])"
    command = await type_("python", "-c", script)
    assert await command.code() == 0, command.stderr
    assert command.stdout.decode().strip() == web["status"]["podIP"]


async def test_input_to_its_end(type_):
    command = await type_("sort")
    for line in (b"two\n", b"one\n"):
        await command.session.feed(line)
    await command.session.feed(b"")
    assert await command.code() == 0
    assert command.stdout == b"one\ntwo\n"
    await command.session.feed(b"nobody reads this\n")


async def test_nobody_to_ask(node, web):
    silent = await Command(node.kubelet.exec("default", "web", ExecOptions("main", ["wc", "-c"]))).start()
    assert await silent.code() == 0
    assert silent.stdout == b"0\n"
    await silent.leave()


async def test_a_terminal(type_):
    command = await type_("sh", tty=True)
    command.session.resize(101, 33)
    await command.session.feed(b"stty size; tty; echo $TERM; echo oops >&2\n")
    await command.wrote(b"33 101")
    await command.wrote(b"xterm")
    await command.wrote(b"oops")
    await command.session.feed(b"sh -c 'echo star''ted; exec sleep 100'\n")
    await command.wrote(b"started")
    await command.session.feed(b"\x03")  # Ctrl-C ends the sleep, not the shell
    await command.session.feed(b"exit 5\n")
    assert await command.code() == 5
    assert not command.stderr


async def test_a_signals_exit_code(type_):
    assert await (await type_("sh", "-c", "kill -9 $$")).code() == 137


@pytest.mark.parametrize(
    "leave",
    ["sleep 50 &", "setsid sleep 50 &", "setsid sh -c 'sleep 50 & sleep 51' &"],
    ids=["background", "session", "grandchildren"],
)
async def test_nothing_stays_of_what_it_started(type_, leave):
    command = await type_("sh", "-c", f"{leave} echo $!; exit 0")
    assert await command.code() == 0
    await gone(int(command.stdout))


async def test_it_goes_with_the_client(type_):
    command = await type_("sh", "-c", "trap '' TERM HUP; sleep 60 & echo $! $$ .; wait")
    await command.wrote(b".")
    await command.leave()
    for pid in command.stdout.split()[:2]:
        await gone(int(pid))


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
async def test_it_goes_with_a_client_that_neither_reads_nor_is_read(node, web, tty):
    options = ExecOptions(
        "main", ["sh", "-c", "stty -echo 2>/dev/null; echo $$ .; exec yes"], stdin=True, tty=tty
    )
    session = node.kubelet.exec("default", "web", options)
    await session.start()
    first = asyncio.get_running_loop().create_future()

    async def send(_: str, data: bytes) -> None:
        first.set_result(data)
        await asyncio.Event().wait()

    passing = asyncio.create_task(session.run(send))
    pid = int((await first).split()[0])
    feeding = asyncio.create_task(session.feed(b"x" * 1_000_000))
    for task in (passing, feeding):
        task.cancel()
    await asyncio.gather(passing, feeding, return_exceptions=True)
    await asyncio.wait_for(session.close(), 1)
    assert start_time_of(pid) is None


async def test_it_goes_with_its_container(type_, node):
    command = await type_("sh", "-c", "echo $$ .; sleep 60")
    await command.wrote(b".")
    node.client.delete("pods", "web", "default")
    assert await command.code() == 143
    await gone(int(command.stdout.split()[0]))


async def test_no_container_that_runs(node):
    node.client.create("pods", pod("done", "test/done", "Never"))
    await node.until("done", lambda pod: pod.get("status", {}).get("phase") == "Succeeded")
    with pytest.raises(ApiError, match='container not found \\("main"\\)') as refused:
        node.kubelet.exec("default", "done", ExecOptions("main", ["true"]))
    assert refused.value.code == 500
    with pytest.raises(ApiError, match='pods "nope" not found'):
        node.kubelet.exec("default", "nope", ExecOptions("main", ["true"]))


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("./nosuch", 'exec: "./nosuch": stat ./nosuch: no such file or directory'),
        ("./note", 'exec: "./note": permission denied'),
        ("/", 'exec: "/": is a directory'),
    ],
)
async def test_what_cant_be_started(node, web, word, why):
    session = node.kubelet.exec("default", "web", ExecOptions("main", [word]))
    with pytest.raises(ApiError) as refused:
        await session.start()
    assert refused.value.message.startswith("Internal error occurred: error executing command in container:")
    assert why in refused.value.message
    await session.close()


async def test_attached_to_what_the_container_says_from_now_on(node, web):
    attached = await Command(node.kubelet.attach("default", "web", ExecOptions("main"))).start()
    await attached.wrote(b"tick\ntick\n")
    node.client.delete("pods", "web", "default")
    assert await attached.code() == 0


def test_inside_means_the_apps_side_first(node, web):
    address = web["status"]["podIP"]
    assert [each.host for each in node.kubelet.inside("default", "web", 80)] == [address]


def test_it_goes_with_the_daemon(tmp_path: Path):
    """The parent is killed; neither the command nor what it hid in another session survives."""
    script = f"echo $$ > {tmp_path}/one; setsid sleep 60 & echo $! > {tmp_path}/two; wait"
    starter = f"""
import subprocess, time
from labkit.embedded.node.inside import start
inside = start.Inside(start.Place("", "default", "web", "127.0.0.1", "127.0.0.1"))
subprocess.Popen(start.command_line(inside, "/bin/sh", ["sh", "-c", {script!r}]))
time.sleep(60)
"""
    daemon = subprocess.Popen([sys.executable, "-c", starter])
    deadline = time.monotonic() + 30  # an interpreter and two programs start
    try:
        while not ((tmp_path / "two").exists() and (tmp_path / "two").read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        daemon.kill()
        daemon.wait()
    pids = [int((tmp_path / name).read_text()) for name in ("one", "two")]
    deadline = time.monotonic() + 10
    while any(start_time_of(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_stray_processes(run_dir: Path):
    """The supervisors on record have all gone, too."""
    yield
    with contextlib.suppress(FileNotFoundError):
        for record in (run_dir / "processes").iterdir():
            os.kill(int(record.stem), signal.SIGKILL)
            raise AssertionError(f"left behind: {record.read_text()}")
