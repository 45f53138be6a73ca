"""The node as users of kubectl treat it: cordon, drain, taint, delete; pods it refuses; Endpoints by hand."""

import json

import pytest

pytestmark = pytest.mark.slow

IMAGE = "labkit/outside:1"
HELPS_NOT = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 Preemption is not helpful for scheduling."
)
FETCH = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).headers["server"])
"""


class Kubectl:
    """Real kubectl, in a namespace of the test's own."""

    def __init__(self, cluster, namespace):
        self._cluster, self._place = cluster, f"--namespace={namespace}"

    def __call__(self, command, *words, stdin=None):
        text = {"input": json.dumps(stdin)} if stdin else {}
        return self._cluster.kubectl(command, self._place, *words, **text)

    def apply(self, *objects):
        self("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": objects})

    def run(self, name, annotations=None, resources=None, **spec):
        """Apply a pod of one container."""
        container = {"name": "c", "image": IMAGE, "resources": resources or {}}
        metadata = {"name": name, "labels": {"app": name}, "annotations": annotations or {}}
        spec = {"containers": [container], **spec}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def ready(self, name):
        self("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=20s")

    def phase(self, name):
        return self("get", "pod", name, "-o", "jsonpath={.status.phase}")

    def why(self, name):
        """Why the pod waits, once that is known, as its condition and its event say."""
        self("wait", f"pod/{name}", "--for=condition=PodScheduled=False", "--timeout=20s")
        path = '{.status.conditions[?(@.type=="PodScheduled")].message}'
        message = self("get", "pod", name, "-o", f"jsonpath={path}")
        assert message in self("describe", "pod", name)
        return message

    def server(self, pod, url):
        """Who says to have answered the program in *pod* that asks for *url*."""
        return self("exec", pod, "-c", "c", "--", "python", "-c", FETCH, url).strip()


@pytest.fixture
def kubectl(own_cluster, request):
    """In a namespace with injection where the test is named so."""
    namespace = request.node.name.replace("_", "-").removeprefix("test-")[:50].rstrip("-")
    own_cluster.kubectl("create", "namespace", namespace)
    if "sidecar" in namespace:
        own_cluster.kubectl("label", "namespace", namespace, "istio-injection=enabled")
    yield Kubectl(own_cluster, namespace)
    own_cluster.kubectl("delete", "namespace", namespace)


def test_more_than_there_is(kubectl):
    kubectl.run("huge", resources={"requests": {"cpu": "64"}})
    assert kubectl.why("huge") == f"0/1 nodes are available: 1 Insufficient cpu. {HELPS_NOT}"
    assert kubectl.phase("huge") == "Pending"


def test_cordon_and_uncordon(kubectl, own_cluster):
    own_cluster.kubectl("cordon", "labkit")
    assert "SchedulingDisabled" in own_cluster.kubectl("get", "nodes")
    assert "node.kubernetes.io/unschedulable:NoSchedule" in own_cluster.kubectl("describe", "node", "labkit")
    kubectl.run("p")
    assert kubectl.why("p").startswith("0/1 nodes are available: 1 node(s) ")
    own_cluster.kubectl("uncordon", "labkit")
    kubectl.ready("p")


def test_drain(kubectl, own_cluster):
    kubectl("create", "deployment", "web", f"--image={IMAGE}")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    words = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=30s")
    assert "node/labkit drained" in own_cluster.kubectl("drain", "labkit", *words)
    kubectl("wait", "pod", "--selector=app=web", "--for=condition=PodScheduled=False", "--timeout=20s")
    own_cluster.kubectl("uncordon", "labkit")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    own_cluster.kubectl("rollout", "status", "deployment", "-n", "istio-system", "--timeout=20s")


def test_taints(kubectl, own_cluster):
    kubectl.run("before")
    kubectl.run("tolerant", tolerations=[{"key": "night", "operator": "Exists"}])
    for name in ("before", "tolerant"):
        kubectl.ready(name)
    own_cluster.kubectl("taint", "node", "labkit", "night=now:NoSchedule")
    kubectl.run("late")
    untolerated = "1 node(s) had untolerated taint {night: now}"
    assert kubectl.why("late") == f"0/1 nodes are available: {untolerated}. {HELPS_NOT}"
    assert kubectl.phase("before") == "Running"
    own_cluster.kubectl("taint", "node", "labkit", "night=now:NoSchedule-")
    kubectl.ready("late")
    own_cluster.kubectl("taint", "node", "labkit", "night=now:NoExecute")
    kubectl("wait", "pod/before", "--for=delete", "--timeout=20s")
    assert kubectl.phase("tolerant") == "Running"
    own_cluster.kubectl("taint", "node", "labkit", "night=now:NoExecute-")
    own_cluster.kubectl("rollout", "status", "deployment", "-n", "istio-system", "--timeout=20s")


