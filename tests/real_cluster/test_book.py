"""Seven notebooks, there and back, a split under load, the panel, a class of two, and nothing left behind.

In this order, on one cluster; each needs the mesh only, not the test before it.
"""

import os
import subprocess
import time

import pytest

from labkit import Lab

from ..e2e.conftest import _SPLIT_RULE
from ..e2e.test_weight_changes import Load, _none_failed
from ..the_book import BOOK
from .conftest import ISTIO_KINDS, LABKIT
from .panel import panel_moves_traffic

pytestmark = [pytest.mark.real_cluster, pytest.mark.timeout(900)]

NOTEBOOKS = sorted(BOOK.notebooks.glob("[0-9][0-9]-*.ipynb"))
SERVICES = ("service-a", "service-b", "service-c", "service-ext", "outbound", "outside")
LEARNERS = ("anna", "boris")


def test_look(cluster, before, seen):
    """It says what is there, and changes nothing."""
    said = cluster.labkit("look")
    assert cluster.objects() == before
    kubernetes = next(line for line in said.splitlines() if " Kubernetes " in line)
    istio = next(line for line in said.splitlines() if " Istio " in line)
    seen("; ".join(" ".join(line.split()[1:]) for line in (kubernetes, istio)))


def test_the_services_image(cluster, before, seen):
    """Each service starts as nobody in particular, and writes nothing to its disk."""
    if not (prefix := os.environ.get("LABKIT_IMAGES")):
        pytest.skip("LABKIT_IMAGES names no place for the lab's own images")
    cluster.kubectl("create", "namespace", "labkit-image")
    try:
        pods = "---".join(_pod(name, f"{prefix}labkit-services") for name in SERVICES)
        cluster.kubectl("apply", "-n", "labkit-image", "-f", "-", input=pods)
        ready = ("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
        done = cluster.run(
            "kubectl", f"--context={cluster.context}", *ready, "-n", "labkit-image", check=False
        )
        assert done.returncode == 0, cluster.kubectl("describe", "pods", "-n", "labkit-image")
    finally:
        cluster.kubectl("delete", "namespace", "labkit-image", "--wait")
    seen(f"{len(SERVICES)} services, read-only, not root")


def _pod(name: str, image: str) -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{sidecar.istio.io/inject: "false"}}}}
spec:
  containers:
    - name: service
      image: {image}
      imagePullPolicy: IfNotPresent
      args: [{name}]
      env: [{{name: PORT, value: "8080"}}, {{name: OUTBOUND_URL, value: "http://b"}}]
      readinessProbe: {{httpGet: {{path: /health, port: 8080}}, periodSeconds: 1}}
      securityContext: {{readOnlyRootFilesystem: true, runAsNonRoot: true, allowPrivilegeEscalation: false}}
