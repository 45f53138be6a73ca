"""Argo Rollouts drives canaries on the embedded cluster: by subsets, by hosts, by headers, with copies."""

import pytest

from labkit.kube.mesh.destinations import Destination
from labkit.release.fault import Fault, end_fault, set_fault

from .conftest import HERE, HOME, IMAGE, NEW, OLD, Shop, folder, free_port, process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONTROLLER = "rollouts-controller"


@pytest.fixture(scope="module")
def programs():
    return folder("LABKIT_ARGO_ROLLOUTS", CONTROLLER, "kubectl-argo-rollouts", "crds")


@pytest.fixture(scope="module")
def controller(programs, shop_bench):
    """It runs, with its own definitions in the cluster."""
    shop_bench.kubectl("create", "namespace", "argo-rollouts")
    shop_bench.kubectl("apply", "--server-side", "-k", programs / "crds")
    command = [programs / CONTROLLER, "--kubeconfig", shop_bench.kubeconfig, "--loglevel", "debug"]
    command += ["--healthzPort", free_port(), "--metricsPort", free_port()]
    with process(command, shop_bench.root / "argo.log", shop_bench.env):
        yield


class Argo(Shop):
    """Releases of the Rollout ``web``."""

    def do(self, *words):
        """``kubectl argo rollouts …``"""
        return self.bench.run(self.plugin, *words, "-n", HOME).stdout

    def release(self, version):
        self.do("set", "image", "web", f"app={IMAGE[version]}")

    def at_step(self, index, phase="Paused"):
        self.until(lambda: self._stands(index, phase), f"step {index} {phase}")

    def _stands(self, index, phase):
        found = self.get("rollout", "web")
        status = found.get("status") or {}
        seen = str(status.get("observedGeneration")) == str(found["metadata"]["generation"])
        return seen and (status.get("currentStepIndex"), status.get("phase")) == (index, phase)

    def healthy(self, version):
        """The release is whole: all pods are of *version*, and the old ones are gone."""
        self.until(lambda: self._is_whole(IMAGE[version]), f"{version} is whole")

    def _is_whole(self, image):
        found = self.get("rollout", "web")
        containers = found["spec"]["template"]["spec"]["containers"]
        return (found.get("status") or {}).get("phase") == "Healthy" and containers[0]["image"] == image


@pytest.fixture
def argo(controller, programs, shop_bench, api):
    return Argo(shop_bench, api, programs / "kubectl-argo-rollouts")


@pytest.fixture
def start(argo):
    """Begin with the old version, whole."""

    def begin(manifest):
        argo.apply((HERE / "argo" / "release.yaml").read_text())
        argo.apply((HERE / "argo" / manifest).read_text())
        argo.healthy(OLD)
        argo.settled()

    yield begin
    argo.bench.kubectl("delete", "rollouts,analysistemplates,vs,dr", "--all", "-n", HOME)
    argo.until(lambda: not argo.bench.get("pods", "-n", HOME)["items"], "no pods are left")


def test_by_subsets_step_by_step_to_the_whole_and_back(argo, start):
    start("subsets.yaml")
    with argo.load() as load:
        argo.release(NEW)
        for index, weight in ((1, 20), (3, 50), (5, 100)):
            argo.at_step(index)
            assert argo.weights() == (100 - weight, weight)
            argo.fits(load, weight)
            argo.do("promote", "web")
        argo.healthy(NEW)
        assert argo.weights() == (100, 0), "the new version is the stable one now"
        argo.fits(load, 100)

        argo.do("undo", "web")
        argo.at_step(1)
        argo.fits(load, 80)
        argo.do("promote", "web", "--full")
        argo.healthy(OLD)
        argo.fits(load, 0)


def test_by_subsets_an_abort_brings_everything_back(argo, start):
    start("subsets.yaml")
    with argo.load() as load:
        argo.release(NEW)
        argo.at_step(1)
        argo.do("promote", "web")
        argo.at_step(3)
        argo.fits(load, 50)
        argo.do("abort", "web")
        argo.until(lambda: argo.weights() == (100, 0), "everything to the old one")
        argo.fits(load, 0)
        assert argo.get("rollout", "web")["status"]["phase"] == "Degraded"


def test_its_rule_is_read_by_the_lab_and_left_to_it(argo, start):
    start("subsets.yaml")
    argo.release(NEW)
    argo.at_step(1)
    assert argo.weights() == (80, 20)
    argo.is_left_alone(CONTROLLER, to="canary")


def came_to_the_new(argo):
    """How many requests the new version's proxy has logged."""
    return argo.came_to(
        f"rollouts-pod-template-hash={argo.get('rollout', 'web')['status']['currentPodHash']}"
    )


def test_by_hosts_testers_first_copies_then_a_job_that_judges(argo, start):
    start("hosts.yaml")
    with argo.load() as load:
        argo.release(NEW)
        argo.at_step(3)
        argo.fits(load, 0, count=100)
        assert [one.get("name") for one in argo.routes()] == ["testers", "copies", "primary"]
        assert argo.greeted(**{"x-tester": "yes"}) == {NEW}
        assert argo.greeted() == {OLD}
        argo.until(lambda: came_to_the_new(argo) >= 200, "copies came, beside twenty of testers")
        argo.do("promote", "web")
        argo.at_step(8)
        assert [one.get("name") for one in argo.routes()] == ["primary"]
        assert argo.greeted(**{"x-tester": "yes"}) <= {OLD, NEW}
        argo.fits(load, 50)
        argo.do("promote", "web")
        argo.healthy(NEW)
        argo.fits(load, 100)
    assert _verdicts(argo) == ["Successful"]


def test_by_hosts_a_version_that_fails_never_gets_anybodys_request(argo, start):
    start("hosts.yaml")
    with argo.load() as load:
        argo.release(NEW)
        argo.at_step(3)
        broken = Destination("web-canary.shop", port=80)
        set_fault(argo.api, broken, Fault(errors=100))
        try:
            argo.do("promote", "web")
            argo.until(lambda: argo.get("rollout", "web")["status"]["phase"] == "Degraded", "aborted")
        finally:
            end_fault(argo.api, broken)
        argo.until(lambda: argo.weights() == (100, 0), "everything to the old one")
        argo.fits(load, 0)
    assert _verdicts(argo) == ["Failed"]


def _verdicts(argo):
    return [one["status"]["phase"] for one in argo.bench.get("analysisruns", "-n", HOME)["items"]]
