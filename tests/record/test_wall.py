"""The class on a wall: whoever is stuck is seen, however many there are; and it follows what happens."""

import datetime as dt
import io
import os
import pty
import signal
import subprocess
import time

import pytest
from rich.console import Console

from labkit.cli.records.wall import wall
from labkit.kube.api.watch import Event
from labkit.kube.connecting.connect import connect
from labkit.record.classroom import Class
from labkit.record.shelf import Shelf
from labkit.record.story import Standing, standing
from labkit.scenario.learner import Learner

from ..conftest import LABKIT
from .made import BEGAN, at, check, story

NOW = BEGAN + dt.timedelta(hours=2)
CONFIG_MAPS, NAMESPACES = "/api/v1/configmaps", "/api/v1/namespaces"


def shown(standings, room=None, width=100):
    console = Console(file=io.StringIO(), width=width)
    console.print(wall(standings, NOW, range(7), room))
    return console.file.getvalue()


def test_each_has_a_row():
    page = shown({"anna": standing(story()), "boris": Standing()})
    assert "2 learners, 1 of them stuck" in page
    anna, boris = (next(line for line in page.splitlines() if name in line) for name in ("anna", "boris"))
    assert [cell.strip() for cell in anna.split("│")[1:-1]] == ["anna", "2", "○●○○○○○", "p0", "1 h", "1 h"]
    assert [cell.strip() for cell in boris.split("│")[1:-1]] == ["boris", "–", "○○○○○○○", "", "", ""]


def test_with_little_room_those_who_are_stuck_longest_are_seen():
    everybody = {f"learner-{n:02}": standing([check(n, 3, n % 3 == 0)]) for n in range(30)}
    page = shown(everybody, room=10)
    assert "30 learners, 20 of them stuck" in page
    assert "and 20 more" in page
    assert [line.split("│")[1].strip() for line in page.splitlines() if "learner-" in line][:3] == [
        "learner-01",
        "learner-02",
        "learner-04",
    ]
    assert shown(everybody).count("learner-") == 30


def test_a_record_can_do_nothing_to_a_terminal():
    evil = check(0, 1, False)
    evil.content["promises"][0]["promise"] = "\x1b[2J[red]gone[/red]"
    page = shown({"anna": standing([evil])})
    assert "\x1b" not in page
    assert "?[2J[red]gone[/red]" in page


def record(namespace, *entries, name="labkit-record", label="boris"):
    data = {entry.id: entry.text() for entry in entries}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"labkit/learner": label}},
        "data": data,
    }


def test_whose_a_record_is_its_namespace_says():
    """Anna may write what she likes into her namespace, also a record that is called boris's."""
    found = Class()
    found.see(Event("ADDED", CONFIG_MAPS, record("labkit-record-anna", check(0, 1, True))))
    found.see(Event("ADDED", CONFIG_MAPS, record("labkit-record-anna", check(0, 6, True), name="another")))
    found.see(Event("ADDED", CONFIG_MAPS, record("dev-service-mesh-boris", check(0, 6, True))))
    found.see(Event("ADDED", CONFIG_MAPS, record("labkit-record-UP..", check(0, 6, True))))
    found.see(Event("ADDED", NAMESPACES, {"metadata": {"name": "x", "labels": {"labkit/learner": "carla"}}}))
    assert {name: one.done for name, one in found.standings.items()} == {"anna": (1,), "carla": ()}
    found.see(Event("DELETED", CONFIG_MAPS, record("labkit-record-anna")))
    assert found.standings["anna"] == Standing()


@pytest.mark.slow
def test_it_follows_and_ends_with_ctrl_c(cluster):
    api, learner = connect(kubeconfig=cluster.kubeconfig), Learner("wallace")
    shelf = Shelf(api, learner)
    shelf.add([at(0, "goto", step=1, finished=False, moves="", set_aside="")])
    screen, side = pty.openpty()
    env = cluster.env | {"TERM": "xterm", "LINES": "40", "COLUMNS": "100"}
    try:
        with subprocess.Popen([LABKIT, "class"], env=env, stdout=side, stderr=subprocess.PIPE) as live:
            os.close(side)
            read_until(screen, b"wallace")
            shelf.add([check(1, 1, False)])
            read_until(screen, b"p0")
            live.send_signal(signal.SIGINT)
            rest = read_until(screen, None)
            assert live.wait(20) == 0
            assert live.stderr.read() == b""
        assert b"\x1b[?1049l" in rest, "the terminal's own screen is back"
        piped = cluster.labkit("class").stdout  # no terminal: once
        assert "wallace" in piped
        assert "\x1b" not in piped
    finally:
        api.request("DELETE", f"{NAMESPACES}/{shelf.namespace}")
        api.close()


def read_until(screen, words):
    """What comes until there are these *words*; or all of it."""
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            chunk = os.read(screen, 65536)
        except OSError:  # the other side is closed
            chunk = b""
        seen += chunk
        if not chunk or (words and words in seen):
            break
    assert words is None or words in seen, seen
    return seen
