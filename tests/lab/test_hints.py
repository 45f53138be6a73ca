"""Each mistake a learner makes, made on a real cluster: the check fails, and its hint names the mistake."""

import datetime as dt
import time
from contextlib import suppress

import pytest

from labkit.errors import ApiRefused, WaitTimeout
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.conditions import is_true
from labkit.kube.api.resources import DEPLOYMENTS, GATEWAYS, NAMESPACES, PODS, SERVICES, VIRTUAL_SERVICES
from labkit.kube.api.watch import Watches
from labkit.kube.convergence.acknowledgement import Acknowledgement, ProxyState
from labkit.scenario.hints import faults, look
from labkit.scenario.hints.look import Look

from ..advice import of_kubectl

pytestmark = pytest.mark.slow

HOME, EXTERNAL, SYSTEM = "dev-service-mesh", "external-cluster", "istio-system"
SPLIT = VIRTUAL_SERVICES.path(HOME, "producer-internal-host-vs")
INBOUND = VIRTUAL_SERVICES.path(HOME, "inbound-to-service-a-vs")
LEGS = VIRTUAL_SERVICES.path(HOME, "outbound-srv-c-to-external-srv-vs")


def patch(lab, path, **body):
    lab.api.request("PATCH", path, body=body, content_type=MERGE_PATCH)


def delete(lab, path):
    lab.api.request("DELETE", path)


def rule(lab, path, change):
    """Change the HTTP rules of a VirtualService."""
    http = lab.api.get(path)["spec"]["http"]
    change(http)
    patch(lab, path, spec={"http": http})


def scale(name, replicas=0, namespace=HOME):
    return lambda lab: patch(lab, DEPLOYMENTS.path(namespace, name), spec={"replicas": replicas})


def gone(kind, name, namespace=HOME):
    return lambda lab: delete(lab, kind.path(namespace, name))


def spec(kind, name, namespace=HOME, **fields):
    return lambda lab: patch(lab, kind.path(namespace, name), spec=fields)


def weights(b, c):
    def change(http):
        http[0]["route"][0]["weight"], http[0]["route"][1]["weight"] = b, c

    return lambda lab: rule(lab, SPLIT, change)


def destination(path, host, leg=0):
    def change(http):
        http[leg]["route"][0]["destination"]["host"] = host

    return lambda lab: rule(lab, path, change)


def wrong_image(lab):
    container = {"name": "service-b-container", "image": "nobody/service-b:1"}
    template = {"spec": {"containers": [container]}}
    lab.api.request(
        "PATCH",
        DEPLOYMENTS.path(HOME, "service-b-deployment"),
        body={"spec": {"template": template, "strategy": {"type": "Recreate", "rollingUpdate": None}}},
        content_type="application/strategic-merge-patch+json",
    )
    _wait_for_pods(lab, "service-b-app", lambda pod: _reasons(pod) & {"ErrImagePull", "ImagePullBackOff"})


def unlabelled(lab):
    patch(lab, NAMESPACES.path("", HOME), metadata={"labels": {"istio-injection": None}})


def without_proxy(lab):
    unlabelled(lab)
    for pod in lab.api.items(PODS.path(HOME), labelSelector="app=service-a-app"):
        delete(lab, PODS.path(HOME, pod["metadata"]["name"]))
    _wait_for_pods(
        lab, "service-a-app", lambda pod: len(pod["spec"]["containers"]) == 1 and is_true(pod, "Ready")
    )


def _wait_for_pods(lab, app, condition):
    """Until the pods of *app*, and there are some, are as wanted."""
    pods = {}
    with Watches(lab.api, PODS.path(HOME)) as watches:
        for event in watches.until(time.monotonic() + 30):
            if event.object and event.object["metadata"].get("labels", {}).get("app") == app:
                pods[event.object["metadata"]["name"]] = event.object
                if event.type == "DELETED":
                    del pods[event.object["metadata"]["name"]]
            if pods and all(condition(pod) for pod in pods.values()):
                return
    raise AssertionError(pods)


def _reasons(pod):
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return {(one.get("state") or {}).get("waiting", {}).get("reason") for one in statuses}


def elsewhere(file, namespace):
    def work(lab):
        lab.delete(file)
        lab.apply(file, namespace=namespace)

    return work


def applied(text, namespace=HOME):
    return lambda lab: lab.apply(text, namespace=namespace)


OLDER_RIVAL = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mine}
spec:
  hosts: [producer-internal-host]
  gateways: [mesh]
  http: [{route: [{destination: {host: service-c-srv, port: {number: 80}}}]}]
