"""``squid``: a forward proxy, with ``http_port``, ``acl`` and ``http_access`` of its configuration.

Each request is a line of ``/var/log/squid/access.log``, in squid's own format, and of standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import ipaddress
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from labkit.lessons.http import until_stopped

CONFIGURATION = Path("/etc/squid/squid.conf")
LOG = Path("/var/log/squid/access.log")
FALLBACK = "http_port 3128\nhttp_access allow all\n"
CHUNK = 64 * 1024
PATIENCE = 10.0
_KINDS = ("port", "method", "src", "dst", "dstdomain", "proto")
_QUIET = (
    "coredump_dir",
    "refresh_pattern",
    "cache",
    "cache_dir",
    "cache_mem",
    "visible_hostname",
    "access_log",
)
_BUILT_IN = ("all", "manager", "localhost", "to_localhost")


class ConfigurationError(Exception):
    """What squid says of a line it does not take."""


@dataclass
class Configuration:
    """What the file says."""

    ports: list[int] = field(default_factory=list)
    lists: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Name of an acl → its kind and its values."""
    rules: list[tuple[bool, list[str]]] = field(default_factory=list)

    def allows(self, asked: Asked) -> bool:
        """The first rule that fits decides; where none does, the opposite of the last one."""
        for allow, names in self.rules:
            if all(self._fits(name, asked) for name in names):
                return allow
        return bool(self.rules) and not self.rules[-1][0]

    def _fits(self, name: str, asked: Asked) -> bool:
        if name.startswith("!"):
            return not self._fits(name[1:], asked)
        if name in self.lists:
            kind, values = self.lists[name]
            return any(_matches(kind, value, asked) for value in values)
        return {
            "all": True,
            "manager": False,
            "localhost": asked.client.startswith("127.0.0."),
            "to_localhost": False,
        }[name]


@dataclass(frozen=True)
class Asked:
    """A request of a client."""

    client: str
    method: str
    host: str
    port: int
    target: str


def _matches(kind: str, value: str, asked: Asked) -> bool:
    match kind:
        case "port":
            low, _, high = value.partition("-")
            return int(low) <= asked.port <= int(high or low)
        case "method":
            return asked.method == value.upper()
        case "dstdomain":
            return asked.host == value.lstrip(".") or fnmatch.fnmatch(
                asked.host, f"*{value}" if value[0] == "." else value
            )
        case "src":
            return ipaddress.ip_address(asked.client) in ipaddress.ip_network(value, strict=False)
        case "proto":
            return value.upper() == ("HTTPS" if asked.method == "CONNECT" else "HTTP")
    return asked.host == value


def parsed(text: str) -> Configuration:
    """What *text* says; ConfigurationError for what is not known here."""
    found = Configuration()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        try:
            _take(found, words)
        except (ValueError, IndexError):
            raise ConfigurationError(
                f"FATAL: Bungled {CONFIGURATION} line {number}: {line.strip()}"
            ) from None
    found.ports = found.ports or [3128]
    return found


def _take(found: Configuration, words: list[str]) -> None:
    match words:
        case [] | ["http_access", "deny" | "allow"]:
            return
        case ["http_port", port, *_]:
            found.ports.append(int(port.rpartition(":")[2]))
        case ["acl", name, kind, *values] if kind in _KINDS:
            found.lists.setdefault(name, (kind, []))[1].extend(values)
        case ["http_access", "allow" | "deny" as verb, *names]:
            if any(name.lstrip("!") not in (*found.lists, *_BUILT_IN) for name in names):
                raise ValueError(names)
            found.rules.append((verb == "allow", names))
        case [name, *_] if name in _QUIET:
            return
        case _:
            raise ValueError(words)


class Proxy:
    """Serves clients by a configuration."""

    def __init__(self, configuration: Configuration, log: Path) -> None:
        self._configuration, self._log = configuration, log

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, which carries one request."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            begin = time.time()
            asked = _asked(head, str(writer.get_extra_info("peername")[0]))
            result, size = await self._serve(asked, head, reader, writer)
            self._write(asked, result, size, begin)
        writer.close()

    async def _serve(
        self, asked: Asked, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        if not self._configuration.allows(asked):
            return "TCP_DENIED/403", await _refuse(writer, 403, "Forbidden", "ERR_ACCESS_DENIED 0")
        try:
            async with asyncio.timeout(PATIENCE):
                there, away = await asyncio.open_connection(asked.host, asked.port)
        except (OSError, TimeoutError):
            return "TCP_MISS/503", await _refuse(writer, 503, "Service Unavailable", "ERR_DNS_FAIL 0")
        if asked.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            away.write(_without_proxy(head, asked))
        _, size = await asyncio.gather(_pass(reader, away), _pass(there, writer))
        away.close()
        return ("TCP_TUNNEL/200" if asked.method == "CONNECT" else "TCP_MISS/200"), size

    def _write(self, asked: Asked, result: str, size: int, begin: float) -> None:
        way = "HIER_NONE/-" if "DENIED" in result else f"HIER_DIRECT/{asked.host}"
        took = int((time.time() - begin) * 1000)
        who = f"{time.time():.3f} {took:6d} {asked.client}"
        line = f"{who} {result} {size} {asked.method} {asked.target} - {way} -"
        print(line, flush=True)
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _asked(head: bytes, client: str) -> Asked:
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    return Asked(client, method, parts.hostname or "", parts.port or 80, target)


def _without_proxy(head: bytes, asked: Asked) -> bytes:
    """The request as the server shall have it: a path for the URL, one request a connection."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = urlsplit(asked.target)
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
    begin = f"{asked.method} {path} {first.rpartition(' ')[2]}"
    return "\r\n".join([begin, "Via: 1.1 squid", "Connection: close", *kept]).encode("latin-1")


async def _refuse(writer: asyncio.StreamWriter, status: int, reason: str, error: str) -> int:
    body = f"<html><title>ERROR: The requested URL could not be retrieved</title>{error}</html>\n".encode()
    head = f"HTTP/1.1 {status} {reason}\r\nServer: squid\r\nX-Squid-Error: {error}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    await writer.drain()
    return len(body)


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> int:
    """Pass on to the end; how much it was."""
    total = 0
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
            total += len(chunk)
        if target.can_write_eof():
            target.write_eof()
    return total


async def _serve(configuration: Configuration) -> None:
    with contextlib.suppress(OSError):
        LOG.parent.mkdir(parents=True, exist_ok=True)
    proxy = Proxy(configuration, LOG)
    for port in configuration.ports:
        await asyncio.start_server(proxy.handle, "0.0.0.0", port)
        print(f"Accepting HTTP Socket connections at 0.0.0.0:{port}", flush=True)
    await until_stopped()


def main(words: list[str]) -> int:
    """Serve until stopped; 1 for a configuration that is not understood."""
    parser = argparse.ArgumentParser("squid", allow_abbrev=False)
    parser.add_argument("-f", type=Path, default=CONFIGURATION)
    options, _ = parser.parse_known_args(words)
    try:
        text = options.f.read_text(encoding="utf-8") if options.f.exists() else FALLBACK
        asyncio.run(_serve(parsed(text)))
    except (ConfigurationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
