"""A shift that is cut off in the middle: whatever ends it, the rule is as it was, or the next one knows.

Each runs in a process of its own, as in a learner's kernel, on a mesh whose requests flow on.
"""

import os
import signal
import subprocess
import sys

import pytest
import yaml

from labkit import Lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HOME, NAME = "dev-service-mesh", "producer-internal-host-vs"
RULE = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {NAME}, namespace: {HOME}, annotations: {{team: blue}}, labels: {{app: b}}}}
spec:
  hosts: [producer-internal-host]
  gateways: [mesh]
  http:
  - name: testers
    match: [{{headers: {{x-release: {{exact: tester}}}}}}]
    route: [{{destination: {{host: service-c-srv}}}}]
  - timeout: 9s
    retries: {{attempts: 2}}
    mirrors: [{{destination: {{host: producer-internal-host}}, percentage: {{value: 1}}}}]
    route: [{{destination: {{host: producer-internal-host, port: {{number: 80}}}}}}]
"""
SHIFT = """
import sys
from labkit import Lab
with Lab() as lab:
    print(lab.shift(**eval(sys.argv[1])).shift.verdict)
"""
LONG = {"steps": [30, 100], "requests": 2900}
"""A shift that stays at its first step for a minute."""


@pytest.fixture(scope="module")
def mesh(own_cluster):
    with Lab(kubeconfig=own_cluster.kubeconfig) as lab:
        lab.goto(5, finished=True)
    return own_cluster


@pytest.fixture
def before(mesh):
    """The rule, anew for each test."""
    if not mesh.running:
        mesh.labkit("up")
    mesh.kubectl("delete", "virtualservice", "-n", HOME, NAME)
    mesh.kubectl("apply", "-f", "-", input=RULE)
    return rule(mesh)


def rule(mesh):
    """All of it that is not another with each write; and who else has a share in its metadata. (Who writes a
    weight owns the whole list of routes from then on: to Kubernetes it is one value.)"""
    found = mesh.get("virtualservice", "-n", HOME, NAME, "--show-managed-fields")
    managers = found["metadata"].pop("managedFields")
    others = {one["manager"]: one["fieldsV1"]["f:metadata"] for one in managers if one["manager"] != "labkit"}
    for changing in ("resourceVersion", "generation"):
        found["metadata"].pop(changing)
    return found, others


class Running:
    """A shift under way; what it has printed is read line by line."""

    def __init__(self, mesh, **arguments):
        command = [sys.executable, "-u", "-c", SHIFT, repr(arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process, self.said = subprocess.Popen(command, env=mesh.env, **pipes), []

    def until(self, words):
        """Wait for a line with *words*; it must come before the end."""
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return
        raise AssertionError(f"It never said {words!r}:\n{''.join(self.said)}")

    def rest(self):
        """What it says until it ends."""
        found = self.process.communicate(timeout=120)[0]
        self.said.append(found)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def under_way(mesh, **how):
    found = Running(mesh, **LONG | how)
    found.until("applied → acknowledged by")
    return found


@pytest.mark.parametrize("how", [{}, {"shadow": True}], ids=["weights", "copies"])
def test_an_interrupt(mesh, before, how):
    with under_way(mesh, **how) as shift:
        changed, _ = rule(mesh)
        assert changed["spec"] != before[0]["spec"], "it is in the middle"

        shift.process.send_signal(signal.SIGINT)

        said = shift.rest()
    assert "back to ServiceB 100, ServiceC 0: applied → acknowledged by" in said
    assert "KeyboardInterrupt" in said, "and it is told to whoever pressed the keys"
    assert rule(mesh) == before


def killed(mesh):
    os.kill(mesh.running.pid, signal.SIGKILL)


def stopped(mesh):
    mesh.labkit("down")


@pytest.mark.parametrize("lose", [killed, stopped])
def test_the_cluster_goes_away_and_comes_back(mesh, before, lose):
    """The rule can't be put back while nobody is there to do it; that is told once, and tried until it is."""
    with under_way(mesh) as shift:
        lose(mesh)
        shift.until("The rule is not back yet (")
        shift.until("kubectl apply")

        mesh.labkit("up")

        said = shift.rest()
    assert "back to ServiceB 100, ServiceC 0: applied → acknowledged by" in said
    assert "".join(shift.said).count("not back yet") == 1
    assert rule(mesh) == before
    with Lab(kubeconfig=mesh.kubeconfig) as lab:
        assert set(lab.send("/service-a", requests=20)["service"]) == {"ServiceB"}


@pytest.mark.parametrize("how", [{}, {"shadow": True}], ids=["weights", "copies"])
def test_one_whose_kernel_died_is_known_to_the_next(mesh, before, how):
    with under_way(mesh, **how) as shift:
        shift.process.kill()
    left, _ = rule(mesh)
    assert left["spec"] != before[0]["spec"]
    assert left["metadata"]["annotations"].keys() > before[0]["metadata"]["annotations"].keys()

    with Running(mesh, steps=[80], requests=40, p95_ms=0.1) as second:
        said = second.rest()

    assert f"A shift of {NAME} was cut off. Should this one be rolled back, what was before returns." in said
    assert "Rolled back" in said
    assert rule(mesh) == before


def test_the_next_one_may_finish_what_the_first_began(mesh, before):
    with under_way(mesh) as shift:
        shift.process.kill()

    with Running(mesh, steps=[100], requests=40) as second:
        said = second.rest()

    assert "was cut off" in said
    after, _ = rule(mesh)
    assert after["metadata"] == before[0]["metadata"], "nothing is noted any more"
    assert [http.pop("route") for http in after["spec"]["http"]][1] == yaml.safe_load("""
    - {destination: {host: producer-internal-host, port: {number: 80}}, weight: 0}
    - {destination: {host: service-c-srv, port: {number: 80}}, weight: 100}
    """)
    assert [http.pop("route") for http in before[0]["spec"]["http"]]
    assert after["spec"] == before[0]["spec"], "timeout, retries, mirror, matches"
