"""A learner with the printed rights and no others: the cluster itself decides by the Roles.

The learner's kubeconfig is made as a teacher makes one: a ServiceAccount, its token, a context.
"""

import json
import os
import sys

import pytest

from labkit.kube.api.permissions import role_of

from ..the_book import BOOK

pytestmark = pytest.mark.slow

MESH = (
    "meshConfig.accessLogFile=/dev/stdout",
    "meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY",
    "components.egressGateways[0].name=istio-egressgateway",
    "components.egressGateways[0].enabled=true",
)
ANNA = "system:serviceaccount:kube-public:anna"
MINE = "dev-service-mesh-anna"


@pytest.fixture
def anna(bench, tmp_path):
    """The environment of learner anna, who has a kubeconfig of her own for a cluster of the teacher's."""
    bench.labkit("up")
    bench.labkit("istio", "install", "-y", *(word for flag in MESH for word in ("--set", flag)))
    bench.kubectl("create", "serviceaccount", "anna", "-n", "kube-public")
    given = bench.labkit("look", "--roles", ANNA, env=bench.env | {"LABKIT_USER": "anna"}).stdout
    bench.kubectl("apply", "-f", "-", input=given)
    mine = {"KUBECONFIG": str(_kubeconfig(bench, tmp_path / "given")), "LABKIT_USER": "anna"}
    return {k: v for k, v in os.environ.items() if not k.startswith("LABKIT_")} | mine


def _kubeconfig(bench, path):
    token = bench.kubectl("create", "token", "anna", "-n", "kube-public", "--duration=2h").strip()
    server = bench.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    authority = f"--certificate-authority={bench.home.pki / 'ca.crt'}"
    for words in (
        ("set-cluster", "school", f"--server={server}", authority, "--embed-certs=true"),
        ("set-credentials", "anna", f"--token={token}"),
        ("set-context", "school", "--cluster=school", "--user=anna"),
        ("use-context", "school"),
    ):
        bench.kubectl("config", f"--kubeconfig={path}", *words)
    return path


@pytest.mark.timeout(300)
def test_notebooks_run(bench, anna, tmp_path):
    """Those that need most: namespaces, every kind of rule, gateways, weights, the outbound policy."""
    look = bench.labkit("look", "--context", "school", "--yes", "--production", env=anna).stdout
    assert "✗" not in look

    chosen = [next(BOOK.notebooks.glob(f"0{step}-*.ipynb")) for step in (0, 3, 5)]
    where = ("--context", "school", "-o", tmp_path / "out")
    done = bench.labkit("run", *chosen, *where, env=anna, timeout=280)

    assert "3 of 3 notebooks passed" in done.stdout
    _she_reports(bench, anna | {"LABKIT_CONTEXT": "school"}, tmp_path)


def _she_reports(bench, anna, tmp_path):
    """With her rights the cluster keeps her record and signs her report; nobody else's is open to her."""
    bench.labkit("report", "-o", tmp_path / "anna.html", env=anna)
    bench.labkit("report", "--json", "-o", tmp_path / "anna.json", env=anna)
    told = json.loads((tmp_path / "anna.json").read_text(encoding="utf-8"))["report"]
    assert (told["about"]["kept"], told["about"]["done"]) == ("cluster", [0, 3, 5])
    assert [one["outcome"] for one in told["releases"]] == ["rolled back"]
    assert told["releases"][0]["picture"].startswith("data:image/png;base64,")
    done = bench.labkit("report", "--verify", tmp_path / "anna.html", tmp_path / "anna.json")
    assert done.stdout.count("for anna (key ") == 2

    for command in (("class", "--once"), ("report", "--class")):
        refused = bench.labkit(*command, env=anna, check=False)
        assert refused.returncode == 1
        assert "Only who may read every learner's record can see the class" in refused.stderr
        assert "Traceback" not in refused.stderr
    for verb in ("get", "patch"):
        asked = ("auth", "can-i", verb, "configmap/labkit-record", "-n", "labkit-record-boris")
        assert bench.run("kubectl", *asked, check=False, env=anna).stdout == "no\n"


