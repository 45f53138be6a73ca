"""``curl``, by libcurl itself: the same transfers, transcripts, variables of ``-w`` and exit statuses.

Only names and connections are Python's own, so that they are the pod's. What it does not know it refuses
by name.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pycurl

from labkit.lessons.commands.words import UnknownOptionError, Words, read
from labkit.lessons.commands.write_out import written

FLAGS = {
    **{"s": "silent", "S": "show-error", "v": "verbose", "i": "include", "I": "head", "k": "insecure"},
    **{
        "L": "location",
        "f": "fail",
        "G": "get",
        "O": "remote-name",
        "4": "ipv4",
        "6": "ipv6",
        "N": "no-buffer",
    },
    **{"q": "disable", "0": "http1.0", "g": "globoff", "h": "help", "V": "version"},
    **{
        name: name
        for name in (
            *("silent", "show-error", "verbose", "include", "head", "insecure", "location", "fail", "get"),
            *("remote-name", "ipv4", "ipv6", "http1.1", "http1.0", "http2", "http2-prior-knowledge", "help"),
            *("path-as-is", "compressed", "no-buffer", "no-progress-meter", "globoff", "version", "tlsv1.2"),
            *("tlsv1.3", "no-keepalive", "retry-connrefused", "fail-with-body", "proxytunnel", "disable"),
        )
    },
    "p": "proxytunnel",
}
VALUED = {
    **{"o": "output", "w": "write-out", "H": "header", "X": "request", "d": "data", "m": "max-time"},
    **{"A": "user-agent", "u": "user", "x": "proxy", "b": "cookie", "c": "cookie-jar", "D": "dump-header"},
    **{"e": "referer", "F": "form", "E": "cert", "T": "upload-file"},
    **{
        name: name
        for name in (
            *("output", "write-out", "header", "request", "data", "max-time", "user-agent", "user", "proxy"),
            *("cookie", "cookie-jar", "dump-header", "referer", "cert", "key", "cacert", "resolve", "capath"),
            *("connect-timeout", "retry", "retry-delay", "retry-max-time", "max-redirs", "noproxy", "url"),
            *("proxy-header", "data-raw", "data-binary", "data-urlencode", "connect-to", "oauth2-bearer"),
        )
    },
}
_REFUSED = ("form", "upload-file", "connect-to")
USAGE = "usage: curl [options...] <url>"
REDIRECTS = 50
CODE = {"resolve": 6, "proxy": 5, "usage": 2, "malformed": 3, "redirects": 47, "written": 23, "status": 22}
_PORTS = {"http": 80, "https": 443}


class CurlError(Exception):
    """What ``curl: (CODE) …`` says."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Answer:
    """What came of one URL, redirects included."""

    handle: pycurl.Curl
    head: BytesIO = field(default_factory=BytesIO)
    redirects: int = 0


def main(words: list[str]) -> int:
    """The exit status, as curl's."""
    try:
        asked = read(words, FLAGS, VALUED)
        if refused := next((name for name in _REFUSED if name in asked.values), ""):
            raise UnknownOptionError(f"--{refused}")
    except UnknownOptionError as error:
        print(f"curl: option {error}: is unknown", file=sys.stderr)
        print("curl: try 'curl --help' for more information", file=sys.stderr)
        return CODE["usage"]
    if asked.flags & {"help", "version"}:
        print(USAGE if "help" in asked.flags else pycurl.version)
        return 0
    urls = [*asked.all("url"), *asked.rest]
    if not urls:
        print("curl: no URL specified!\ncurl: try 'curl --help' for more information", file=sys.stderr)
        return CODE["usage"]
    return max([_one(asked, url, number) for number, url in enumerate(urls)])


def _one(asked: Words, url: str, number: int) -> int:
    """Fetch *url*, again where ``--retry`` says so; its exit status."""
    code = 0
    for _ in range(1 + int(asked.last("retry", "0"))):
        code = _try(asked, url, number)
        if code not in (CODE["resolve"], 7, 28, 52, 56):
            break
    return code


def _try(asked: Words, url: str, number: int) -> int:
    out = _output(asked, url, number)
    handle = pycurl.Curl()
    answer, code = Answer(handle), 0
    try:
        _fetch(asked, _absolute(url), answer, out)
    except CurlError as error:
        code = error.code
        if "silent" not in asked.flags or "show-error" in asked.flags:
            print(f"curl: ({error.code}) {error}", file=sys.stderr)
    except BrokenPipeError:
        return CODE["written"]
    if template := asked.last("write-out"):
        sys.stdout.flush()
        sys.stdout.buffer.write(written(template, handle, answer.redirects, code))
    sys.stdout.flush()
    handle.close()
    if out is not sys.stdout.buffer:
        out.close()
    return code


