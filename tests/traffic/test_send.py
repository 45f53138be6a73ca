"""Requests and their answers as frames, over real sockets."""

import threading
from pathlib import Path

import pandas as pd
import pytest

from labkit.errors import UsageError
from labkit.traffic.answers import answering_service, send
from labkit.traffic.exchange import exchange


def test_a_row_per_request(server):
    frame = send(f"{server.url}/b", requests=50, concurrency=4)

    assert len(frame) == 50
    assert frame["status"].eq(200).all()
    assert frame["service"].eq("ServiceB").all()
    assert frame["error"].isna().all()
    assert frame["time"].is_monotonic_increasing
    assert (frame["total_ms"] >= frame["first_byte_ms"]).all()
    assert frame["tag"].is_unique
    assert frame["time"].dt.tz is not None


def test_the_server_sees_the_tags(server):
    frame = send(f"{server.url}/b", requests=5, concurrency=2)

    agents = {agent for _, agent in server.seen}
    assert {f"({tag})" for tag in frame["tag"]} == {agent.split(" ")[1] for agent in agents}


def test_connections_are_kept(server):
    frame = send(f"{server.url}/b", requests=60, concurrency=3)

    assert len({port for port, _ in server.seen}) == 3
    assert (frame["connect_ms"] > 0).sum() <= 3


def test_a_status_is_no_error(server):
    frame = send(f"{server.url}/nothing", requests=2)

    assert frame["status"].tolist() == [404, 404]
    assert frame["service"].isna().all()
    assert frame["error"].isna().all()


def test_no_answer_is_an_error(unused_tcp_port):
    frame = send(f"http://127.0.0.1:{unused_tcp_port}/", requests=3, concurrency=3)

    assert frame["status"].isna().all()
    assert frame["error"].str.contains("connect").all()


def test_a_dropped_connection_is_an_error(server):
    frame = send(f"{server.url}/drop", requests=3)

    assert frame["error"].str.contains("Empty reply|Recv failure", regex=True).all()


def test_a_time_out_is_an_error(server):
    frame = send(f"{server.url}/slow", requests=1, timeout=0.2)

    assert frame["status"].isna().all()
    assert frame["error"].str.contains("timed out").all()
    assert (frame["total_ms"] > 100).all(), "it waited; how long exactly is the machine's"


def test_more_at_once_than_requests(server):
    assert len(send(f"{server.url}/b", requests=2, concurrency=50)) == 2


def test_frames_know_how_they_were_made(server):
    frame = send(f"{server.url}/b", requests=4, concurrency=2)

    assert frame.attrs["url"] == f"{server.url}/b"
    assert frame.attrs["concurrency"] == 2
    assert frame.attrs["seconds"] > 0


@pytest.mark.parametrize(("requests", "concurrency"), [(0, 1), (1, 0), (-1, 1)])
def test_nonsense_is_refused(requests, concurrency):
    with pytest.raises(UsageError, match="at least 1 request"):
        send("http://127.0.0.1/", requests=requests, concurrency=concurrency)


def test_a_stop_ends_the_stream(server):
    got = sum(len(b) for b in exchange(f"{server.url}/b", requests=100_000, concurrency=2, stop=lambda: True))

    assert 1 <= got <= 4


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_halfway_something_is_done_while_the_rest_goes_on(server):
    seen = []

    frame = send(f"{server.url}/b", requests=60, concurrency=3, halfway=lambda: seen.append(len(server.seen)))

    assert len(frame) == 60
    assert 30 <= seen[0] <= 60
    assert frame["time"].iloc[29] < frame.attrs["halfway"]


def test_what_goes_wrong_halfway_ends_the_rest(server):
    def fail():
        raise UsageError("no such manifest")

    with pytest.raises(UsageError, match="no such manifest"):
        send(f"{server.url}/b", requests=1000, halfway=fail)
    assert not [one for one in threading.enumerate() if one.name.startswith("labkit-send")]


def test_nothing_is_left(server):
    threads, files = threading.active_count(), open_files()

    stream = exchange(f"{server.url}/b", requests=1000, concurrency=4)
    next(stream)
    stream.close()
    server_side = 8  # its own ends of the connections, while its threads notice

    assert open_files() <= files + server_side
    assert threading.active_count() <= threads + server_side


@pytest.mark.parametrize(
    ("body", "who"),
    [
        (
            "Hello from ServiceA! Calling … (http://x): Hello from ServiceC! Calling … Hello from D!",
            "ServiceC",
        ),
        ("Hello from ServiceA! Calling master system API... I/O error", "ServiceA"),
        ("Hello from External Cluster Service!", "External Cluster Service"),
        ("no healthy upstream", None),
        ("", None),
    ],
)
def test_who_answered(body, who):
    assert answering_service(body) == who


def test_bodies_are_kept_once(server):
    frame = send(f"{server.url}/alone", requests=20)

    assert isinstance(frame["body"].dtype, pd.CategoricalDtype)
    assert len(frame["body"].cat.categories) == 1
