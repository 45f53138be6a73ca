"""Commands that the node itself runs in a container: ``exec`` probes and lifecycle hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.embedded.node.inside.start import command_line
from labkit.embedded.node.processes.exec_process import Command, ExecProcess
from labkit.embedded.node.processes.programs import NoProgram, find_program
from labkit.embedded.node.processes.run_records import RunRecords
from labkit.embedded.node.processes.runs import Surroundings

LONGEST_OUTPUT = 10 * 1024  # bytes of it that are kept, as the kubelet keeps of a probe's


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str


def command_in(found: Surroundings, words: Sequence[str], *, tty: bool) -> Command:
    """What to start for *words* to run in a container; NoProgram where there is no such program."""
    variables = {"TERM": "xterm"} | dict(found.environment) if tty else found.environment
    program = find_program(words[0], variables, str(found.directory), found.inside.mounts)
    argv = command_line(found.inside, program, words)
    return Command(program, argv, variables, found.directory, tty)


async def run(found: Surroundings, words: Sequence[str], records: RunRecords, what: str) -> Ended:
    """Run *words* to their end, which cancelling brings about, too; without input."""
    try:
        process = await ExecProcess.start(command_in(found, words, tty=False), records, what)
    except (OSError, NoProgram) as error:
        return Ended(126, str(error))
    output = bytearray()

    async def keep(_: Literal["stdout", "stderr"], data: bytes) -> None:
        output.extend(data[: LONGEST_OUTPUT - len(output)])

    try:
        await process.feed(b"")
        code = await process.run(keep)
    finally:
        await asyncio.shield(process.close())
    return Ended(code, output.decode(errors="replace"))
