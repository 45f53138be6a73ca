"""Many requests through libcurl's multi interface, with as little Python per request as can be.

`wrk` is the measure: a lab book that sends a tenth of what the gateway can take would measure itself.
So every concurrent slot is one easy handle that is prepared once and used again (its connection stays
open, as in a browser); a request costs one header to set, one call to start and one row of plain
values at its end; frames are made of whole columns afterwards. Everything runs in the calling thread,
and nothing is left when it returns.

Each request carries a tag in its User-Agent, because that is the one field of Envoy's default access
log which a client may choose and every gateway passes on: an edge gateway makes a request id of its
own (Envoy trusts nobody's since 1.36), and the tag is how it is found again. Who sends a User-Agent of
their own keeps it, and their requests bear no tag.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pycurl

from labkit.traffic.as_sent import as_bytes
from labkit.traffic.numbers import milliseconds
from labkit.traffic.target import Target

USER_AGENT = f"curl/{pycurl.version_info()[1]}"
"""What `curl` itself says."""


@dataclass(slots=True)
class Columns:
    """What came back, one list per column, in order of completion. Times in seconds."""

    started: list[float] = field(default_factory=list)
    """Seconds since the epoch."""
    status: list[int] = field(default_factory=list)
    """0 where there was no answer."""
    body: list[bytes] = field(default_factory=list)
    dns: list[float] = field(default_factory=list)
    connect: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    tag: list[str] = field(default_factory=list)
    error: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.started)


class _Slot:
    """One of the concurrent requests: an easy handle, used again and again."""

    __slots__ = ("chunks", "curl", "is_marked", "started", "tag")

    def __init__(self, target: Target, timeout: float) -> None:
        self.chunks: list[bytes] = []
        self.started = 0.0
        self.tag = ""
        self.is_marked = target.is_marked
        self.curl = curl = pycurl.Curl()
        curl.setopt(pycurl.URL, target.url)
        curl.setopt(pycurl.HTTPHEADER, [*map(as_bytes, target.lines)])
        curl.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.TIMEOUT_MS, milliseconds(timeout))
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.TCP_NODELAY, 1)

    def prepare(self, tag: str) -> None:
        self.tag = tag if self.is_marked else ""
        self.chunks.clear()
        self.curl.setopt(pycurl.USERAGENT, f"{USER_AGENT} ({tag})")
        self.started = time.time()

    def record(self, columns: Columns, error: str | None) -> None:
        info = self.curl.getinfo
        columns.started.append(self.started)
        columns.status.append(info(pycurl.RESPONSE_CODE))
        columns.body.append(b"".join(self.chunks))
        columns.dns.append(info(pycurl.NAMELOOKUP_TIME))
        columns.connect.append(info(pycurl.CONNECT_TIME))
        columns.first_byte.append(info(pycurl.STARTTRANSFER_TIME))
        columns.total.append(info(pycurl.TOTAL_TIME))
        columns.tag.append(self.tag)
        columns.error.append(error)


def exchange(
    where: str | Target,
    *,
    requests: int,
    concurrency: int = 1,
    timeout: float = 30.0,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Columns]:
    """GET *where* *requests* times, *concurrency* at once; yields what is finished, batch by batch.

    timeout: seconds for one request. stop: asked between batches; true ends it after what is under way.
    """
    target, multi = Target.of(where), pycurl.CurlMulti()
    slots = [_Slot(target, timeout) for _ in range(min(concurrency, requests))]
    by_handle = {slot.curl: slot for slot in slots}
    tags = _tags(requests)
    patience = min(0.2, timeout / 10)  # select() does not know libcurl's own timers
    try:
        under_way = sum(_start(multi, slot, tags) for slot in slots)
        while under_way:
            batch = Columns()
            multi.perform()
            for handle, error in _finished(multi):
                slot = by_handle[handle]
                slot.record(batch, error)
                multi.remove_handle(handle)
                under_way += _start(multi, slot, tags) - 1
            if batch.started:
                yield batch
                if stop and stop():
                    tags = iter(())
            elif under_way:
                multi.select(patience)
    finally:
        for slot in slots:
            slot.curl.close()
        multi.close()


def _tags(requests: int) -> Iterator[str]:
    run = secrets.token_hex(4)
    return (f"{run}-{number}" for number in range(1, requests + 1))


def _start(multi: pycurl.CurlMulti, slot: _Slot, tags: Iterator[str]) -> bool:
    """Begin the next request in *slot*; false where none is left."""
    tag = next(tags, None)
    if tag is None:
        return False
    slot.prepare(tag)
    multi.add_handle(slot.curl)
    return True


def _finished(multi: pycurl.CurlMulti) -> Iterator[tuple[pycurl.Curl, str | None]]:
    while True:
        queued, succeeded, failed = multi.info_read()
        for handle in succeeded:
            yield handle, None
        for handle, _, message in failed:
            yield handle, message
        if not queued:
            return
