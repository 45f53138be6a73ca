"""Answers as a frame: one row a request.

==============  =====================  =======================================================
column          type                   meaning
==============  =====================  =======================================================
time            datetime64[us, UTC]    when the request was sent
status          Int16                  HTTP status; missing where there was no answer
service         category               who answered: see :func:`answering_service`
total_ms        float64                from start to the last byte
first_byte_ms   float64                … to the first byte
connect_ms      float64                … to the TCP connection; 0 where an open one was used again
dns_ms          float64                … to the address
error           str                    libcurl's words where there was no answer, else missing
request_id      str                    the mesh's id of it, once found in the gateway's log
tag             str                    our mark in the request's User-Agent; empty where that is the caller's
body            category               the answer
==============  =====================  =======================================================
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pandas as pd

from labkit.errors import UsageError
from labkit.language import gettext
from labkit.traffic.exchange import Columns, exchange
from labkit.traffic.numbers import whole
from labkit.traffic.target import Headers, Target

_GREETING = re.compile(r"Hello from ([^!]+)!")


def send(
    where: str | Target,
    *,
    requests: int,
    concurrency: int = 1,
    headers: Headers | None = None,
    timeout: float = 30.0,
    stop: Callable[[], bool] | None = None,
    halfway: Callable[[], object] | None = None,
) -> pd.DataFrame:
    """GET *where* *requests* times, *concurrency* at once; one row a request, in order of sending.

    headers: sent beside libcurl's own, or in their place, as with `curl -H`. timeout: seconds for one
    request. halfway: is called when half of the requests are answered, while the others go on.
    ``attrs`` of the frame hold ``url``, ``concurrency`` and ``seconds``, and where there is a *halfway* the
    ``time`` at which it was done.
    """
    requests, concurrency = whole("requests", requests), whole("concurrency", concurrency)
    if requests < 1 or concurrency < 1:
        raise UsageError(
            gettext(
                "send() needs at least 1 request and a concurrency of 1, not {requests} and {concurrency}.",
                requests=requests,
                concurrency=concurrency,
            )
        )
    target = Target.of(where, headers)
    over = threading.Event()
    sending = exchange(
        target,
        requests=requests,
        concurrency=concurrency,
        timeout=timeout,
        stop=lambda: over.is_set() or bool(stop and stop()),
    )
    started = time.perf_counter()
    columns, more = Columns(), dict[Hashable, pd.Timestamp]()
    if halfway is None:
        deque(_gather(sending, columns), maxlen=0)
    else:
        more["halfway"] = _beside(sending, columns, (requests + 1) // 2, over, halfway)
    seconds = time.perf_counter() - started
    frame = to_frame(columns)
    frame.attrs = {"url": target.url, "concurrency": concurrency, "seconds": round(seconds, 6), **more}
    return frame


def _gather(batches: Iterable[Columns], columns: Columns) -> Iterator[int]:
    """All *batches* into *columns*; yields how many rows there are by now."""
    for batch in batches:
        for column in fields(Columns):
            getattr(columns, column.name).extend(getattr(batch, column.name))
        yield len(columns)


def _beside(
    batches: Iterable[Columns], columns: Columns, half: int, over: threading.Event, call: Callable[[], object]
) -> pd.Timestamp:
    """*call* when *half* of the rows are there, and when it was done; the rest is gathered meanwhile."""
    reached = threading.Event()

    def gather() -> None:
        try:
            for count in _gather(batches, columns):
                if count >= half:
                    reached.set()
        finally:
            reached.set()

    with ThreadPoolExecutor(1, "labkit-send") as pool:
        sending = pool.submit(gather)
        try:
            reached.wait()
            if sending.done():
                sending.result()  # what went wrong before comes first
            call()
            done = pd.Timestamp.now("UTC")
            sending.result()
        finally:
            over.set()
    return done


def to_frame(columns: Columns) -> pd.DataFrame:
    """*columns* as the frame described above."""
    codes, bodies = _distinct(columns.body)
    services = [answering_service(body) for body in bodies]
    status = np.array(columns.status, dtype="int16")
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(np.array(columns.started) * 1e6, unit="us", utc=True).as_unit("us"),
            "status": pd.array(status, dtype="Int16"),
            "service": pd.Categorical([services[code] for code in codes]),
            "total_ms": _milliseconds(columns.total),
            "first_byte_ms": _milliseconds(columns.first_byte),
            "connect_ms": _milliseconds(columns.connect),
            "dns_ms": _milliseconds(columns.dns),
            "error": pd.array(columns.error, dtype="str"),
            "request_id": pd.array([None] * len(columns), dtype="str"),
            "tag": pd.array(columns.tag, dtype="str"),
            "body": pd.Categorical.from_codes(codes, categories=pd.Index(bodies, dtype="str")),
        }
    )
    frame.loc[status == 0, "status"] = pd.NA
    return frame.sort_values("time", kind="stable", ignore_index=True)


def answering_service(body: str) -> str | None:
    """Who answered, by the greeting in *body*: the service that ServiceA reached, else who greets first.

    An answer of ServiceA's holds the greeting of the service it called, and that one is the question
    of every split. ``None`` where nobody greets, as in an error that Envoy sent.
    """
    greeting = _GREETING.findall(body)
    return greeting[1] if len(greeting) > 1 else greeting[0] if greeting else None


def _distinct(bodies: list[bytes]) -> tuple[list[int], list[str]]:
    """Each body's number, and the texts by number: there are few different answers."""
    seen: dict[bytes, int] = {}
    codes = [seen.setdefault(body, len(seen)) for body in bodies]
    texts: dict[str, int] = {}
    renumber = [texts.setdefault(body.decode(errors="replace"), len(texts)) for body in seen]
    return [renumber[code] for code in codes], list(texts)


def _milliseconds(seconds: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.round(np.array(seconds, dtype="float64") * 1e3, 3)
