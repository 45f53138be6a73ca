"""nginx's configuration: words, blocks, and what the directives that lessons use mean.

https://nginx.org/en/docs/beginners_guide.html#conf_structure
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<word>[^\s{};"'#]+)"""
)
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
_QUIET = frozenset(
    {
        *("worker_processes", "pid", "user", "error_log", "sendfile", "tcp_nopush", "keepalive_timeout"),
        *("worker_connections", "ssl_protocols", "ssl_ciphers", "ssl_session_cache", "ssl_session_timeout"),
        *("ssl_prefer_server_ciphers", "include", "gzip", "server_tokens", "http2", "types_hash_max_size"),
    }
)
"""Accepted: what they change can't be seen in an answer here."""


class ConfigurationError(Exception):
    """What nginx says behind ``[emerg]``."""


@dataclass(frozen=True)
class Directive:
    """One, with the directives in its block."""

    name: str
    words: tuple[str, ...]
    line: int
    block: tuple[Directive, ...] | None = None


@dataclass(frozen=True)
class Location:
    """What becomes of a path."""

    prefix: str = "/"
    exact: bool = False
    root: str = "/usr/share/nginx/html"
    index: tuple[str, ...] = ("index.html",)
    answer: tuple[int, str] | None = None
    """Of ``return``."""
    proxy: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    proxy_headers: tuple[tuple[str, str], ...] = ()
    default_type: str = "text/plain"


@dataclass(frozen=True)
class Server:
    """One ``server`` block."""

    listens: tuple[tuple[int, bool], ...] = ()
    """Port, and whether it speaks TLS."""
    names: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    client_authority: str = ""
    verifies: str = "off"
    locations: tuple[Location, ...] = ()
    log_format: str = COMBINED
    """Empty where nothing is logged."""


def servers(text: str, path: Path) -> list[Server]:
    """All servers of a configuration; ConfigurationError for what nginx, or this, does not take."""
    tree = _Reader(text, path).read()
    http = next((each for each in tree if each.name == "http"), None)
    _check(tree, path, {"events", "http"})
    if http is None or http.block is None:
        return []
    _check(http.block, path, {"server", "log_format", "access_log", *_OF_SERVER, *_OF_LOCATION})
    formats = {each.words[0]: "".join(each.words[1:]) for each in http.block if each.name == "log_format"}
    outer = _Scope(Server(), Location(), {"combined": COMBINED, **formats}, path)
    outer = outer.with_(http.block)
    return [outer.server(each) for each in http.block if each.name == "server"]


_OF_SERVER = frozenset(
    {
        *("listen", "server_name", "ssl_certificate", "ssl_certificate_key", "ssl_client_certificate"),
        *("ssl_verify_client", "location", "access_log"),
    }
)
_OF_LOCATION = frozenset(
    {
        "root",
        "index",
        "return",
        "proxy_pass",
        "add_header",
        "proxy_set_header",
        "default_type",
        "proxy_http_version",
    }
)


def _check(directives: tuple[Directive, ...], path: Path, known: set[str]) -> None:
    for each in directives:
        if each.name not in known and each.name not in _QUIET:
            raise ConfigurationError(f'unknown directive "{each.name}" in {path}:{each.line}')