"""

ENCRYPTED = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: encrypted}
spec: {host: producer-internal-host, trafficPolicy: {tls: {mode: SIMPLE}}}
"""


TOO_LARGE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: producer-internal-host-vs}
spec:
  hosts: [producer-internal-host]
  gateways: [mesh]
  http:
    - match: [{uri: {regex: 'PATTERN'}}, {uri: {prefix: /}}]
      route:
        - {destination: {host: producer-internal-host, port: {number: 80}}, weight: 50}
        - {destination: {host: service-c-srv, port: {number: 80}}, weight: 50}
"""


def twin(lab):
    """A copy of ServiceB's Deployment with another name and image, and the labels left as they were."""
    text = lab.manifest("service-b-deployment.yml").text
    lab.apply(
        text.replace("service-b-deployment", "my-deployment").replace("service-b-java", "service-ext-java")
    )


def under_another_name(lab):
    lab.delete("producer-internal-host-50-c-vs.yml")
    text = lab.manifest("producer-internal-host-10-c-vs.yml").text
    lab.apply(text.replace("name: producer-internal-host-vs", "name: my-canary"))


def rival(lab):
    lab.delete("producer-internal-host-50-c-vs.yml")
    lab.apply(OLDER_RIVAL)
    _a_second_later(lab)
    lab.apply("producer-internal-host-50-c-vs.yml")


def _a_second_later(lab):
    """creationTimestamp counts whole seconds."""
    made = lab.api.get(VIRTUAL_SERVICES.path(HOME, "mine"))["metadata"]["creationTimestamp"]
    then = dt.datetime.fromisoformat(made) + dt.timedelta(seconds=1)
    while (left := (then - dt.datetime.now(dt.UTC)).total_seconds()) > 0:
        time.sleep(left)


def no_rewrite(http):
    http[0].pop("rewrite")


def other_path(http):
    http[0]["match"][0]["uri"] = {"exact": "/servicea"}


def aborts(http):
    http[0]["fault"] = {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}


def one_leg(http):
    http.pop(1)


MISTAKES = [
    # step, mistake, what the hint says
    (0, unlabelled, "kubectl label namespace dev-service-mesh istio-injection=enabled"),
    (0, lambda lab: lab.goto(0), "There is no namespace dev-service-mesh: apply dev-service-mesh-ns.yml"),
    (0, scale("istiod", namespace=SYSTEM), "istiod is scaled to 0"),
    (1, gone(DEPLOYMENTS, "service-a-v1-deployment"), "Apply serviceA-v1-deployment.yml"),
    (1, elsewhere("serviceA-v1-deployment.yml", "default"), "It is in default, and belongs to"),
    (1, scale("service-a-v1-deployment"), "service-a-v1-deployment is scaled to 0"),
    (1, without_proxy, "1/1 means no proxy"),
    (1, gone(SERVICES, "service-a-srv"), "There is no Service service-a-srv"),
    (1, spec(SERVICES, "service-a-srv", selector={"app": "service-x"}), "selects app=service-x"),
    (
        1,
        spec(SERVICES, "service-a-srv", ports=[{"name": "http-80", "port": 80, "targetPort": 8088}]),
        "to 8088, where nothing listens: ServiceA has 8081",
    ),
    (1, gone(GATEWAYS, "service-a-gw"), "There is no Gateway service-a-gw in dev-service-mesh"),
    (1, elsewhere("serviceA-gw.yml", "default"), "It is in default, and belongs to dev-service-mesh"),
    (1, spec(GATEWAYS, "service-a-gw", selector={"istio": "entrance"}), "has other labels"),
    (1, gone(VIRTUAL_SERVICES, "inbound-to-service-a-vs"), "There is no VirtualService inbound-to-"),
    (
        1,
        spec(VIRTUAL_SERVICES, "inbound-to-service-a-vs", gateways=["my-gw"]),
        "speaks for my-gw, not for service-a-gw",
    ),
    (1, lambda lab: rule(lab, INBOUND, other_path), "has a rule for /servicea, and none for /service-a"),
    (1, lambda lab: rule(lab, INBOUND, no_rewrite), "does not rewrite /service-a to /"),
    (1, destination(INBOUND, "service-a-srv.default.svc.cluster.local"), "check the namespace in the name"),
    (1, lambda lab: lab.goto(2, finished=True), "The cluster is further than this step"),
    (2, gone(SERVICES, "producer-internal-host"), "There is no Service producer-internal-host"),
    (2, scale("service-b-deployment"), "kubectl scale deployment service-b-deployment"),
    (2, wrong_image, "Check the image's name in the Deployment"),
    (
        2,
        lambda lab: lab.goto(6, finished=True),
        "100 of 100 to ServiceC; this step has 100 of 100 to ServiceB",
    ),
    (2, lambda lab: rule(lab, SPLIT, aborts), "aborts requests itself with status 418"),
    (3, twin, "which is none of service-b-deployment"),
    (3, weights(80, 20), "sends 80 of 100 to ServiceB and 20 of 100 to ServiceC; this step has 50"),
    (
        3,
        under_another_name,
        "my-canary sends 90 of 100 to ServiceB and 10 of 100 to ServiceC; this step has 50 of 100 to "
        "ServiceB and 50 of 100 to ServiceC. Set these weights in it.",
    ),
    (3, rival, "mine is about the same requests and older"),
    (3, scale("service-c-deployment"), "service-c-deployment is scaled to 0"),
    (4, elsewhere("service-ext-gw.yml", HOME), "It is in dev-service-mesh, and belongs to external-cluster"),
    (
        4,
        elsewhere("inbound-to-service-ext-vs.yml", HOME),
        "There is no VirtualService inbound-to-service-ext",
    ),
    (5, gone(DEPLOYMENTS, "istio-egressgateway", SYSTEM), "the gateway comes first, the rule last"),
    (5, gone(VIRTUAL_SERVICES, "outbound-srv-c-to-external-srv-vs"), "There is no VirtualService outbound-"),
    (5, lambda lab: rule(lab, LEGS, one_leg), "lacks the leg from the egress gateway to the host itself"),
    (6, lambda lab: lab.apply("producer-internal-host-50-c-vs.yml"), "Apply producer-internal-host-100-c-vs"),
]