def test_what_was_given_is_emptied_and_stays(bench, anna):
    bench.labkit("look", "--context", "school", "--yes", "--production", env=anna)
    lesson = "from labkit import Lab; Lab().goto(3, finished=True); Lab().goto(2)"
    bench.run(sys.executable, "-c", lesson, env=anna | {"LABKIT_CONTEXT": "school"})
    apps = bench.get("deployments", "-n", MINE)["items"]
    assert [app["metadata"]["name"] for app in apps] == ["service-a-v1-deployment"]

    done = bench.labkit("reset", "--context", "school", "--yes", env=anna)

    assert f"namespace/{MINE} (emptied, it stays)" in done.stdout
    assert bench.get("deployments", "-n", MINE)["items"] == []


BREAK = """
from labkit import Lab
from labkit.errors import UsageError

lab = Lab(context="school")
lab.goto(3, finished=True)
try:
    with lab.fault("B", errors=100) as broken:
        print(repr(broken))
    print(repr(broken))
except UsageError as error:
    print("refused:", error)
"""


def test_a_learner_breaks_a_service_of_her_own(bench, anna):
    """As far as she was given that, too; and no step needs it."""
    bench.labkit("look", "--context", "school", "--yes", "--production", env=anna)

    done = bench.run(sys.executable, "-c", BREAK, env=anna).stdout

    assert "ServiceB fails 100 of 100 requests" in done
    assert done.splitlines()[-1] == "ServiceB is well."
    assert bench.get("envoyfilters", "-A")["items"] == []

    role = bench.get("role", role_of(ANNA), "-n", MINE)
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["envoyfilters"]]
    bench.kubectl("replace", "-f", "-", input=json.dumps(role))

    done = bench.run(sys.executable, "-c", BREAK, env=anna).stdout
    assert f"refused: Nothing is broken: it takes an EnvoyFilter in {MINE}, and you may not make any." in done
    look = " ".join(bench.labkit("look", "--context", "school", env=anna).stdout.split())
    assert "permissions all that the steps need, without lab.fault() and Break; not allowed: " in look


def test_the_roles_decide(bench, anna):
    """Without one of them there is no lesson, and the look says so."""
    assert ANNA in bench.run("kubectl", "auth", "whoami", env=anna).stdout
    refused = bench.run("kubectl", "get", "pods", "-n", "default", check=False, env=anna)
    assert f'User "{ANNA}" cannot list resource "pods"' in refused.stderr
    bench.kubectl("delete", "rolebinding", role_of(ANNA), "-n", MINE)

    look = bench.labkit("look", "--context", "school", env=anna, check=False).stdout

    assert "✗ permissions" in " ".join(look.split())


def test_who_goes_takes_nobodys_rights_along(bench, anna, terminal):
    """The undo that is printed at the head, typed: the rest of the class works on."""
    boris = ANNA.replace("anna", "boris")
    printed = terminal.type(f"LABKIT_USER=boris labkit look --roles {boris}").out
    bench.kubectl("apply", "-f", "-", input=printed)
    undo = next(line.removeprefix("#   ") for line in printed.splitlines() if line.startswith("#   "))

    terminal.type(undo.replace("boris", "anna"))

    assert _may(bench, ANNA) == ["no"] * 3
    assert _may(bench, boris) == ["yes"] * 3
    assert f"namespace/{MINE}\n" not in bench.kubectl("get", "namespaces", "-o", "name")


def _may(bench, user):
    """Whether *user* may do one thing of each kind of place: Istio's, the learner's own, the cluster."""
    home = f"dev-service-mesh-{user.rpartition(':')[2]}"
    asked = (
        ("get", "pods", "-n", "istio-system"),
        ("patch", "virtualservices", "-n", home),
        ("list", "nodes"),
    )
    words = ("auth", "can-i", f"--as={user}")
    return [bench.kubectl(*words, *each, check=False).splitlines()[-1] for each in asked]
