"""How soon a moved slider is seen in the traffic: applied, acknowledged, first answer by the new weights."""

import statistics
import time

import pytest

from labkit import Lab

pytestmark = [pytest.mark.benchmark, pytest.mark.promise, pytest.mark.slow]

MOVES = 20


@pytest.fixture
def panel(cluster):
    with Lab(kubeconfig=cluster.kubeconfig) as lab:
        lab.goto(3, finished=True)
        made = lab.split_panel(rate=100, total=20_000)
        made.start()
        yield made
        made.close()
        lab.reset()


def move(panel, c):
    """Milliseconds until all proxies had it, and until the first answer by the new weights."""
    panel.controls.dials["ServiceC"].slider.value = c
    acknowledged, deadline = 1000 * panel.changed.acknowledged.seconds, time.monotonic() + 10
    while panel.first_answer_ms is None:
        assert time.monotonic() < deadline, "no answer by the new weights"
        time.sleep(0.01)
    return acknowledged, panel.first_answer_ms


def test_a_moved_slider_is_seen_in_the_traffic(panel, figure):
    acknowledged, answered = zip(*(move(panel, 100 * (n % 2)) for n in range(MOVES)), strict=True)
    median = statistics.median(answered)
    measured = f"{median:.0f} ms (median), slowest {max(answered):.0f} ms"
    figure("slider moved → first answer by the new weights", measured, "100 ms", met=median < 100)
    figure("slider moved → acknowledged", f"{statistics.median(acknowledged):.0f} ms (median)")
