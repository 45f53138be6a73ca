"""Istio's tcp-echo-server: says each line again, with a word before it.

``tcp-echo PORT[,PORT…] PREFIX``, as in ``tcp-echo 9000,9001 one``.
"""

from __future__ import annotations

import asyncio

from labkit.lessons.http import say, until_stopped

USAGE = "usage: tcp-echo PORT[,PORT...] PREFIX"


def main(words: list[str]) -> int:
    """Serve on every port until stopped; 1 for words that make no sense, or a port that is taken."""
    match words:
        case [ports, prefix] if all(each.isdecimal() for each in ports.split(",")):
            return asyncio.run(_serve([int(each) for each in ports.split(",")], prefix))
    say(USAGE)
    return 1


async def _serve(ports: list[int], prefix: str) -> int:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _echo(reader, writer, prefix)
        except (OSError, ValueError) as error:  # gone, or a line of more than 64 KiB
            say(f"failed to read data, err: {error}")
        finally:
            writer.close()

    for port in ports:
        try:
            await asyncio.start_server(handle, "0.0.0.0", port)
        except OSError as error:
            say(f"failed to create listener, err: listen tcp :{port}: bind: {error.strerror}")
            return 1
        say(f"listening on [::]:{port}, prefix: {prefix}")
    await until_stopped()
    return 0


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prefix: str) -> None:
    """Answer line by line; what comes after the last line's end is no line."""
    while (line := await reader.readline()).endswith(b"\n"):
        answer = prefix.encode() + b" " + line
        say(f"request: {line.decode(errors='replace').rstrip()}")
        say(f"response: {answer.decode(errors='replace').rstrip()}")
        writer.write(answer)
        await writer.drain()
