"""The split panel's widgets, driven as a browser would, against a real mesh."""

import threading
import time
from collections.abc import Iterator

import pandas as pd
import pytest

from labkit import Lab
from labkit.scenario.splitting import give, parts_now
from labkit.views.split_panel import PRESETS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(cluster) -> Iterator[Lab]:
    with Lab(kubeconfig=cluster.kubeconfig) as found:
        found.goto(3, finished=True)
        yield found
        found.reset()


@pytest.fixture
def panel(lab):
    made = lab.split_panel(rate=100, total=3000)
    yield made
    made.close()
    assert not made.stream.alive


def _wait(condition):
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_sliders_add_to_100_and_change_the_rule(panel, lab):
    panel.controls.b.value = 30
    assert (panel.controls.b.value, panel.controls.c.value) == (30, 70)
    assert parts_now(lab.api) == {"ServiceB": 30, "ServiceC": 70}

    panel.controls.c.value = 5
    assert (panel.controls.b.value, panel.controls.c.value) == (95, 5)
    assert parts_now(lab.api) == {"ServiceB": 95, "ServiceC": 5}
    assert "applied → acknowledged by" in panel.controls.change.value
    assert "kubectl apply --server-side" in panel.controls.manifest.value
    assert "weight: 95" in panel.controls.manifest.value


@pytest.mark.parametrize("wrong", [110, -1, 33.3])
def test_a_weight_there_is_not_is_refused_and_moves_nothing(panel, lab, wrong):
    panel.set(40)
    panel.set(wrong)

    assert "from 0 to 100" in panel.controls.change.value
    assert (panel.controls.b.value, panel.controls.c.value) == (60, 40)
    assert parts_now(lab.api) == {"ServiceB": 60, "ServiceC": 40}


def test_weights_in_other_units_are_shown_as_parts_of_100(lab):
    text = lab.manifest("producer-internal-host-50-c-vs.yml").text
    text = text.replace("weight: 50", "weight: 3", 1).replace("weight: 50", "weight: 1")
    lab.apply(text)
    panel = lab.split_panel()

    assert parts_now(lab.api) == {"ServiceB": 75, "ServiceC": 25}
    assert (panel.controls.b.value, panel.controls.c.value) == (75, 25)
    panel.close()


def test_the_newest_error_is_told_whoever_noticed_it(panel):
    """Where ServiceA's own proxy finds nobody, ServiceA answers 200 and tells of a 503."""
    told = "Hello from ServiceA! Calling master system API... 503 Service Unavailable: [no body]"
    row = {"time": pd.Timestamp.now("UTC"), "status": 200, "service": None, "body": told, "total_ms": 3.0}
    panel._take(pd.DataFrame([row | {"error": None}]))

    assert "1 of 1 failed" in panel.controls.errors.value
    assert "503 Service Unavailable" in panel.controls.errors.value


def test_presets(panel, lab):
    for button, c in zip(panel.controls.presets, PRESETS, strict=True):
        button.click()
        assert parts_now(lab.api) == {"ServiceB": 100 - c, "ServiceC": c}
        assert panel.controls.c.value == c


def test_the_split_follows(panel, capsys):
    panel.set(0)
    panel.controls.button.click()
    _wait(lambda: panel.split().counts["ServiceB"] >= 30)
    assert panel.split().counts["ServiceC"] == 0

    panel.controls.c.value = 100
    _wait(lambda: panel.split().counts["ServiceC"] >= 30)
    assert panel.split().fits, panel.split().verdict
    assert panel.split().counts["ServiceB"] == 0, "no request after the acknowledgement goes to B"
    shown = {trace.name: trace for trace in panel.figure.widget.data}
    assert len(shown["ServiceC"].x) >= 30
    assert shown["observed"].y[1] == 100
    assert shown["weights changed"].x
    with capsys.disabled():
        print(f"\nslider → first answer by the new weights: {panel.first_answer_ms:.0f} ms")
    assert panel.first_answer_ms < 2000

    panel.controls.button.click()
    assert not panel.stream.running
    assert panel.controls.button.description == "Start"


def test_weights_set_elsewhere_are_followed(panel, lab):
    panel.set(0)
    panel.start()
    give(lab.api, "ServiceC", 25)

    _wait(lambda: panel.controls.c.value == 25)
    assert panel.controls.b.value == 75
    _wait(lambda: "set elsewhere" in panel.controls.change.value)
    _wait(lambda: "weight: 75" in panel.controls.manifest.value)
    assert parts_now(lab.api) == {"ServiceB": 75, "ServiceC": 25}


def test_two_panels_and_nothing_is_left(lab):
    panels = [lab.split_panel(rate=50), lab.split_panel(rate=50)]
    for one in panels:
        one.start()
    for one in panels:
        _wait(lambda one=one: one.stream.sent > 10)
    panels[0].close()
    assert panels[1].box.comm is not None, "the other panel stays"
    assert panels[1].stream.alive
    panels[1].close()
    assert not [thread for thread in threading.enumerate() if thread.name == "labkit-stream"]


def test_without_widgets_it_is_a_still_picture_and_a_command(panel, capsys):
    panel.set(50)
    bundle = panel._repr_mimebundle_()

    assert bundle["image/png"]
    assert capsys.readouterr().out.startswith(f"$ {panel.command}")
    assert "100 requests" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_a_refusal_stands_in_the_status(panel):
    panel.set(50)
    panel._api = _Refusing()
    panel.controls.c.value = 80

    assert "no such cluster" in panel.controls.change.value
    assert (panel.controls.b.value, panel.controls.c.value) == (50, 50), "the sliders say what holds"


class _Refusing:
    def __getattr__(self, _):
        from labkit.errors import NotRunning

        raise NotRunning("no such cluster")