"""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(mesh, notebook, tmp_path):
    mesh.labkit("run", notebook, "-o", tmp_path)


@pytest.fixture
def lab(mesh, monkeypatch):
    """As a notebook has it."""
    for name in ("LABKIT_CONTEXT", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, mesh.env[name])
    with Lab(context=mesh.context) as found:
        yield found


def test_goto_in_both_directions(lab, seen):
    """From anywhere to anywhere: the end of a step is what its check takes for it."""
    for step in (6, 2, 5, 1):
        began = time.monotonic()
        lab.goto(step, finished=True)
        seen(f"to {step} in {time.monotonic() - began:.1f} s")
        assert (report := lab.check(step)), report


def test_split_under_load(lab, seen):
    """No request is lost when weights change, and the shares are as asked."""
    lab.goto(4)
    took = []
    with Load(lab.gateway.url("/service-a"), concurrency=4) as load:
        for b in (50, 0, 100, 90, 10):
            took.append(lab.apply(_SPLIT_RULE.format(b=b, c=100 - b)).acknowledged.seconds)
    _none_failed(load)
    answers = lab.send("/service-a", requests=500, concurrency=8)
    shares = lab.split(answers, {"ServiceB": 10, "ServiceC": 90})
    assert shares.p_value > 1e-6, shares
    changes = ", ".join(f"{each:.1f}" for each in took)
    seen(f"acknowledged in {changes} s, none of {sum(load.answers.values())} requests lost")


def test_panel_in_a_browser(mesh, tmp_path, seen):
    seen(panel_moves_traffic(mesh, tmp_path))


def test_reset_leaves_nothing(mesh, before, seen):
    mesh.labkit("reset", "--yes")
    _nothing_is_left(mesh, before)
    seen(f"{len(before)} objects, as before")


def test_class_of_two(mesh, before, tmp_path, seen):
    """The whole book, twice at once, each with the rights that are printed for a learner, and no others."""
    egress = "components.egressGateways[0]"
    flags = ("--set", f"{egress}.name=istio-egressgateway", "--set", f"{egress}.enabled=true")
    had_one = "istio-egressgateway" in " ".join(before)
    mesh.labkit("istio", "install", "-y", "--context", mesh.context, *flags)
    mesh.kubectl("create", "namespace", "labkit-school")
    roles = {name: _enrol(mesh, name, tmp_path) for name in LEARNERS}
    try:
        sessions = {name: _session(mesh, name, tmp_path) for name in LEARNERS}
        said = {name: session.communicate(timeout=800)[0] for name, session in sessions.items()}
        for name, words in said.items():
            seen(f"{name}: {words.splitlines()[-1]}")
        failed = {name: said[name] for name, session in sessions.items() if session.returncode}
        assert not failed, failed
        mesh.kubectl("delete", "-f", "-", "--wait", "--ignore-not-found", input=roles[LEARNERS[0]])
        assert [_works(mesh, name) for name in LEARNERS] == [["no"] * 2, ["yes"] * 2]
    finally:
        for given in roles.values():
            mesh.kubectl("delete", "-f", "-", "--wait", "--ignore-not-found", input=given)
        mesh.kubectl("delete", "namespace", "labkit-school", "--wait")
        if not had_one:
            gateway = ("deployment/istio-egressgateway", "service/istio-egressgateway")
            mesh.kubectl("delete", "-n", "istio-system", *gateway)
    _nothing_is_left(mesh, before)


def _account(name):
    return f"system:serviceaccount:labkit-school:{name}"


def _works(mesh, name):
    """Whether *name* may do what is printed for a learner: in Istio's namespace, and in her own."""
    words = ("auth", "can-i", f"--as={_account(name)}", "get", "pods", "-n")
    places = ("istio-system", f"dev-service-mesh-{name}")
    return [mesh.kubectl(*words, place, check=False).splitlines()[-1] for place in places]


def _enrol(mesh, name, tmp_path):
    """Give *name* an account, namespaces, the least rights and a kubeconfig; what was given."""
    mesh.kubectl("create", "serviceaccount", name, "-n", "labkit-school")
    given = mesh.labkit("look", "--roles", _account(name), env=mesh.env | {"LABKIT_USER": name})
    mesh.kubectl("apply", "-f", "-", input=given)
    token = mesh.kubectl("create", "token", name, "-n", "labkit-school", "--duration=2h").strip()
    mine = tmp_path / f"{name}.kubeconfig"
    mine.write_text(mesh.kubectl("config", "view", "--minify", "--flatten"))
    mesh.run("kubectl", f"--kubeconfig={mine}", "config", "set-credentials", name, f"--token={token}")
    mesh.run("kubectl", f"--kubeconfig={mine}", "config", "set-context", "--current", f"--user={name}")
    return given


def _session(mesh, name, tmp_path):
    mine = {"KUBECONFIG": str(tmp_path / f"{name}.kubeconfig"), "LABKIT_USER": name}
    mine["XDG_STATE_HOME"] = str(tmp_path / name)
    env = mesh.env | mine
    mesh.labkit("look", "--yes", "--production", env=env)
    command = [LABKIT, "run", "-o", tmp_path / f"{name}-out"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _nothing_is_left(cluster, before):
    assert cluster.objects() - before == set()
    for kind in ISTIO_KINDS:
        found = cluster.kubectl("get", kind, "-A", "-o", "name", check=False).split()
        assert not found, found
