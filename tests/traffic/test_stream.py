"""The stream in the background: bounded, paused, errors as rows, and never left behind."""

import gc
import threading
import weakref

import pandas as pd
import pytest

from labkit.errors import NotRunning, UsageError
from labkit.traffic.stream import TICK, Stream

from ..clocks import ManualClock


class Receiver:
    """Keeps what it is given; ``wait`` until there are so many rows."""

    def __init__(self):
        self.batches, self._news = [], threading.Condition()

    def take(self, rows):
        with self._news:
            self.batches.append(rows)
            self._news.notify_all()

    @property
    def count(self):
        return sum(map(len, self.batches))

    @property
    def rows(self):
        return pd.concat(self.batches, ignore_index=True)

    def wait(self, count):
        with self._news:
            assert self._news.wait_for(lambda: self.count >= count, timeout=10), f"{self.count} rows only"


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def stream(server, receiver):
    made = Stream(f"{server.url}/c", receiver.take, rate=100, total=60)
    yield made
    made.close()
    assert not made.alive


def test_it_ends_at_its_total(stream, receiver, server):
    stream.start()
    stream._thread.join(10)

    assert (receiver.count, stream.sent, len(server.seen)) == (60, 60, 60)
    assert set(receiver.rows["service"]) == {"ServiceC"}
    assert not stream.running


@pytest.mark.parametrize(("rate", "seconds"), [(40, 10), (0.5, 60), (400, 2)])
def test_it_keeps_the_rate(server, rate, seconds):
    """By a clock that goes on only where the stream waits: a handful takes no time at all."""
    clock, batches = ManualClock(), []
    began = clock.time()
    stream = Stream(
        f"{server.url}/c",
        lambda rows: batches.append((clock.time() - began, len(rows))),
        rate=rate,
        total=int(rate * seconds),
        clock=clock,
    )
    stream.start()
    stream._thread.join(20)

    assert not stream.alive
    assert sum(count for _, count in batches) == rate * seconds
    sent = 0
    for at, count in batches:
        sent += count
        assert rate * at - 1 <= sent <= rate * (at + TICK) + 2, f"{sent} after {at:.1f} s"


def test_what_a_slow_answer_delays_is_not_caught_up(server):
    clock, counts = ManualClock(), []

    def slow(rows):
        counts.append(len(rows))
        clock.at += 5 * (len(counts) == 10)

    stream = Stream(f"{server.url}/c", slow, rate=50, total=100, clock=clock)
    stream.start()
    stream._thread.join(20)

    assert max(counts) <= 6, counts


def test_a_pause_and_on(stream, receiver):
    stream.start()
    receiver.wait(1)
    stream.pause()
    assert not stream.running
    seen = stream.sent
    assert stream.alive

    stream.start()
    receiver.wait(seen + 20)


def test_a_pause_does_not_wait_for_the_rest_of_a_handful(server, receiver):
    """400 a second are 40 in each handful, 4 at once."""
    stream = Stream(f"{server.url}/c", receiver.take, rate=400, total=10_000)
    server.on_request = stream.pause
    stream.start()
    receiver.wait(1)
    stream.close()

    assert receiver.count == stream.sent == len(server.seen)
    assert receiver.count <= 12, "a few that were under way"


def test_errors_are_rows(receiver):
    with_nobody = Stream("http://127.0.0.1:9/", receiver.take, rate=40, total=5)
    with_nobody.start()
    with_nobody._thread.join(10)

    assert receiver.count == 5
    assert receiver.rows["status"].isna().all()
    assert receiver.rows["error"].notna().all()


def test_a_cluster_that_is_gone_is_a_row_and_its_return_is_seen(receiver, server):
    answers = iter([NotRunning("The cluster is not running."), None])

    def where():
        if error := next(answers):
            raise error
        return f"{server.url}/b"

    stream = Stream(where, receiver.take, rate=100, total=60)
    stream.start()
    stream._thread.join(10)

    assert receiver.rows["error"].iloc[0] == "The cluster is not running."
    assert receiver.rows["service"].iloc[-1] == "ServiceB"


def test_a_forgotten_receiver_ends_it(server):
    receiver = Receiver()
    stream = Stream(f"{server.url}/b", receiver.take, rate=50, total=100_000)
    stream.start()
    receiver.wait(1)
    thread, gone = stream._thread, weakref.ref(stream)

    del receiver, stream
    gc.collect()

    thread.join(5)
    assert not thread.is_alive()
    assert gone() is None


def test_a_receiver_that_fails_ends_it_and_says_why(server):
    stream = Stream(f"{server.url}/b", lambda rows: rows["no such column"])
    stream.start()
    stream._thread.join(5)

    assert not stream.alive
    assert "no such column" in stream.failure


@pytest.mark.parametrize("rate", [0, -1, 10_000])
def test_a_senseless_rate_is_refused(stream, rate):
    with pytest.raises(UsageError, match="rate"):
        stream.rate = rate