@pytest.mark.parametrize(("step", "mistake", "words"), MISTAKES, ids=[words[:50] for *_, words in MISTAKES])
def test_the_hint_names_the_mistake(lab, cluster, step, mistake, words):
    lab.goto(step, finished=True)
    mistake(lab)
    with suppress(WaitTimeout):  # where istiod is what was switched off
        lab._wait_for_proxies()

    report = lab.check(step)

    broken = [finding for finding in report.findings if not finding.holds]
    assert broken, str(report)
    assert any(words in finding.hint for finding in broken), str(report)
    assert all(finding.hint for finding in broken), str(report)
    type_in(cluster, of_kubectl(finding.hint for finding in broken))


def type_in(cluster, commands):
    """Each is a command that works, in the state in which it is advised."""
    if commands:
        cluster.kubectl("version", "--client")  # skips where there is none
    for command in commands:
        cluster.run("bash", "-c", command)


def test_what_is_none_of_the_lessons_is_named(lab):
    lab.goto(2)
    lab.apply(ENCRYPTED)

    texts = [fault.text for fault in faults(Look(lab.api, lab.learner), 2)]

    assert "The DestinationRule encrypted in dev-service-mesh is not of this step" in " ".join(texts)
    assert texts[0].startswith("There is no Deployment service-b-deployment"), "the root comes first"


def test_a_closed_egress_gateway_is_named(lab):
    """Looked for without a check, which would wait ten seconds for a log line that does not come."""
    lab.goto(5, finished=True)
    delete(lab, GATEWAYS.path(HOME, "istio-egressgateway"))

    texts = [fault.text for fault in faults(Look(lab.api, lab.learner), 5)]

    assert "no port of the egress gateway is open" in texts[0]


def test_where_all_is_well_there_is_no_fault(lab):
    lab.goto(6, finished=True)

    assert list(faults(Look(lab.api, lab.learner), 6)) == []


def test_what_envoy_would_refuse_is_refused_at_once(lab):
    """A pattern that is right and too large: no proxy is ever told of it."""
    lab.goto(3)

    with pytest.raises(ApiRefused, match="pattern too large"):
        lab.apply(TOO_LARGE.replace("PATTERN", "/x" + r"\pL{1000}" * 6))


def test_what_a_proxy_refused_is_told(lab, monkeypatch):
    """As a real istiod leads to it, which tries nothing beforehand."""
    lab.goto(3)
    nack = ProxyState("service-a-1.dev-service-mesh", "NACK", "the pattern is too large")
    monkeypatch.setattr(look, "wait_for_proxies", lambda *_, **__: Acknowledgement((nack,), 0.1))

    texts = [fault.text for fault in faults(Look(lab.api, lab.learner), 3)]

    assert any(text.startswith("A proxy refused its newest rules: service-a-1") for text in texts)
