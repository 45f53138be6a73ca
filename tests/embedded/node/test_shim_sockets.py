"""A connection through the sidecar is a TCP connection, for all that a program can ask of it.

Each program runs twice: in a pod without sidecar, where it holds a real TCP connection, and behind a real
Envoy that passes every connection on to where it was meant to go. Both times it has to say the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import itertools
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from labkit.embedded.addresses import OUTBOUND_SOCKET
from labkit.embedded.node.containers import probes

from .programs import EXTENSIONS, Programs, outbound_listener, started_envoy, until

PORT = 9090


@pytest.fixture
def address(block: int) -> Callable[[int], str]:
    return lambda number: f"127.{block}.9.{number}"


@pytest.fixture
async def echo(address: Callable[[int], str]) -> AsyncIterator[str]:
    """Says every line back, and how much it got once the other side has ended; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = 0
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                got += len(line)
                writer.write(b"echo " + line if len(line) < 100 else b"")
            writer.write(b"%d bytes\n" % got)
        writer.close()

    async with await asyncio.start_server(answer, address(2), PORT, limit=2**22):
        yield address(2)


def passing_on(pod_ip: str) -> str:
    """virtualOutbound as ALLOW_ANY has it, alone; its log names both ends of each connection."""
    line = "ends %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%\n"
    stdout = f"{EXTENSIONS}.access_loggers.stream.v3.StdoutAccessLog"
    form = {"@type": stdout, "log_format": {"text_format_source": {"inline_string": line}}}
    onward = {
        "@type": f"{EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "onward",
        "cluster": "PassthroughCluster",
        "access_log": [{"name": "stdout", "typed_config": form}],
    }
    cluster = {
        "name": "PassthroughCluster",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "upstream_bind_config": {"source_address": {"address": pod_ip, "port_value": 0}},
    }
    listener = outbound_listener([{"name": "envoy.filters.network.tcp_proxy", "typed_config": onward}])
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})


class Twice:
    """Runs programs in both pods."""

    def __init__(self, programs: Programs, address: Callable[[int], str]) -> None:
        self.programs, self._address = programs, address
        self._numbers = itertools.count(1)

    async def say(self, code: str) -> str:
        """What *code* printed, the same both times."""
        with_proxy, alone = [await self.run(code, sidecar=sidecar) for sidecar in (True, False)]
        assert with_proxy == alone
        return with_proxy

    async def run(self, code: str, *, sidecar: bool = True) -> str:
        name = f"program-{next(self._numbers)}"
        return await self.programs.said(name, self._address(3), code, sidecar=sidecar)

    async def ends(self, count: int) -> set[tuple[str, str]]:
        """What the sidecar took for destination and source of the first *count* connections to end."""
        found: list[tuple[str, str]] = []

        async def are_logged() -> bool:
            found[:] = re.findall(r"^ends (\S+) (\S+)$", self.programs.output["envoy"], re.MULTILINE)
            return len(found) >= count

        await until(are_logged)
        return set(found)


@pytest.fixture
async def twice(programs: Programs, address: Callable[[int], str], run_dir: Path) -> AsyncIterator[Twice]:
    async with started_envoy(programs, run_dir, passing_on(address(3))):
        yield Twice(programs, address)


