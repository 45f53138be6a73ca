"""One request, with the transcript `curl -v` prints.

libcurl is the engine of curl itself, and its debug callback hands out the very lines: ``*`` for what
it does, ``>`` and ``<`` for the headers sent and received.
"""

from __future__ import annotations

import datetime as dt
import secrets
import shlex
from dataclasses import dataclass
from typing import Any

import pycurl

from labkit.errors import RequestFailed
from labkit.markup import transcript
from labkit.traffic.answers import answering_service
from labkit.traffic.as_sent import as_bytes
from labkit.traffic.exchange import USER_AGENT
from labkit.traffic.numbers import milliseconds
from labkit.traffic.target import Headers, Target

_PREFIX = {pycurl.INFOTYPE_TEXT: "* ", pycurl.INFOTYPE_HEADER_IN: "< ", pycurl.INFOTYPE_HEADER_OUT: "> "}


@dataclass(frozen=True, repr=False)
class Answer:
    """What came back from one request. Prints as `curl -v` does; ``text`` is the answer alone."""

    command: str
    status: int
    headers: dict[str, str]
    """By lower-case name."""
    text: str
    transcript: str
    seconds: float
    sent_at: dt.datetime
    tag: str
    """Our mark in its User-Agent; empty where that is the caller's own."""

    @property
    def service(self) -> str | None:
        """Who answered: the service that ServiceA reached, else who greets first."""
        return answering_service(self.text)

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.transcript}{self.text}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        return transcript(self.command, self.transcript.splitlines(), self.text)


def curl(where: str | Target, *, headers: Headers | None = None, timeout: float = 30.0) -> Answer:
    """GET *where* on a connection of its own; RequestFailed where no answer comes within *timeout* s.

    headers: sent beside curl's own, or in their place, as with `curl -H`.
    """
    target = Target.of(where, headers)
    transcript: list[str] = []
    body: list[bytes] = []
    received: list[bytes] = []
    tag, sent_at = secrets.token_hex(6), dt.datetime.now(dt.UTC)
    handle = pycurl.Curl()
    try:
        handle.setopt(pycurl.URL, target.url)
        handle.setopt(pycurl.USERAGENT, f"{USER_AGENT} ({tag})")
        handle.setopt(pycurl.HTTPHEADER, [*map(as_bytes, target.lines)])
        handle.setopt(pycurl.NOPROXY, "*")
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.TIMEOUT_MS, milliseconds(timeout))
        handle.setopt(pycurl.WRITEFUNCTION, body.append)
        handle.setopt(pycurl.HEADERFUNCTION, received.append)
        handle.setopt(pycurl.VERBOSE, 1)
        handle.setopt(pycurl.DEBUGFUNCTION, lambda kind, data: transcript.extend(_lines(kind, data)))
        handle.perform()
        status, seconds = handle.getinfo(pycurl.RESPONSE_CODE), handle.getinfo(pycurl.TOTAL_TIME)
    except pycurl.error as error:
        raise RequestFailed(f"curl: ({error.args[0]}) {error.args[1]}") from error
    finally:
        handle.close()
    return Answer(
        command=_command(target),
        status=status,
        headers=_headers(received),
        text=b"".join(body).decode(errors="replace"),
        transcript="".join(f"{line}\n" for line in transcript),
        seconds=seconds,
        sent_at=sent_at,
        tag=tag if target.is_marked else "",
    )


def _command(target: Target) -> str:
    headers = (f"-H {shlex.quote(line)}" for line in target.lines)
    return " ".join(["curl -v", *headers, shlex.quote(target.url)])


def _lines(kind: int, data: bytes) -> list[str]:
    prefix = _PREFIX.get(kind)
    if prefix is None:  # the body itself
        return []
    return [f"{prefix}{line}".rstrip() for line in data.decode(errors="replace").splitlines()]


def _headers(lines: list[bytes]) -> dict[str, str]:
    pairs = (line.decode(errors="replace").partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
