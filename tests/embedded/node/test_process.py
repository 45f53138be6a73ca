"""A supervised process: starts, ends, stops, and what becomes of its children."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labkit.embedded.node.processes.process import StartEnding, SupervisedProcess
from labkit.embedded.node.processes.run_records import RunRecords, start_time_of

Start = Callable[..., SupervisedProcess]


@pytest.fixture
def output() -> bytearray:
    return bytearray()


@pytest.fixture
async def start(run_dir: Path, records: RunRecords, output: bytearray) -> AsyncIterator[Start]:
    started: list[SupervisedProcess] = []

    def begin(*argv: str) -> SupervisedProcess:
        started.append(
            SupervisedProcess.start(
                argv,
                environment={"PATH": os.environ["PATH"], "ONE": "1"},
                directory=run_dir,
                on_output=output.extend,
                records=records,
                what="test",
            )
        )
        return started[-1]

    yield begin
    for process in started:
        await process.stop(0)


def shell(script: str) -> tuple[str, ...]:
    return "/bin/sh", "-c", script


async def printed(output: bytearray, text: bytes) -> None:
    async with asyncio.timeout(5):
        while text not in output:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_output_and_exit_code(start: Start, output: bytearray) -> None:
    assert await start(*shell("echo one; echo two >&2; exit 7")).exited == 7
    assert output == b"one\ntwo\n"


async def test_all_output_arrives_before_the_end(start: Start, output: bytearray) -> None:
    await start(*shell("yes | head -c 1000000")).exited
    assert len(output) == 1_000_000


async def test_it_gets_only_the_environment_it_is_given(start: Start, output: bytearray) -> None:
    await start("/usr/bin/env").exited
    names = {line.split(b"=")[0] for line in bytes(output).splitlines()}
    assert names <= {b"PATH", b"ONE", b"LC_CTYPE"}


async def test_ready(start: Start) -> None:
    assert await start(*shell("sleep 60")).ready(yes, within=5) is StartEnding.READY


async def test_exited_before_it_was_ready(start: Start) -> None:
    assert await start(*shell("exit 1")).ready(no, within=5) is StartEnding.EXITED


async def test_too_slow(start: Start) -> None:
    assert await start(*shell("sleep 60")).ready(no, within=0.05) is StartEnding.TOO_SLOW


async def test_polite_stop(start: Start, output: bytearray) -> None:
    process = start(*shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"))
    await printed(output, b"up\n")
    assert await process.stop(5) == 0
    assert output.endswith(b"bye\n")


async def test_a_process_that_will_not_stop_is_killed(start: Start, output: bytearray) -> None:
    process = start(*shell("trap '' TERM; echo up; while :; do sleep 0.01; done"))
    await printed(output, b"up\n")
    assert await process.stop(0.05) == 128 + signal.SIGKILL


async def test_stopping_twice_is_fine(start: Start) -> None:
    process = start(*shell("sleep 60"))
    assert await process.stop(5) == await process.stop(5) == 128 + signal.SIGTERM


async def test_its_children_go_with_it(start: Start, output: bytearray) -> None:
    process = start(*shell("sleep 61 & echo $!; exit 3"))
    assert await process.exited == 3
    child = int(output)
    async with asyncio.timeout(5):
        while start_time_of(child) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_missing_program_says_so(start: Start, output: bytearray) -> None:
    assert await start("/nowhere/envoy").exited == 127
    assert output == b"cannot start /nowhere/envoy: No such file or directory\n"


async def test_without_pidfds_the_end_is_noticed_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert await start(*shell("exit 5")).exited == 5


async def test_without_pidfds_many_that_run_on_hide_no_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    start(*shell("sleep 60"))
    async with asyncio.timeout(10):
        assert await start(*shell("exit 5")).exited == 5
        assert await asyncio.to_thread(int, "5") == 5


async def test_it_is_on_record_while_it_lives(start: Start, records: RunRecords) -> None:
    process = start(*shell("sleep 60"))
    assert [(each.pid, each.what) for each in records.alive()] == [(process.pid, "test")]
    await process.stop(5)
    assert records.alive() == []


async def test_a_stray_is_ended_by_its_record(start: Start, records: RunRecords) -> None:
    process = start(*shell("sleep 60"))
    assert [each.pid for each in records.kill_all()] == [process.pid]
    assert await process.exited == 128 + signal.SIGKILL


def test_a_pid_that_passed_to_another_process_is_left_alone(records: RunRecords) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        records.add(other.pid, "test")
        path = records.directory / f"{other.pid}.json"
        path.write_text(
            path.read_text().replace(f'"start_time": {start_time_of(other.pid)}', '"start_time": 1')
        )
        assert records.kill_all() == []
        assert other.poll() is None
        other.kill()


def test_it_dies_with_its_daemon(run_dir: Path) -> None:
    """``kill -9`` of the parent: the child can't be told, the kernel ends it."""
    daemon = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from labkit.embedded.node.processes.process import SupervisedProcess
        from labkit.embedded.node.processes.run_records import RunRecords

        async def main():
            SupervisedProcess.start(
                ["/bin/sh", "-c", "echo $$; exec sleep 60"], environment={}, directory=Path("."),
                on_output=lambda chunk: print(chunk.decode(), end="", flush=True),
                records=RunRecords(Path("processes")))
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", daemon], cwd=run_dir, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        descriptor = os.pidfd_open(child)
        parent.kill()
        assert select.select([descriptor], [], [], 5)[0], "the child lives on without its daemon"
    os.close(descriptor)
