"""Strangers at the API's door: half-sent requests and open connections take nothing from its owner."""

import json
import socket
import ssl
import threading
import time

import pytest

from labkit.embedded.api import door

MAPS = "/api/v1/namespaces/dev/configmaps"


def address(api):
    host, port = api.url.removeprefix("https://").split(":")
    return host, int(port)


def connect(api, secure=True):
    connection = socket.create_connection(address(api), timeout=10)
    if not secure:
        return connection
    context = ssl.create_default_context(cafile=str(api.certificates.authority))
    return context.wrap_socket(connection, server_hostname="127.0.0.1")


def is_closed(connection) -> bool:
    """Whether the other side has ended *connection*; waits for it."""
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def strangers(api) -> int:
    return api.inside(lambda: len(api.server._door._strangers))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(door, "PATIENCE", 0.3)


@pytest.mark.parametrize("sent", [b"", b"GET /api HTTP/1.1\r\nHost: x\r\n", b"GET /api HT"])
def test_a_stranger_has_to_hurry(api, impatient, sent):
    with connect(api) as connection:
        connection.sendall(sent)
        assert is_closed(connection)
    assert strangers(api) == 0


@pytest.mark.parametrize("sent", [b"", b"\x16\x03", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_handshake_has_to_hurry(api, impatient, sent):
    with connect(api, secure=False) as connection:
        connection.sendall(sent)
        while connection.recv(100):  # an alert, where what came was no TLS
            pass
    assert api.ask("GET", "/healthz").status == 200


def test_a_stranger_that_leaves_is_forgotten(api):
    for secure in (True, False):
        connect(api, secure).close()
    assert api.ask("GET", "/healthz").status == 200
    deadline = time.monotonic() + 5
    while strangers(api) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert strangers(api) == 0


def test_who_is_known_may_stay(api, impatient):
    """A watch, and a connection that is kept, live longer than a stranger's."""
    api.ask("POST", MAPS, {"metadata": {"name": "first"}})
    with api.open("GET", f"{MAPS}?watch=1&timeoutSeconds=20") as watch:
        assert json.loads(watch.readline())["type"] == "ADDED"
        with connect(api) as stranger:
            assert is_closed(stranger)  # so more than the patience has passed
        api.ask("POST", MAPS, {"metadata": {"name": "second"}})
        assert json.loads(watch.readline())["object"]["metadata"]["name"] == "second"


def test_a_crowd_of_strangers(api, caplog):
    """More than the bound: the oldest go, everybody else is answered at once, the log has one line."""
    crowd = [connect(api, secure=number % 8 == 0) for number in range(3 * door.MOST_STRANGERS)]
    try:
        assert strangers(api) <= door.MOST_STRANGERS
        assert is_closed(crowd[0])
        assert api.ask("GET", "/healthz").status == 200
        assert api.ask("POST", MAPS, {"metadata": {"name": "a"}}).status == 201
    finally:
        for each in crowd:
            each.close()
    assert len(caplog.records) == 1
    assert "wait without a token" in caplog.text


def test_known_clients_are_not_pushed_out(api):
    with api.open("GET", f"{MAPS}?watch=1&timeoutSeconds=30") as watch:
        crowd = [connect(api, secure=False) for _ in range(door.MOST_STRANGERS + 20)]
        api.ask("POST", MAPS, {"metadata": {"name": "a"}})
        assert json.loads(watch.readline())["type"] == "ADDED"
        for each in crowd:
            each.close()


def test_what_is_no_http_is_not_worth_a_line(api, caplog):
    for garbage in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 20_000 + b"\r\n\r\n"):
        with connect(api) as connection:
            connection.sendall(garbage)
            is_closed(connection)
    assert not caplog.records


def test_many_watches_of_one_client(api):
    """A known client may have as many connections as it likes."""
    open_watches = [
        api.open("GET", f"{MAPS}?watch=1&timeoutSeconds=30") for _ in range(door.MOST_STRANGERS + 10)
    ]
    seen = []

    def first(watch) -> None:
        seen.append(json.loads(watch.readline())["type"])

    readers = [threading.Thread(target=first, args=[each]) for each in open_watches]
    for each in readers:
        each.start()
    api.ask("POST", MAPS, {"metadata": {"name": "a"}})
    for each in readers:
        each.join(20)
    for each in open_watches:
        each.close()
    assert seen == ["ADDED"] * len(open_watches)