BLOCKING = """
    import errno, os, socket, sys, tempfile
    TARGET = {target!r}
    def tell(name, value):
        print(name, value)
    def port_masked(address):
        return (address[0], address[1] > 1023)
    def refused(call, *words):
        try:
            return call(*words)
        except OSError as error:
            return errno.errorcode[error.errno]
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    os.set_inheritable(s.fileno(), True)
    fd = s.fileno()
    s.connect(TARGET)
    tell("same descriptor", s.fileno() == fd)
    tell("inheritable", os.get_inheritable(fd))
    tell("blocking", os.get_blocking(fd))
    tell("kind", (s.family, s.type, s.proto))
    tell("peer", s.getpeername())
    tell("own", port_masked(s.getsockname()))
    tell("repr", str(TARGET) in repr(s))
    for level, option in (
        ("SOL_SOCKET", "SO_TYPE"), ("SOL_SOCKET", "SO_ERROR"), ("SOL_SOCKET", "SO_KEEPALIVE"),
        ("SOL_SOCKET", "SO_DOMAIN"), ("SOL_SOCKET", "SO_PROTOCOL"), ("SOL_SOCKET", "SO_REUSEADDR"),
        ("IPPROTO_TCP", "TCP_NODELAY"), ("IPPROTO_TCP", "TCP_KEEPIDLE"), ("IPPROTO_TCP", "TCP_KEEPCNT"),
        ("IPPROTO_IP", "IP_TTL"),
    ):
        number = {{"SO_DOMAIN": 39, "SO_PROTOCOL": 38}}.get(option) or getattr(socket, option)
        tell(option, s.getsockopt(getattr(socket, level), number))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    tell("set later", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT))
    tell("impossible", refused(s.setsockopt, socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1000))
    tell("no such option", refused(s.setsockopt, socket.IPPROTO_TCP, 9999, 1))
    tell("again", refused(s.connect, TARGET))
    tell("again, as a number", errno.errorcode[s.connect_ex(TARGET)])
    tell("bind", refused(s.bind, ("127.0.0.1", 0)))
    s.sendall(b"one\\n")
    tell("recvfrom", s.recvfrom(100))
    with s.makefile("rwb") as file:
        file.write(b"two\\n"); file.flush()
        tell("file", file.readline())
    copy = s.dup()
    tell("dup", (copy.getpeername() == s.getpeername(), copy.getsockname() == s.getsockname()))
    tell("dup's options", copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT))
    copy.close()
    copy = socket.fromfd(s.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    tell("fromfd", (copy.family, copy.getpeername()))
    s.close()
    s = socket.socket(fileno=copy.detach())
    tell("detached", (s.family, s.type, s.proto, s.getpeername()))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 2**20 + b"\\n"); file.seek(0)
        tell("sendfile", s.sendfile(file))
    s.settimeout(0.05)
    try:
        s.recv(1)
    except TimeoutError as error:
        tell("timeout", error)
    s.settimeout(10)
    s.shutdown(socket.SHUT_WR)
    tell("after shutdown", s.makefile("rb").read())
    s.close()
    tell("closed", refused(s.getpeername))
    plain = socket.create_connection(TARGET, timeout=5)
    tell("create_connection", (plain.getpeername(), plain.gettimeout(), os.get_blocking(plain.fileno())))
    tell("not inheritable", os.get_inheritable(plain.fileno()))
    tell("untouched", plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    given = socket.socket(fileno=plain.detach())
    plain.close()
    tell("given away", given.getpeername())
    given.close()
"""


async def test_a_blocking_socket(twice: Twice, echo: str, address: Callable[[int], str]) -> None:
    said = await twice.say(BLOCKING.format(target=(echo, PORT)))
    assert f"own ('{address(3)}', True)" in said
    assert "after shutdown b'1048585 bytes\\n'" in said
    ends = await twice.ends(2)
    assert {destination for destination, _ in ends} == {f"{echo}:{PORT}"}
    assert {source.partition(":")[0] for _, source in ends} == {address(3)}


ASYNC = """
    import asyncio, socket
    TARGET = {target!r}
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as s:
            s.setblocking(False)
            await loop.sock_connect(s, TARGET)
            await loop.sock_sendall(s, b"raw\\n")
            print(await loop.sock_recv(s, 100), s.getpeername(), s.gettimeout())
        own = (socket.gethostbyname("127.0.0.1"), 0)
        for local in (None, own):
            reader, writer = await asyncio.open_connection(*TARGET, local_addr=local)
            s = writer.get_extra_info("socket")
            print(writer.get_extra_info("peername"), writer.get_extra_info("sockname")[1] > 1023)
            print(s.family, s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.write(b"streamed\\n")
            print(await reader.readline())
            writer.write_eof()
            print(await reader.read())
            writer.close()
            await writer.wait_closed()
        with open(__import__("os").__file__, "rb") as file:
            reader, writer = await asyncio.open_connection(*TARGET)
            await loop.sendfile(writer.transport, file)
            writer.write_eof()
            answer = await reader.read()
            print(answer.splitlines()[-1])
            writer.close()
    asyncio.run(main())
"""


async def test_asyncio(twice: Twice, echo: str) -> None:
    said = await twice.say(ASYNC.format(target=(echo, PORT)))
    assert said.count("(<AddressFamily.AF_INET: 2>, 1)") == 0
    assert said.count("b'echo streamed\\n'") == 2


