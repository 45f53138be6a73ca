"""The banner's text, buttons and questions, driven as a browser would, against a real mesh."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from labkit import Lab
from labkit.errors import ConnectionLost, StepError
from labkit.kube.api.resources import DEPLOYMENTS, VIRTUAL_SERVICES

from ..shares import give, parts_now

pytestmark = pytest.mark.slow

HOME = "dev-service-mesh"
SPLIT = VIRTUAL_SERVICES.path(HOME, "producer-internal-host-vs")


@pytest.fixture(scope="module")
def lab(cluster) -> Iterator[Lab]:
    with Lab(kubeconfig=cluster.kubeconfig) as found:
        yield found
        found.reset()


def press(guide, button):
    guide.buttons[button].click()
    assert not guide.busy
    assert not any(one.disabled for one in guide.buttons.values())
    return guide.status.value + guide.result.value


@pytest.mark.parametrize("step", [0, 3, 6])
def test_after_goto_it_always_says_the_same(lab, step):
    lab.goto(step)
    first = repr(lab.guide(step))
    lab.goto(4, finished=True)
    lab.goto(step)

    shown = lab.guide(step)._repr_mimebundle_()[0]

    assert shown["text/plain"] == first
    lines = first.splitlines()
    assert lines[0].startswith(f"Step {step} of 6: ")
    marks = [f"{n} ✓ done" for n in range(step)] + [f"{step} ● here"]
    assert lines[1].split("   ") == marks + [f"{n} ○ to come" for n in range(step + 1, 7)]
    assert lines[2].startswith("You are here")
    assert f"Step {step}, " in shown["text/html"], "marks have names for screen readers"


def test_each_piece_is_told(lab):
    lab.goto(3)
    lab.apply("service-c-deployment.yml")

    lines = repr(lab.guide(3)).splitlines()

    assert lines[2] == "You are here: 1 of 3 pieces is there."
    assert lines[3] == "  ✓ applied: deployment.apps/service-c-deployment"
    assert lines[4] == "  ○ missing: service/service-c-srv"
    assert lines[5].endswith("producer-internal-host-vs (as step 2 left it)")
    assert lines[6] == 'Next: `lab.apply("service-c-srv.yml")`.'


def test_what_was_changed_by_hand_is_told(lab):
    lab.goto(4)
    give(lab.api, "ServiceC", 20)
    lab.api.request("DELETE", VIRTUAL_SERVICES.path(HOME, "inbound-to-service-a-vs"))

    text = repr(lab.guide(3))

    assert "1 ● here   2 ✓ done   3 ≠ changed   4 ○ to come" in text
    assert "of step 1: ○ missing: virtualservice.networking.istio.io/inbound-to-service-a-vs" in text
    assert "route[0].weight is 80, the manifest says 50" in text


def test_istio_and_its_egress_gateway_are_pieces(lab):
    lab.goto(5)
    before = repr(lab.guide(5))
    lab.goto(5, finished=True)

    assert "○ missing: Istio: egress gateway" in before
    assert "✓ applied: Istio: egress gateway" in repr(lab.guide(5))
    assert "✓ applied: Istio: mesh settings" in repr(lab.guide(0))


def test_the_buttons(lab):
    lab.goto(3)
    guide = lab.guide(3)

    said = press(guide, "Check")
    assert "2 of 3 promises hold." in said
    assert "There is no Deployment service-c-deployment" in said

    said = press(guide, "Show me the end")
    assert "Here step 3 is done: " in said
    assert "This step is done." in guide.head.value
    assert "3 of 3 promises hold: this step is done." in press(guide, "Check")

    said = press(guide, "Bring me here")
    assert "Here step 3 begins: " in said
    assert "Removed deployment.apps/service-c-deployment" in said
    assert "You are here" in guide.head.value


def test_own_work_is_asked_for_before_it_is_undone(lab):
    lab.goto(3, finished=True)
    give(lab.api, "ServiceC", 20)
    guide = lab.guide(3)

    said = press(guide, "Bring me here")
    assert "This undoes what you have made or changed: virtualservice" in said
    assert guide.question.layout.display != "none"
    press(guide, "No, keep it")
    assert guide.question.layout.display == "none"
    assert parts_now(lab.api) == {"ServiceB": 80, "ServiceC": 20}

    press(guide, "Show me the end")
    press(guide, "Yes, undo it")
    assert parts_now(lab.api) == {"ServiceB": 50, "ServiceC": 50}
    assert guide.question.layout.display == "none"


def test_refresh_sees_what_others_did(lab):
    lab.goto(2)
    guide = lab.guide(2)
    lab.goto(2, finished=True)

    assert "You are here" in guide.head.value
    press(guide, "Refresh")
    assert "This step is done." in guide.head.value


async def test_a_second_click_does_not_run_it_again(lab):
    """Clicks wait in the kernel's queue: the second is taken from it when the first is done."""
    lab.goto(1)
    guide = lab.guide(1)
    done = []
    guide.act(lambda: done.append(1))
    guide.act(lambda: done.append(2))
    assert guide.buttons["Check"].disabled

    await asyncio.sleep(0.3)

    guide.act(lambda: done.append(3))
    assert done == [1, 3]
    await asyncio.sleep(0.3)
    assert not guide.buttons["Check"].disabled


def test_what_goes_wrong_is_a_sentence(lab):
    guide = lab.guide(1)
    for error, words in (
        (ConnectionLost("The cluster <is> gone."), "The cluster &lt;is&gt; gone."),
        (KeyboardInterrupt(), "You stopped it."),
        (ZeroDivisionError("x"), "This should not have happened (ZeroDivisionError: x)"),
    ):

        def fail(error=error):
            raise error

        guide.act(fail)
        assert words in guide.result.value
        assert "Traceback" not in guide.result.value
        assert not guide.buttons["Check"].disabled


def test_a_deployment_scaled_down_is_changed(lab):
    lab.goto(2, finished=True)
    lab.api.request(
        "PATCH",
        DEPLOYMENTS.path(HOME, "service-b-deployment"),
        body={"spec": {"replicas": 0}},
        content_type="application/merge-patch+json",
    )

    assert "spec.replicas is 0, the manifest says 1" in repr(lab.guide(2))


@pytest.mark.parametrize("step", [-1, 7, "three"])
def test_no_such_step(lab, step):
    with pytest.raises(StepError, match="steps 0 to 6"):
        lab.guide(step)


def test_what_a_terminal_changes_is_seen_while_somebody_looks(lab, cluster, monkeypatch):
    monkeypatch.setattr("labkit.views.guide._LOOK", 0.05)
    lab.goto(2)
    guide = lab.guide(2)
    drawn = guide.head.value
    seen = threading.Event()
    guide.head.observe(lambda _: seen.set(), "value")
    lab.goto(2, finished=True)
    assert guide.head.value == drawn, "nobody looks"

    guide.presence.hear()
    assert seen.wait(30)
    assert "This step is done." in guide.head.value
    guide.stop()
    assert "labkit-look" not in [thread.name for thread in threading.enumerate()]
