"""SPDY/3.1: what kubectl spoke before WebSockets, by a client in miniature and by kubectl itself.

A kubectl of today falls back to SPDY where it is told to (``KUBECTL_REMOTE_COMMAND_WEBSOCKETS``).
"""

import asyncio
import struct
import subprocess
import urllib.request
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.embedded.api.streams.spdy import DICTIONARY, Arrived, Opened, SpdyConnection

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS = 1, 2, 3, 4, 6, 7, 8


class Client:
    """The other side, in bytes."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def control(self, kind: int, body: bytes, flags: int = 0) -> bytes:
        return struct.pack("!HHI", 0x8003, kind, flags << 24 | len(body)) + body

    def open(self, stream: int, **headers: str) -> bytes:
        return self.control(SYN_STREAM, struct.pack("!IIH", stream, 0, 0) + self.block(headers))

    def block(self, headers: dict[str, str]) -> bytes:
        texts = [text.encode() for pair in headers.items() for text in pair]
        plain = struct.pack("!I", len(headers)) + b"".join(struct.pack("!I", len(t)) + t for t in texts)
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def data(self, stream: int, data: bytes, flags: int = 0) -> bytes:
        return struct.pack("!II", stream, flags << 24 | len(data)) + data

    def headers_of(self, block: bytes) -> bytes:
        return self._inflate.decompress(block)


def conversation(sent: bytes, step: int = 1 << 20) -> tuple[list[Opened | Arrived], bytes]:
    """What a server makes of *sent*, which comes in pieces of *step* bytes, and what it answers."""
    pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
    answered = bytearray()

    async def read() -> bytes:
        return pieces.pop(0) if pieces else b""

    async def write(data: bytes) -> None:
        answered.extend(data)

    async def talk() -> list[Opened | Arrived]:
        connection, events = SpdyConnection(read, write), []
        while (event := await connection.receive()) is not None:
            events.append(event)
        return events

    return asyncio.run(talk()), bytes(answered)


def test_the_dictionary_is_everybodys():
    """Its checksum, as every SPDY/3 header block begins with it."""
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.integers(1, 40), st.binary(max_size=300), st.text("abc", max_size=20))
def test_streams_are_opened_and_read_however_the_bytes_come(step, data, text):
    client = Client()
    sent = client.open(1, streamtype="error", port=text) + client.open(3, streamtype="data")
    events, answered = conversation(sent + client.data(3, data) + client.data(1, b"", flags=1), step)
    assert events == [
        Opened(1, {"streamtype": "error", "port": text}),
        Opened(3, {"streamtype": "data"}),
        Arrived(3, data, end=False),
        Arrived(1, b"", end=True),
    ]
    length = struct.unpack_from("!I", answered, 4)[0]
    assert struct.unpack_from("!HHII", answered) == (0x8003, SYN_REPLY, length, 1)
    assert client.headers_of(answered[12 : 8 + length]) == struct.pack("!I", 0)


def test_what_is_no_stream():
    client = Client()
    ping = client.control(PING, struct.pack("!I", 7))
    settings = client.control(SETTINGS, bytes(4))
    late = client.control(HEADERS, struct.pack("!I", 1) + client.block({"late": "x"}))
    reset = client.control(RST_STREAM, struct.pack("!II", 1, 5))
    goodbye = client.control(GOAWAY, bytes(8))
    sent = ping + settings + late + client.open(1, late="y") + reset + goodbye + client.data(1, b"too late")
    events, answered = conversation(sent)
    assert events == [Opened(1, {"late": "y"}), Arrived(1, b"", end=True)]
    assert answered.startswith(ping)


async def test_large_data_is_cut():
    sent = bytearray()

    async def nothing() -> bytes:
        return b""

    async def write(data: bytes) -> None:
        sent.extend(data)

    await SpdyConnection(nothing, write).send(5, b"x" * 70_000, end=True)
    assert struct.unpack_from("!II", sent) == (5, 65_536)
    assert struct.unpack_from("!II", sent, 8 + 65_536) == (5, 1 << 24 | 4_464)


@pytest.fixture
def old(cluster) -> dict[str, str]:
    """The environment of a kubectl that does not try WebSockets."""
    names = ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS")
    return cluster.env | dict.fromkeys(names, "false")


def test_exec_over_spdy(cluster, old):
    words = (
        "exec",
        "-i",
        "-n",
        "istio-system",
        "deployment/istiod",
        "--",
        "sh",
        "-c",
        "cat; echo err >&2; exit 3",
    )
    done = cluster.run("kubectl", *words, env=old, input="x" * 1_000_000, check=False)
    assert (done.returncode, len(done.stdout)) == (3, 1_000_000)
    assert done.stderr == "err\ncommand terminated with exit code 3\n"


def test_a_refusal_over_spdy(cluster, old):
    words = ("exec", "-n", "istio-system", "deployment/istiod", "-c", "x", "--", "ls")
    refused = cluster.run("kubectl", *words, env=old, check=False)
    assert "container x is not valid for pod" in refused.stderr


def test_port_forward_over_spdy(old):
    command = ["kubectl", "port-forward", "-n", "istio-system", "deployment/istiod", ":15014"]
    with subprocess.Popen(command, env=old, stdout=subprocess.PIPE, text=True) as forward:
        port = forward.stdout.readline().split(":")[1].split()[0]
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=10) as answer:
                assert answer.read().startswith(b"1.30")
        forward.terminate()
