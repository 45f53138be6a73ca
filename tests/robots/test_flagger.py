"""Flagger drives canaries on the embedded cluster: by weights, by header, with copies; it rolls back, too.

It judges by what a real Prometheus has read from the proxies, and asks by webhook where a test holds it. It
looks at its canaries every ten seconds, so a release takes a minute or two.
"""

import contextlib
import json
import threading

import pytest

from labkit.kube.mesh.destinations import Destination
from labkit.release.fault import Fault, end_fault, set_fault

from . import prometheus
from .conftest import HERE, HOME, IMAGE, NEW, OLD, Shop, folder, free_port, process
from .gates import Gates

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SUCCESS = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}
DURATION = {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "1m"}
CANARY = Destination("web-canary.shop", port=80)
TESTERS = {"Host": "new.shop.example"}
PATIENT, IMPATIENT = 1000, 2
"""How many failed checks it takes to roll back."""
CAME = (
    'sum(rate(istio_requests_total{{reporter="destination",destination_workload="web",'
    'response_code="{}"}}[1m]))'
)
"""Prometheus' question for the requests to the new version that were answered so."""


@pytest.fixture(scope="module")
def gates():
    with Gates() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def programs():
    flagger = folder("LABKIT_FLAGGER", "flagger", "crd.yaml")
    return flagger, folder("LABKIT_PROMETHEUS", "prometheus") / "prometheus"


@pytest.fixture(scope="module")
def witness(programs, shop_bench, api):
    with prometheus.running(programs[1], shop_bench, api) as found:
        yield found


@pytest.fixture(scope="module")
def controller(programs, shop_bench, witness):
    mine, _ = programs
    shop_bench.kubectl("apply", "-f", mine / "crd.yaml")
    command = [mine / "flagger", f"-kubeconfig={shop_bench.kubeconfig}", "-mesh-provider=istio"]
    command += [f"-metrics-server={witness.url}", f"-namespace={HOME}", f"-port={free_port()}"]
    command += ["-control-loop-interval=1s"]
    with process(command, shop_bench.root / "flagger.log", shop_bench.env):
        yield


class Flagger(Shop):
    """Releases of the Canary ``web``."""

    def phase(self, *wanted):
        self.until(lambda: self._phase() in wanted, f"{wanted}, it is {self._phase()}")

    def _phase(self):
        return (self.get("canary", "web").get("status") or {}).get("phase")

    def release(self, version):
        self.bench.kubectl("set", "image", "deployment/web", f"app={IMAGE[version]}", "-n", HOME)

    def given(self, percent, route=-1):
        self.until(lambda: self.weights(route) == (100 - percent, percent), f"{percent} %")

    def came_to_the_new(self):
        return self.came_to("app=web")

    def is_rolled_back(self, load, why):
        """The old version has everything and the new one no pods; *why* stands in the events."""
        self.phase("Failed")
        assert self.weights() == (100, 0)
        assert not any("mirror" in one for one in self.routes())
        events = self.bench.get("events", "-n", HOME)["items"]
        said = [one["message"] for one in events if one["involvedObject"]["kind"] == "Canary"]
        assert any(why in one for one in said), said
        self.fits(load, 0)
        self.until(lambda: not self.bench.get("pods", "-l", "app=web", "-n", HOME)["items"], "no pods of it")


@pytest.fixture
def flagger(controller, shop_bench, api):
    return Flagger(shop_bench, api)


@pytest.fixture
def start(flagger, gates):
    """Begin with the old version, taken over by Flagger; hooks: type of webhook → the gate it asks at."""

    def begin(hooks, **how):
        asked = [gates.hook(kind, name) for kind, name in hooks.items()]
        analysis = {"interval": "10s", "threshold": PATIENT, "metrics": [SUCCESS], "webhooks": asked} | how
        text = (HERE / "flagger" / "release.yaml").read_text().replace("HOW", json.dumps(analysis))
        flagger.apply(text)
        flagger.phase("Initialized")
        flagger.settled()

    gates.shut()
    yield begin
    flagger.bench.kubectl("delete", "canaries,deployments,events", "--all", "-n", HOME)
    flagger.until(lambda: not flagger.bench.get("pods", "-n", HOME)["items"], "no pods are left")


def test_by_weights_to_the_whole(flagger, start, gates):
    start({"confirm-traffic-increase": "more"}, stepWeights=[20, 50], stepWeightPromotion=25)
    with flagger.load() as load:
        flagger.fits(load, 0, count=100)
        flagger.release(NEW)
        for percent in (20, 50):
            gates.let("more")
            flagger.given(percent)
            flagger.fits(load, percent)
        flagger.is_left_alone("flagger and Canary web", to="canary")
        gates.let("more")
        flagger.phase("Succeeded")
        assert flagger.weights() == (100, 0), "the new version is the primary one now"
        flagger.fits(load, 100)