def _output(asked: Words, url: str, number: int):  # type: ignore[no-untyped-def]  # one of two kinds of writer
    names = asked.all("output")
    name = names[number] if number < len(names) else ""
    if "remote-name" in asked.flags:
        name = urlsplit(_absolute(url)).path.rpartition("/")[2]
    return Path(name).open("wb") if name and name != "-" else sys.stdout.buffer


def _absolute(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _fetch(asked: Words, url: str, answer: Answer, out) -> None:  # type: ignore[no-untyped-def]
    """Fetch *url*, and where it leads; CurlError where that fails."""
    limit = int(asked.last("max-redirs", str(REDIRECTS)))
    while True:
        answer.head = BytesIO()
        body = BytesIO()
        follows = "location" in asked.flags
        _set_up(asked, url, answer, body if follows else out)
        _perform(answer.handle, url)
        status = answer.handle.getinfo(pycurl.RESPONSE_CODE)
        target = _location(answer.head) if follows and status in (301, 302, 303, 307, 308) else ""
        if not target:
            out.write(body.getvalue())
            break
        answer.redirects += 1
        if answer.redirects > limit >= 0:
            raise CurlError(CODE["redirects"], f"Maximum ({limit}) redirects followed")
        url = urljoin(url, target)
    if name := asked.last("dump-header"):
        _dump(name, answer.head)
    if "fail" in asked.flags and status >= 400:
        raise CurlError(CODE["status"], f"The requested URL returned error: {status}")


def _dump(name: str, head: BytesIO) -> None:
    if name == "-":
        sys.stdout.buffer.write(head.getvalue())
    else:
        Path(name).write_bytes(head.getvalue())


def _location(head: BytesIO) -> str:
    for line in head.getvalue().decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "location":
            return value.strip()
    return ""


def _perform(handle: pycurl.Curl, url: str) -> None:
    try:
        handle.perform()
    except pycurl.error as error:
        code, message = error.args
        raise CurlError(code, message or f"Failed to fetch {url}") from None


def _set_up(asked: Words, url: str, answer: Answer, out) -> None:  # type: ignore[no-untyped-def]
    """Tell libcurl all that was asked."""
    handle, flags = answer.handle, asked.flags
    handle.reset()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.USERAGENT, asked.last("user-agent", f"curl/{pycurl.version_info()[1]}"))
    handle.setopt(pycurl.WRITEFUNCTION, out.write)
    handle.setopt(pycurl.HEADERFUNCTION, lambda line: _heard(line, answer, asked, out))
    handle.setopt(pycurl.PATH_AS_IS, int("path-as-is" in flags))
    if "verbose" in flags:
        handle.setopt(pycurl.VERBOSE, 1)
        handle.setopt(pycurl.DEBUGFUNCTION, _transcript)
    _set_request(handle, asked)
    _set_trust(handle, asked)
    _set_way(handle, asked, url)
    for name, option in (("max-time", pycurl.TIMEOUT_MS), ("connect-timeout", pycurl.CONNECTTIMEOUT_MS)):
        if seconds := asked.last(name):
            handle.setopt(option, int(float(seconds) * 1000))


def _heard(line: bytes, answer: Answer, asked: Words, out) -> None:  # type: ignore[no-untyped-def]
    answer.head.write(line)
    if asked.flags & {"include", "head"}:
        out.write(line)


_MARKS = {0: "*", 1: "<", 2: ">"}
_OURS = ("TCP_NODELAY", "inet_ntop", "SO_KEEPALIVE", "TCP_KEEP")
"""What libcurl says of a socket that is not the one it would have made."""


def _transcript(kind: int, text: bytes) -> None:
    mark = _MARKS.get(kind)
    if mark is None or (kind == 0 and any(each.encode() in text for each in _OURS)):
        return
    for line in text.decode(errors="replace").splitlines():
        print(f"{mark} {line}".rstrip() if line else f"{mark} ", file=sys.stderr)