@dataclass(frozen=True)
class _Scope:
    """What holds at a place of the file."""

    base: Server
    location: Location
    formats: dict[str, str] = field(default_factory=dict)
    path: Path = Path()

    def with_(self, directives: tuple[Directive, ...]) -> _Scope:
        """The same, with what *directives* set."""
        base, location = self.base, self.location
        for each in directives:
            if each.name in _OF_SERVER:
                base = self._server_with(base, each)
            elif each.name in _OF_LOCATION:
                location = self._location_with(location, each)
        return replace(self, base=base, location=location)

    def server(self, directive: Directive) -> Server:
        """The server of a block."""
        block = directive.block or ()
        _check(block, self.path, {*_OF_SERVER, *_OF_LOCATION})
        scope = self.with_(block)
        inner = [scope._inner(each) for each in block if each.name == "location"]
        listens = scope.base.listens or ((80, False),)
        locations = (*inner, scope.location)
        if any(tls for _, tls in listens) and not scope.base.certificate:
            raise ConfigurationError(
                'no "ssl_certificate" is defined for the "listen ... ssl" directive '
                f"in {self.path}:{directive.line}"
            )
        return replace(scope.base, listens=listens, locations=locations)

    def _inner(self, directive: Directive) -> Location:
        block, words = directive.block or (), directive.words
        _check(block, self.path, set(_OF_LOCATION))
        if len(words) == 2 and words[0] not in ("=", "^~"):
            raise ConfigurationError(
                f'location modifier "{words[0]}" is not known here, in {self.path}:{directive.line}'
            )
        location = replace(self.location, prefix=words[-1], exact=words[0] == "=", answer=None, proxy="")
        return replace(self, location=location).with_(block).location

    def _server_with(self, base: Server, directive: Directive) -> Server:
        words = directive.words
        match directive.name:
            case "listen":
                return replace(base, listens=(*base.listens, _listen(words, directive, self.path)))
            case "server_name":
                return replace(base, names=words)
            case "ssl_certificate":
                return replace(base, certificate=words[0])
            case "ssl_certificate_key":
                return replace(base, key=words[0])
            case "ssl_client_certificate":
                return replace(base, client_authority=words[0])
            case "ssl_verify_client":
                return replace(base, verifies=words[0])
            case "access_log":
                return replace(base, log_format=self._format(words))
        return base

    def _format(self, words: tuple[str, ...]) -> str:
        if words[0] == "off":
            return ""
        return self.formats.get(words[1] if len(words) > 1 else "combined", COMBINED)

    def _location_with(self, location: Location, directive: Directive) -> Location:
        words = directive.words
        match directive.name:
            case "root":
                return replace(location, root=words[0])
            case "index":
                return replace(location, index=words)
            case "return":
                return replace(location, answer=(int(words[0]), words[1] if len(words) > 1 else ""))
            case "proxy_pass":
                return replace(location, proxy=words[0])
            case "add_header":
                return replace(location, headers=(*location.headers, (words[0], words[1])))
            case "proxy_set_header":
                return replace(location, proxy_headers=(*location.proxy_headers, (words[0], words[1])))
            case "default_type":
                return replace(location, default_type=words[0])
        return location


def _listen(words: tuple[str, ...], directive: Directive, path: Path) -> tuple[int, bool]:
    port = words[0].rpartition(":")[2]
    if not port.isdecimal():
        raise ConfigurationError(
            f'invalid port in "{words[0]}" of the "listen" directive in {path}:{directive.line}'
        )
    return int(port), "ssl" in words[1:]


class _Reader:
    """Reads the text into directives."""

    def __init__(self, text: str, path: Path) -> None:
        self._path, self._tokens = path, _tokens(text, path)

    def read(self) -> tuple[Directive, ...]:
        """The whole file."""
        found = self._block(inner=False)
        return tuple(found)

    def _block(self, inner: bool) -> list[Directive]:
        found: list[Directive] = []
        words: list[tuple[str, int]] = []
        for token, is_mark, line in self._tokens:
            if not is_mark:
                words.append((token, line))
            elif token == "}":
                if not inner or words:
                    raise ConfigurationError(f'unexpected "}}" in {self._path}:{line}')
                return found
            elif not words:
                raise ConfigurationError(f'unexpected "{token}" in {self._path}:{line}')
            else:
                (name, at), *rest = words
                block = tuple(self._block(inner=True)) if token == "{" else None
                found.append(Directive(name, tuple(word for word, _ in rest), at, block))
                words = []
        if inner or words:
            raise ConfigurationError(f'unexpected end of file, expecting "}}" or ";" in {self._path}')
        return found


def _tokens(text: str, path: Path) -> Iterator[tuple[str, bool, int]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        line = text.count("\n", 0, at) + 1
        if found is None:
            raise ConfigurationError(f"a quoted word has no end in {path}:{line}")
        at = found.end()
        if found["mark"]:
            yield found["mark"], True, line
        quoted = found["double"] if found["double"] is not None else found["single"]
        if quoted is not None:
            yield re.sub(r"\\(.)", r"\1", quoted), False, line
        elif found["word"]:
            yield found["word"], False, line