def test_testers_first_by_header_or_cookie(flagger, start, gates):
    testers = [
        {"headers": {"x-tester": {"exact": "yes"}}},
        {"headers": {"cookie": {"regex": r"^(.*?;\s*)?(tester=yes)(;.*)?$"}}},
    ]
    start({"confirm-promotion": "promote"}, match=testers, iterations=2)
    with flagger.load() as load, flagger.load(**{"x-tester": "yes"}) as tests:
        flagger.fits(load, 0, count=100)
        flagger.fits(tests, 0, count=100)
        flagger.release(NEW)
        flagger.phase("WaitingPromotion")
        assert flagger.weights(0) == (0, 100)
        flagger.fits(tests, 100)
        flagger.fits(load, 0)
        assert flagger.greeted(cookie="a=b; tester=yes") == {NEW}
        assert flagger.greeted(cookie="tester=no") == {OLD}
        gates.let("promote")
        flagger.phase("Succeeded")
        flagger.fits(load, 100)
        flagger.fits(tests, 100)


def test_copies_first_then_weights(flagger, start, gates):
    hooks = {"confirm-traffic-increase": "more", "rollout": "judged"}
    start(hooks, mirror=True, stepWeights=[50])
    with flagger.load() as load:
        flagger.release(NEW)
        gates.let("more")
        flagger.until(lambda: "mirror" in flagger.routes()[-1], "copies are made")
        flagger.fits(load, 0)
        flagger.until(lambda: flagger.came_to_the_new() >= 200, "copies came")
        flagger.fits(load, 0, count=100)
        gates.let("judged", times=PATIENT)
        flagger.given(50)
        assert "mirror" not in flagger.routes()[-1]
        flagger.fits(load, 50)
        gates.let("more")
        flagger.phase("Succeeded")
        flagger.fits(load, 100)


@contextlib.contextmanager
def broken(flagger, witness, fault, *codes):
    """The new version has *fault*, and Prometheus knows: testers have met it, before anybody else does."""
    flagger.until(lambda: _is_up(flagger), "the new version's pod is ready")
    set_fault(flagger.api, CANARY, fault)
    try:
        flagger.until(lambda: _is_known(flagger, witness, codes), "Prometheus knows of it")
        yield
    finally:
        end_fault(flagger.api, CANARY)


def _is_up(flagger):
    return (flagger.get("deployment", "web").get("status") or {}).get("readyReplicas") == 1


def _is_known(flagger, witness, codes):
    flagger.send(4, **TESTERS)
    return all((witness.value(CAME.format(code)) or 0) > 0 for code in codes)


def test_a_version_that_fails_its_copies_never_gets_anybodys_request(flagger, start, gates, witness):
    start({"confirm-traffic-increase": "more"}, mirror=True, stepWeights=[50], threshold=IMPATIENT)
    with flagger.load() as load:
        flagger.release(NEW)
        with broken(flagger, witness, Fault(errors=50), 200, 503):  # where all fail, there is no rate at all
            gates.let("more")
            flagger.until(lambda: "mirror" in flagger.routes()[-1], "copies are made")
            flagger.is_rolled_back(load, "advancement success rate")
        assert set(load.everything["service"]) == {OLD}


def test_a_version_that_is_late_is_taken_back(flagger, start, gates, witness):
    hooks = {"confirm-traffic-increase": "more"}
    start(hooks, stepWeights=[20, 50], threshold=IMPATIENT, metrics=[DURATION])
    with flagger.load() as load:
        flagger.release(NEW)
        with broken(flagger, witness, Fault(delay=1), 200):
            gates.let("more")
            flagger.given(20)
            flagger.is_rolled_back(load, "advancement request duration")


def test_a_version_that_fails_its_test_gets_no_traffic_at_all(flagger, start, gates):
    gates.test("greets", lambda: set(flagger.send(5, **TESTERS)["service"]) == {OLD})
    start({"pre-rollout": "greets"}, stepWeights=[50], threshold=IMPATIENT)
    with flagger.load() as load:
        flagger.release(NEW)
        flagger.is_rolled_back(load, "pre-rollout check greets failed")
        assert gates.asked["greets"] >= IMPATIENT
        assert set(load.everything["service"]) == {OLD}


def test_by_hand_everything_back(flagger, start, gates):
    start({"confirm-traffic-increase": "more", "rollback": "back"}, stepWeights=[50, 80])
    with flagger.load() as load:
        flagger.release(NEW)
        gates.let("more")
        flagger.given(50)
        flagger.fits(load, 50)
        gates.let("back")
        flagger.is_rolled_back(load, "manual webhook invoked")