def _set_request(handle: pycurl.Curl, asked: Words) -> None:
    if headers := [_header(each) for each in asked.all("header")]:
        handle.setopt(pycurl.HTTPHEADER, headers)
    for name, option in (
        ("user", pycurl.USERPWD),
        ("referer", pycurl.REFERER),
        ("cookie-jar", pycurl.COOKIEJAR),
    ):
        if value := asked.last(name):
            handle.setopt(option, value)
    if cookie := asked.last("cookie"):
        handle.setopt(pycurl.COOKIE if "=" in cookie else pycurl.COOKIEFILE, cookie)
    if "compressed" in asked.flags:
        handle.setopt(pycurl.ACCEPT_ENCODING, "")
    if token := asked.last("oauth2-bearer"):
        handle.setopt(pycurl.HTTPHEADER, [*headers, f"Authorization: Bearer {token}"])
    version = next((value for name, value in _VERSIONS.items() if name in asked.flags), None)
    if version is not None:
        handle.setopt(pycurl.HTTP_VERSION, version)
    _set_body(handle, asked)


_VERSIONS = {
    "http1.0": pycurl.CURL_HTTP_VERSION_1_0,
    "http1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "http2": pycurl.CURL_HTTP_VERSION_2_0,
    "http2-prior-knowledge": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}


def _header(words: str) -> str:
    return words.rstrip() if words.rstrip().endswith((":", ";")) else words


def _set_body(handle: pycurl.Curl, asked: Words) -> None:
    parts = [_data(each) for each in asked.all("data")]
    parts += [each.encode() for each in asked.all("data-raw")]
    parts += [_data(each, whole=True) for each in asked.all("data-binary")]
    if "head" in asked.flags:
        handle.setopt(pycurl.NOBODY, 1)
    elif parts:
        handle.setopt(pycurl.POSTFIELDS, b"&".join(parts))
    if method := asked.last("request"):
        handle.setopt(pycurl.CUSTOMREQUEST, method)


def _data(words: str, whole: bool = False) -> bytes:
    if not words.startswith("@"):
        return words.encode()
    body = sys.stdin.buffer.read() if words == "@-" else Path(words[1:]).read_bytes()
    return body if whole else body.replace(b"\n", b"").replace(b"\r", b"")


def _set_trust(handle: pycurl.Curl, asked: Words) -> None:
    if "insecure" in asked.flags:
        handle.setopt(pycurl.SSL_VERIFYPEER, 0)
        handle.setopt(pycurl.SSL_VERIFYHOST, 0)
    authorities = asked.last(
        "cacert", os.environ.get("CURL_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE", "")
    )
    for value, option in (
        (authorities, pycurl.CAINFO),
        (asked.last("cert"), pycurl.SSLCERT),
        (asked.last("key"), pycurl.SSLKEY),
    ):
        if value:
            handle.setopt(option, value)


def _set_way(handle: pycurl.Curl, asked: Words, url: str) -> None:
    """Names and connections are the pod's."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
    proxy = asked.last("proxy", _proxy(parts.scheme))
    said = asked.all("resolve")
    if proxy and host not in asked.last("noproxy", os.environ.get("no_proxy", "")).split(","):
        proxy_parts = urlsplit(_absolute(proxy))
        handle.setopt(pycurl.PROXY, proxy)
        host, port, kind = proxy_parts.hostname or "", proxy_parts.port or 1080, "proxy"
    else:
        handle.setopt(pycurl.PROXY, "")
        kind = "resolve"
    told = next(
        (each.split(":", 2)[2] for each in said if each.startswith((f"{host}:{port}:", f"*:{port}:"))), ""
    )
    addresses = told.split(",") if told else _addresses(host, port, kind)
    if addresses != [host]:
        handle.setopt(pycurl.RESOLVE, [*said, f"{host}:{port}:{','.join(addresses)}"])
    handle.setopt(pycurl.OPENSOCKETFUNCTION, _connected)
    handle.setopt(pycurl.SOCKOPTFUNCTION, lambda *_: pycurl.SOCKOPT_ALREADY_CONNECTED)


def _proxy(scheme: str) -> str:
    """The proxy that the environment names; ``HTTP_PROXY`` in capitals is not heard, as curl has it."""
    names = ["http_proxy"] if scheme == "http" else [f"{scheme}_proxy", f"{scheme.upper()}_PROXY"]
    return next((os.environ[name] for name in (*names, "all_proxy", "ALL_PROXY") if os.environ.get(name)), "")


def _addresses(host: str, port: int, kind: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror:
        raise CurlError(
            CODE[kind], f"Could not resolve {'proxy' if kind == 'proxy' else 'host'}: {host}"
        ) from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _connected(_: int, address: tuple[int, int, int, tuple[str, int]]) -> socket.socket | int:
    """A connection of the pod's, for libcurl to use."""
    family, kind, protocol, target = address
    opened = socket.socket(family, kind, protocol)
    try:
        opened.connect(target)
    except OSError:
        opened.close()
        return int(pycurl.SOCKET_BAD)
    return opened