def test_a_deleted_node_is_there_again_and_its_pods_run_on(kubectl, own_cluster):
    kubectl.run("p")
    kubectl.ready("p")
    identity = (
        "get",
        "pod",
        "p",
        "-o",
        "jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}",
    )
    before = kubectl(*identity)
    own_cluster.kubectl("delete", "node", "labkit")
    own_cluster.kubectl("wait", "node/labkit", "--for=condition=Ready", "--timeout=20s")
    assert kubectl("exec", "p", "--", "python", "-c", "print('here')") == "here\n"
    assert "listening on port" in kubectl("logs", "p")
    assert kubectl(*identity) == before
    kubectl.run("new")
    kubectl.ready("new")


def test_a_deadline_with_a_sidecar(kubectl):
    kubectl.run("short", activeDeadlineSeconds=3)
    kubectl.ready("short")
    kubectl("wait", "pod/short", "--for=jsonpath={.status.phase}=Failed", "--timeout=20s")
    told = kubectl("get", "pod", "short", "-o", "jsonpath={.status.reason}: {.status.message}")
    assert told == "DeadlineExceeded: Pod was active on the node longer than the specified deadline"
    running = kubectl("get", "pod", "short", "-o", "jsonpath={.status.containerStatuses[*].state.running}")
    assert running == ""


def test_endpoints_by_hand_reach_the_sidecars(kubectl, own_cluster):
    kubectl.run("target", annotations={"sidecar.istio.io/inject": "false"})
    kubectl.run("client")
    for name in ("target", "client"):
        kubectl.ready(name)
    address = kubectl("get", "pod", "target", "-o", "jsonpath={.status.podIP}")
    subset = {"addresses": [{"ip": address}], "ports": [{"name": "http", "port": 8082}]}
    meta = {"metadata": {"name": "legacy"}}
    kubectl.apply({"apiVersion": "v1", "kind": "Endpoints", **meta, "subsets": [subset]})
    spec = {"ports": [{"name": "http", "port": 80}]}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", **meta, "spec": spec})
    kubectl("wait", "endpointslice", "--selector=kubernetes.io/service-name=legacy", "--for=create")
    shown = kubectl("get", "endpointslice", "--selector=kubernetes.io/service-name=legacy", "--show-labels")
    assert "endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io" in shown
    assert address in shown
    assert kubectl.server("client", "http://legacy") == "envoy"


def test_sidecar_annotations(kubectl):
    kubectl.run("target", annotations={"sidecar.istio.io/inject": "false"})
    kubectl("expose", "pod", "target", "--port=80", "--target-port=8082", "--name=target")
    kubectl.run("all")
    past = {"traffic.sidecar.istio.io/excludeOutboundPorts": "80", "sidecar.istio.io/logLevel": "info"}
    kubectl.run("past", annotations=past | {"sidecar.istio.io/proxyCPU": "250m"})
    for name in ("target", "all", "past"):
        kubectl.ready(name)
    assert kubectl.server("all", "http://target") == "envoy"
    assert kubectl.server("past", "http://target").startswith("Python")
    assert "initializing epoch" in kubectl("logs", "past", "-c", "istio-proxy")
    requested = "jsonpath={.spec.containers[?(@.name=='istio-proxy')].resources.requests.cpu}"
    assert kubectl("get", "pod", "past", "-o", requested) == "250m"
    deployment = json.loads(
        kubectl("create", "deployment", "d", f"--image={IMAGE}", "--dry-run=client", "-o", "json")
    )
    notes = {"traffic.sidecar.istio.io/excludeInboundPorts": "8082"}
    deployment["spec"]["template"]["metadata"]["annotations"] = notes
    kubectl.apply(deployment)
    kubectl("rollout", "status", "deployment/d", "--timeout=20s")
    said = "traffic.sidecar.istio.io/excludeInboundPorts has no effect here: every inbound port goes through"
    assert kubectl("get", "events", "--field-selector=reason=AnnotationIgnored").count(said) == 1


def test_a_node_selector_that_comes_true(kubectl, own_cluster):
    kubectl.run("p", nodeSelector={"disk": "ssd"})
    unmatched = "1 node(s) didn't match Pod's node affinity/selector"
    assert kubectl.why("p") == f"0/1 nodes are available: {unmatched}. {HELPS_NOT}"
    own_cluster.kubectl("label", "node", "labkit", "disk=ssd")
    kubectl.ready("p")
