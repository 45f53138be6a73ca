"""Wrong input, through kubectl and through Lab: refused with the real reason, and nothing is changed."""

import resource
import time
from pathlib import Path

import pytest

from labkit.errors import LabkitError

pytestmark = pytest.mark.slow

HOME = "dev-service-mesh"
MANIFESTS = Path(__file__).parents[2] / "manifests"
KINDS = "deployments,services,virtualservices,gateways.networking.istio.io,namespaces,configmaps"
IMAGE = "artashesavetisyan/istio-basics-course:service-b-java-11"

BROKEN_YAML = "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n name: y\n"
UNKNOWN_KIND = "apiVersion: v1\nkind: Servize\nmetadata:\n  name: x\n"
UNKNOWN_FIELD = "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\nspec:\n  prts:\n  - port: 80\n"
WRONG_SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata:\n  name: Wrong_Name\nspec:\n  ports:\n  - port: 70000\n"
)


WITHOUT_HOSTS = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: x
spec:
  gateways: [mesh]
  http:
    - route:
        - destination: {host: service-c-srv}
"""
NO_HOSTS = "delegate virtual service must have no gateways specified"
"""istiod's own words: a VirtualService without hosts is taken for a delegate, which no gateway has."""


def wrong_ones(split_rule):
    """What is wrong → (manifest, what kubectl says, what Lab says)."""
    return {
        "broken YAML": (BROKEN_YAML, "error converting YAML to JSON: yaml: line", "line 5"),
        "unknown kind": (UNKNOWN_KIND, 'no matches for kind "Servize" in version "v1"', 'no kind "Servize"'),
        "unknown field": (UNKNOWN_FIELD, 'unknown field "spec.prts"', ".spec.prts"),
        "weight of -1": (split_rule(-1, 101), "weight -1 < 0", "weight -1 < 0"),
        "no hosts": (WITHOUT_HOSTS, NO_HOSTS, NO_HOSTS),
        "wrong values": (WRONG_SERVICE, "70000", "70000"),
    }


@pytest.fixture(scope="module")
def lesson(lab, cluster):
    """Where B and C both answer: something is there that must not change."""
    lab.goto(4)
    return cluster


WRONG = ["broken YAML", "unknown kind", "unknown field", "weight of -1", "no hosts", "wrong values"]


@pytest.mark.parametrize("wrong", WRONG)
def test_kubectl_is_told_why(lesson, split_rule, wrong):
    manifest, reason, _ = wrong_ones(split_rule)[wrong]
    before = versions(lesson)
    refused = kubectl_apply(lesson, manifest)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert refused.stdout == ""
    assert versions(lesson) == before


@pytest.mark.parametrize("wrong", WRONG)
def test_lab_says_it_in_a_sentence(lesson, lab, split_rule, wrong):
    manifest, _, reason = wrong_ones(split_rule)[wrong]
    before = versions(lesson)
    with pytest.raises(LabkitError) as refused:
        lab.apply(manifest)
    assert reason in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert versions(lesson) == before


def test_an_unknown_image(lesson, lab):
    """The pod waits in ImagePullBackOff, an event says how to enter it, and the old pod goes on serving."""
    deployment = MANIFESTS / "02-outbound-to-service-b" / "service-b-deployment.yml"
    right = deployment.read_text()
    assert IMAGE in right
    with pytest.raises(LabkitError, match=r"ErrImagePull|ImagePullBackOff"):
        lab.apply(right.replace(IMAGE, "nobody/knows:this"))
    assert lab.curl("/service-a").status == 200
    events = lesson.kubectl("get", "events", "-n", HOME, "--field-selector", "reason=Failed")
    assert "nobody/knows:this" in events
    assert "`labkit images add nobody/knows:this -- COMMAND`" in events
    waiting = lesson.kubectl("get", "pods", "-n", HOME, "-l", "app=service-b-app")
    assert "ImagePull" in waiting
    assert "2/2" in waiting
    lab.apply(right)
    lesson.kubectl("rollout", "status", "-n", HOME, "deployment/service-b-deployment", "--timeout=10s")


def test_a_taken_node_port(lesson):
    """By another Service. What `up` does about ports of other programs, the tests of its life show."""
    taken = lesson.get("service", "istio-ingressgateway", "-n", "istio-system")["spec"]["ports"][0][
        "nodePort"
    ]
    before = versions(lesson)
    refused = kubectl_apply(lesson, NODE_PORT.format(port=taken))
    assert refused.returncode == 1
    assert "provided port is already allocated" in refused.stderr
    assert versions(lesson) == before


NODE_PORT = """
apiVersion: v1
kind: Service
metadata:
  name: taken
spec:
  type: NodePort
  ports:
    - {{port: 80, nodePort: {port}}}
"""


def test_a_port_taken_in_the_pod(lesson):
    """Two containers of a pod want one port: one says so and is tried again, the other serves on."""
    lesson.kubectl("apply", "-n", HOME, "-f", "-", input=TWO_ON_ONE_PORT)
    late, early = eventually(lambda: crashed(lesson))
    log = lesson.kubectl("logs", "-n", HOME, "twice", "-c", late, "--previous")
    assert log == "ServiceB failed to start. Port 8082 is already in use.\n"
    assert "is listening" in lesson.kubectl("logs", "-n", HOME, "twice", "-c", early)
    lesson.kubectl("delete", "pod", "twice", "-n", HOME)


def eventually(look):
    """What *look* finds, once it finds something."""
    deadline = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
    return found


def crashed(bench):
    """The container that was started again, and the other; None while both are well."""
    status = bench.get("pod", "twice", "-n", HOME)["status"].get("containerStatuses", [])
    restarts = {each["name"]: each["restartCount"] for each in status if each["name"] != "istio-proxy"}
    return sorted(restarts, key=restarts.get, reverse=True) if any(restarts.values()) else None


TWO_ON_ONE_PORT = f"""
apiVersion: v1
kind: Pod
metadata:
  name: twice
spec:
  containers:
    - {{name: first, image: "{IMAGE}"}}
    - {{name: second, image: "{IMAGE}"}}
"""


def test_a_full_disk(bench, split_rule):
    """No file of the daemon may grow any more, which is what a full disk does."""
    bench.labkit("up")
    bench.kubectl("create", "namespace", HOME)
    assert kubectl_apply(bench, split_rule(50, 50)).returncode == 0
    before = versions(bench)
    daemon = bench.running.pid
    limit_file_size(daemon, 1)
    refused = kubectl_apply(bench, split_rule(90, 10))
    assert refused.returncode == 1
    assert "nothing was changed" in refused.stderr
    assert versions(bench) == before
    limit_file_size(daemon, resource.RLIM_INFINITY)
    assert kubectl_apply(bench, split_rule(90, 10)).stdout.endswith("producer-internal-host-vs configured\n")
    assert bench.running.pid == daemon


def kubectl_apply(bench, manifest):
    return bench.run("kubectl", "apply", "-n", HOME, "-f", "-", check=False, input=manifest)


def limit_file_size(pid, size):
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def versions(bench):
    """Every object that can be applied, and its resourceVersion; less what a status changes by itself."""
    items = bench.get(KINDS, "-A")["items"]
    return {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): (
            each["metadata"]["uid"], each["metadata"]["resourceVersion"]
        )
        for each in items
    }  # fmt: skip