OWN_PORT = """
    import errno, os, socket
    TARGET = {target!r}
    def bound():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", {port}))
        return s
    first = bound()
    first.connect(TARGET)
    print(first.getsockname()[1])
    second = bound() if {sidecar} else None
    if second:
        print(errno.errorcode[second.connect_ex(TARGET)])
    first.close()
    second = second or bound()
    print(errno.errorcode.get(second.connect_ex(TARGET), "connected"))
    second.close()
"""


async def test_a_program_may_choose_its_port(twice: Twice, echo: str, address: Callable[[int], str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = await twice.run(OWN_PORT.format(target=(echo, PORT), port=port, sidecar=True))
    assert said.split() == [str(port), "EADDRNOTAVAIL", "connected"]
    assert await twice.ends(2) == {(f"{echo}:{PORT}", f"{address(3)}:{port}")}


PROCESSES = """
    import os, socket, subprocess, sys
    TARGET = {target!r}
    ask = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); "
    ask += "print(s.getpeername(), s.getsockname())"
    with socket.create_connection(TARGET) as s:
        told = subprocess.check_output([sys.executable, "-c", ask, str(s.fileno())], pass_fds=[s.fileno()])
        print(told.decode().strip() == f"{{s.getpeername()}} {{s.getsockname()}}")
    reader, writer = os.pipe()
    for _ in range(4):
        if not os.fork():
            with socket.create_connection(TARGET) as s:
                os.write(writer, b"%d " % s.getsockname()[1])
                s.sendall(b"child\\n"); s.recv(100)
            os._exit(0)
    for _ in range(4):
        os.wait()
    print(len(set(os.read(reader, 1000).split())))
"""


async def test_other_processes_know_the_connection_and_have_their_own(twice: Twice, echo: str) -> None:
    assert (await twice.say(PROCESSES.format(target=(echo, PORT)))).split() == ["True", "4"]


async def test_source_ports_are_not_given_twice(twice: Twice, echo: str) -> None:
    code = """
        import socket
        held = [socket.create_connection({target!r}) for _ in range(300)]
        print(len({{s.getsockname() for s in held}}), len(socket.create_connection({target!r}).getsockname()))
    """
    assert await twice.say(code.format(target=(echo, PORT))) == "300 2"


SHORT = """
    import socket
    TARGET = {target!r}
    for _ in range(50):
        with socket.create_connection(TARGET) as s:
            s.sendall(b"x" * 40_000 + b"\\n")
    got = []
    for _ in range(50):
        with socket.create_connection(TARGET) as s:
            s.sendall(b"x" * 40_000 + b"\\n")
            s.shutdown(socket.SHUT_WR)
            got.append(s.makefile("rb").read())
    print(set(got))
"""


async def test_what_is_sent_and_closed_at_once_arrives(twice: Twice, echo: str) -> None:
    assert await twice.say(SHORT.format(target=(echo, PORT))) == "{b'40001 bytes\\n'}"
    assert len(await twice.ends(100)) == 100


WITH_TLS = """
    import asyncio, http.client, ssl, urllib.request
    import aiohttp, requests, urllib3
    URL, AUTHORITY = "https://{host}:{port}/", {authority!r}
    context = ssl.create_default_context(cafile=AUTHORITY)
    connection = http.client.HTTPSConnection({host!r}, {port}, context=context, timeout=10)
    for _ in range(2):
        connection.request("GET", "/")
        print(connection.getresponse().read(), connection.sock.getpeername(), connection.sock.version())
    connection.close()
    print(urllib.request.urlopen(URL, context=context).read())
    print(requests.get(URL, verify=AUTHORITY).text)
    with requests.Session() as session:
        print([session.get(URL, verify=AUTHORITY, stream=False).status_code for _ in range(3)])
    with urllib3.PoolManager(ca_certs=AUTHORITY) as pool:
        print([pool.request("GET", URL, timeout=5).data for _ in range(2)])
    async def main():
        async with aiohttp.ClientSession() as session:
            async with session.get(URL, ssl=context) as answer:
                print(await answer.text())
    asyncio.run(main())
"""


async def test_clients_over_tls(twice: Twice, address: Callable[[int], str], tmp_path: Path) -> None:
    authority, context = certificate(tmp_path, address(2))
    async with await asyncio.start_server(hello, address(2), PORT, ssl=context):
        code = WITH_TLS.format(host=address(2), port=PORT, authority=str(authority))
        said = await twice.say(code)
    assert said.count("hello") == 7
    assert "[200, 200, 200]" in said


WITHOUT_TLS = """
    import asyncio, http.client, urllib.request
    import aiohttp, requests, urllib3
    URL = "http://{host}:{port}/"
    connection = http.client.HTTPConnection({host!r}, {port}, timeout=10)
    for _ in range(2):
        connection.request("GET", "/")
        print(connection.getresponse().read(), connection.sock.getpeername())
    print(urllib.request.urlopen(URL).read(), requests.get(URL).text)
    with urllib3.PoolManager() as pool:
        print([pool.request("GET", URL, timeout=5).data for _ in range(2)])
    async def main():
        async with aiohttp.ClientSession() as session:
            print([await (await session.get(URL)).text() for _ in range(3)])
    asyncio.run(main())
"""


async def test_clients(twice: Twice, address: Callable[[int], str]) -> None:
    async with await asyncio.start_server(hello, address(2), PORT):
        said = await twice.say(WITHOUT_TLS.format(host=address(2), port=PORT))
    assert said.count("hello") == 9


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    writer.close()


def certificate(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for *host* that vouches for itself: its file, and a server's context with it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(
        now + dt.timedelta(hours=1)
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


# ------------------------------------------------------------------------------ a sidecar that does not work

TRIES = """
    import asyncio, errno, socket, sys, time
    import labkit_sidecar
    labkit_sidecar.PATIENCE = 0.3
    begin = time.monotonic()
    try:
        socket.create_connection(("127.10.0.9", 80), timeout=0.2)
    except OSError as error:
        print(type(error).__name__, error)
    s = socket.socket()
    s.settimeout(0.2)
    print(errno.errorcode[s.connect_ex(("127.10.0.9", 80))], s.gettimeout(), s.getsockname())
    async def main():
        try:
            await asyncio.open_connection("127.10.0.9", 80)
        except OSError as error:
            print(type(error).__name__)
    asyncio.run(main())
    assert time.monotonic() - begin < 5
"""


async def test_a_sidecar_that_is_gone_or_not_there_yet_refuses(
    programs: Programs, address: Callable[[int], str], run_dir: Path
) -> None:
    refused = "ConnectionRefusedError [Errno 111] Connection refused\nECONNREFUSED 0.2 ('0.0.0.0', 0)\n"
    for name in ("not there yet", "gone"):
        said = await programs.said(name, address(3), TRIES, sidecar=True)
        assert said == refused + "ConnectionRefusedError"
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(run_dir / OUTBOUND_SOCKET))


@pytest.fixture
def stuck(run_dir: Path) -> Any:
    """A sidecar that takes no connection, its queue full."""
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as waiting:
        listener.bind(str(run_dir / OUTBOUND_SOCKET))
        listener.listen(0)
        while True:
            one = waiting.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            if one.connect_ex(str(run_dir / OUTBOUND_SOCKET)):
                break
        yield listener


async def test_a_sidecar_that_hangs_runs_into_the_programs_time_limit(
    programs: Programs, address: Callable[[int], str], stuck: socket.socket
) -> None:
    said = await programs.said("waits", address(3), TRIES, sidecar=True)
    assert said == "TimeoutError timed out\nEAGAIN 0.2 ('0.0.0.0', 0)\nTimeoutError"


async def test_a_sidecar_that_is_late_is_waited_for(
    programs: Programs, address: Callable[[int], str], stuck: socket.socket
) -> None:
    code = """
        import socket
        print("begins", flush=True)
        print(socket.create_connection(("127.10.0.9", 80)).getpeername())
    """
    process = programs.app("waits", address(3), code, sidecar=True)
    async with asyncio.timeout(10):
        while "begins" not in programs.output["waits"]:  # noqa: ASYNC110 - nothing else tells us
            await asyncio.sleep(0.01)
    stuck.accept()[0].close()
    assert await process.exited == 0
    assert programs.output["waits"].splitlines()[-1] == "('127.10.0.9', 80)"


async def test_no_port_of_the_pod_is_opened_for_it(
    twice: Twice, address: Callable[[int], str], run_dir: Path
) -> None:
    assert not await probes.listens(address(3), 15001)
    assert (run_dir / OUTBOUND_SOCKET).stat().st_mode & 0o777 == 0o600
