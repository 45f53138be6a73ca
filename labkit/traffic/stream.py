"""A stream of real requests in the background: started, paused, bounded, and gone with whom it serves.

One thread sends a handful of requests every tick, as many as the rate asks for, and hands over the
rows. The loop is closed: what a slow answer delays is not caught up afterwards, so a mesh that
stumbles is not run over. The thread holds the receiver by a weak reference only; a panel that a
notebook forgot (a cell run again, a kernel that ends) takes its stream with it.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pandas as pd

from labkit.clock import SYSTEM, Clock
from labkit.errors import LabkitError, UsageError
from labkit.language import gettext
from labkit.traffic.answers import send, to_frame
from labkit.traffic.as_sent import header_lines
from labkit.traffic.exchange import Columns
from labkit.traffic.numbers import number, whole
from labkit.traffic.target import Headers, Target

Receiver = Callable[[pd.DataFrame], None]
Where = Callable[[], str | Target]

TICK = 0.1
"""Seconds between two handfuls."""
MOST_PER_SECOND = 400.0
_AT_ONCE = 4


class Stream:
    """Requests to what *where* names, *rate* a second, *total* at most.

    where: the URL, or what finds it; asked again after a handful that nobody answered.
    receive: is given each handful's rows (as :func:`labkit.traffic.answers.send` makes them), in the
        stream's thread. Where it is a bound method, its object may be forgotten: the stream ends then.
    headers: of each request, as :func:`labkit.traffic.answers.send` takes them.
    timeout: seconds for one request.
    """

    def __init__(
        self,
        where: str | Target | Where,
        receive: Receiver,
        *,
        headers: Headers | None = None,
        rate: float = 20.0,
        total: int = 5000,
        timeout: float = 5.0,
        clock: Clock = SYSTEM,
    ) -> None:
        self._state = _State(where, _weak(receive), headers, whole("total", total), timeout, clock)
        self.rate = rate
        self._thread: threading.Thread | None = None
        self._finalizer = weakref.finalize(self, self._state.over.set)

    @property
    def rate(self) -> float:
        """Requests a second; may be changed at any time."""
        return self._state.rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if not 0 < number("rate", rate) <= MOST_PER_SECOND:
            raise UsageError(
                gettext(
                    "A rate is more than 0 and at most {most_per_second:.0f} a second, not {rate}.",
                    most_per_second=MOST_PER_SECOND,
                    rate=rate,
                )
            )
        self._state.rate = rate

    @property
    def sent(self) -> int:
        """Requests sent so far."""
        return self._state.sent

    @property
    def total(self) -> int:
        """Requests it sends at most."""
        return self._state.total

    @property
    def running(self) -> bool:
        """Whether requests are being sent: started, not paused, not at its end."""
        return self.alive and self._state.going.is_set()

    @property
    def alive(self) -> bool:
        """Whether its thread is there."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failure(self) -> str | None:
        """What went wrong with the receiver, if that ended the stream."""
        return self._state.failure

    def start(self) -> None:
        """Send, or send on after a pause. Nothing happens where the total is reached or all is closed."""
        self._state.going.set()
        if self._thread is None and not self._state.over.is_set():
            self._thread = threading.Thread(
                target=_run, args=(self._state,), name="labkit-stream", daemon=True
            )
            self._thread.start()

    def pause(self) -> None:
        """Send no more for now, not even the rest of a handful; what is under way still arrives."""
        self._state.going.clear()

    def close(self, timeout: float = 10.0) -> None:
        """End it, and wait until the thread is gone. Closing twice is fine."""
        self._finalizer()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout)


class _State:
    """What the thread knows. It does not know the Stream, so that can be forgotten."""

    def __init__(
        self,
        where: str | Target | Where,
        receive: Callable[[], Receiver | None],
        headers: Headers | None,
        total: int,
        timeout: float,
        clock: Clock,
    ) -> None:
        self.where: Callable[[], Where | None] = (
            (lambda: lambda: where) if isinstance(where, str | Target) else _weak(where)
        )
        self.receive, self.total, self.timeout, self.clock = receive, total, timeout, clock
        self.headers = headers
        header_lines(headers)  # what can't be sent is told here, not by the thread
        self.url: str | Target | None = None
        self.rate, self.sent = 1.0, 0
        self.failure: str | None = None
        self.going, self.over = threading.Event(), threading.Event()

    def rests(self) -> bool:
        """Whether no more is to be sent for now."""
        return self.over.is_set() or not self.going.is_set()


def _weak(call: Callable[..., Any]) -> Callable[[], Any]:
    return weakref.WeakMethod(call) if inspect.ismethod(call) else lambda: call


def _run(state: _State) -> None:
    owed = 1.0
    while not state.over.is_set() and state.sent < state.total:
        began = state.clock.monotonic()
        if state.going.is_set():
            owed += state.rate * TICK
            count = min(int(owed), state.total - state.sent)
            owed = (owed - count) % 1
            if count and not _send(state, count):
                break
        state.clock.wait(state.over, max(0.0, TICK - (state.clock.monotonic() - began)))
    state.over.set()


def _send(state: _State, count: int) -> bool:
    """One handful; false where nobody wants it any more."""
    rows = _rows(state, count)
    state.sent += len(rows)
    receive = state.receive()
    if receive is None or state.over.is_set():
        return False
    try:
        receive(rows)
    except Exception as error:  # whatever the receiver did: a thread must not die in silence
        state.failure = f"{type(error).__name__}: {error}"
        return False
    return True


def _rows(state: _State, count: int) -> pd.DataFrame:
    try:
        if state.url is None:
            where = state.where()
            state.url = where() if where else ""
        rows = send(
            state.url,
            requests=count,
            concurrency=min(count, _AT_ONCE),
            headers=state.headers,
            timeout=state.timeout,
            stop=state.rests,
        )
    except LabkitError as error:  # the cluster is gone: an answer of its own kind, a row as any other
        rows = _unanswered(str(error), state.clock.time(), count)
    if rows["status"].isna().all():
        state.url = None  # the gateway may be elsewhere when it is back
    return rows


def _unanswered(why: str, at: float, count: int) -> pd.DataFrame:
    nothing = [0.0] * count
    return to_frame(
        Columns(
            started=[at] * count,
            status=[0] * count,
            body=[b""] * count,
            dns=nothing,
            connect=nothing,
            first_byte=nothing,
            total=nothing,
            tag=[""] * count,
            error=[why] * count,
        )
    )
