"""The daemon or a proxy stands still (a debugger, a laptop asleep): the panel says so, and goes on after."""

import os
import signal
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from labkit.embedded.cluster import processes

from .test_lab import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@contextmanager
def standing_still(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def envoy_of(cluster, pod):
    envoys = [pid for pid, name in processes.of(cluster.running.pid).items() if name.startswith("envoy")]
    return next(pid for pid in envoys if pod in (Path(f"/proc/{pid}/cwd") / "envoy.json").read_text())


def test_the_panel_says_who_stands_still_and_goes_on(lab, cluster):
    lab.goto(3, finished=True)
    pod = next(name for name in lab.pods()["name"] if name.startswith("service-a-v1"))
    with closing(lab.split_panel()) as panel:
        panel.start()
        wait_until(lambda: good(panel) > 20)

        with standing_still(cluster.running.pid):
            wait_until(lambda: "The cluster does not answer: The API server" in said(panel), seconds=30)
            assert "`labkit status`" in panel.rule.problem
        wait_until(lambda: "the rule is there again" in said(panel), seconds=30)
        goes_on(panel)

        with standing_still(envoy_of(cluster, pod)):
            wait_until(lambda: f"The sidecar proxy of pod {pod}" in said(panel), seconds=30)
        goes_on(panel)
        wait_until(lambda: "The sidecar proxy" not in said(panel), seconds=30)


def said(panel):
    controls = panel.controls
    return " ".join(one.value for one in (controls.change, controls.errors))


def good(panel):
    return sum(panel.split().counts.values())


def goes_on(panel):
    """Good answers come that were not there yet."""
    sent = panel.stream.sent
    wait_until(lambda: panel.stream.sent > sent + 20 and good(panel) > 0, seconds=60)
