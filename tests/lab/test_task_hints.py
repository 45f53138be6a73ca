"""What learners typically do instead of a task: the check fails, and each hint says what they have made.

Judged by traffic through real Envoys; where that takes long (the task of step 5), what a check would have
seen is given, and the hint alone is looked for.
"""

from collections import defaultdict
from contextlib import suppress

import pytest
import yaml

from labkit.errors import ApiRefused, LabkitError, WaitFailed
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, PODS, VIRTUAL_SERVICES
from labkit.scenario.checks import Finding
from labkit.scenario.hints import explain_task
from labkit.scenario.tasks import find_task

from ..advice import of_kubectl
from .test_hints import type_in

pytestmark = pytest.mark.slow

HOME, EXTERNAL = "dev-service-mesh", "external-cluster"


def nothing(lab):
    """Has not begun."""


def labelled(name, kind="labels", **pairs):
    meta = {"name": name, kind: {key.replace("_", "-"): value for key, value in pairs.items()}}
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    return lambda lab: _apply(lab, text)


def _apply(lab, text, namespace=None):
    with suppress(ApiRefused):  # it was said when it was applied
        lab.apply(text, namespace=namespace)
        lab.wait()


def default_labelled(lab):
    labelled("practice", istio_injection="enabled")(lab)
    body = {"metadata": {"labels": {"istio-injection": "enabled"}}}
    lab.api.request("PATCH", NAMESPACES.path("", "default"), body=body, content_type=MERGE_PATCH)


def solved(step, *changes, namespace=None):
    """The printed solution, with something else in the place of each first text."""

    def work(lab):
        task = find_task(step, lab.learner)
        text = task.solution.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        _apply(lab, text, namespace or task.namespace)

    return work


def scaled(name, replicas):
    def work(lab):
        path = DEPLOYMENTS.path(HOME, name)
        lab.api.request("PATCH", path, body={"spec": {"replicas": replicas}}, content_type=MERGE_PATCH)
        lab.wait()

    return work


def pod_deleted(lab):
    for pod in lab.api.items(PODS.path(HOME), labelSelector="app=service-b-app"):
        lab.api.request("DELETE", PODS.path(HOME, pod["metadata"]["name"]))
    lab.wait()


def service_deleted(lab):
    scaled("service-b-deployment", 0)(lab)
    lab.delete("producer-internal-host.yml")


def wrong_image(lab):
    lab.delete("service-b-deployment.yml")
    with suppress(WaitFailed):  # ends as soon as no image can be had
        lab.apply(find_task(2, lab.learner).solution.text.replace("artashesavetisyan", "nobody"))


OWN_RULE = ("name: inbound-to-service-a-vs", "name: mine")
ONLY_HELLO = ("        - uri:\n            exact: /service-a\n", "")
NO_GATEWAYS = ("  gateways:\n    - service-a-gw\n", "")
OWN_SHARES = ("name: producer-internal-host-vs", "name: my-canary")

WRONG = {
    0: [
        (nothing, "There is no namespace practice yet. Make it"),
        (labelled("practise", istio_injection="enabled"), "There is a namespace practise, and the one that"),
        (labelled("practice"), "is there and has no label istio-injection=enabled"),
        (labelled("practice", istio_injection="true"), "has istio-injection=true, and only `enabled`"),
        (labelled("practice", istio_injecton="enabled"), "has the label istio-injecton, and the control"),
        (labelled("practice", "annotations", istio_injection="enabled"), "among its annotations"),
        (labelled("Practice", istio_injection="enabled"), "namespace/Practice, was refused, and nothing"),
        (default_labelled, "`kubectl label namespace default istio-injection-` takes it off"),
    ],
    1: [
        (nothing, "No rule takes /hello yet. Add it to the list under `match` in inbound-to-service-a-vs"),
        (
            solved(1, OWN_RULE, ONLY_HELLO, namespace="default"),
            "mine is in the namespace default and names the Gateway default/service-a-gw, which is not",
        ),
        (
            solved(1, OWN_RULE, ONLY_HELLO, NO_GATEWAYS, ('"*"', "hello.example")),
            "mine speaks for the sidecars inside",
        ),
        (solved(1, OWN_RULE, ONLY_HELLO, ("- service-a-gw", "- service-gw")), "write its name under"),
        (solved(1, OWN_RULE, ONLY_HELLO, ('"*"', "hello.example")), "mine is about hello.example, and"),
        (solved(1, ("/hello", "/helo")), "takes /service-a, /helo, and the request is for /hello"),
        (
            solved(1, OWN_RULE, ONLY_HELLO, ("      rewrite:\n        uri: /\n", "")),
            "does not rewrite it to /, the",
        ),
        (solved(1, ("number: 80", "number: 8081")), "sends to port 8081 of service-a-srv, which has 80"),
        (solved(1, ("host: service-a-srv", "host: service-a")), "to service-a, a host the mesh does not"),
        (
            solved(1, ("exact: /hello\n", "exact: /hello\n          method: {exact: POST}\n")),
            "takes /hello only where more fits: method",
        ),
        (solved(1, ONLY_HELLO), "has a rule for /hello, and none for /service-a"),
        (solved(1, ("exact: /hello", "prefix: /")), "takes /hello by `prefix: /`, and `rewrite`"),
        (solved(1, ("    rewrite:", "    rewrit:")), "inbound-to-service-a-vs, was refused, and nothing"),
        (solved(1, ONLY_HELLO, ("exact: /hello", "regex: .*")), "takes every path, as a `prefix: /`"),
    ],
    2: [
        (nothing, "service-b-deployment asks for 1 pod, and three are to run. Next: `kubectl scale"),
        (scaled("service-b-deployment", 2), "asks for 2 pods"),
        (scaled("service-a-v1-deployment", 3), "Three of service-a-v1-deployment in dev-service-mesh are"),
        (wrong_image, "ErrImagePull"),
        (solved(2, ("replicas: 3", "replicas: three")), "service-b-deployment, was refused, and nothing"),
    ],
    3: [
        (nothing, "producer-internal-host-vs still sends one half each, as the step left it."),
        (solved(3, ("75", "x"), ("25", "75"), ("x", "25")), "has it the other way round, 25 of 100 to Ser"),
        (solved(3, ("75", "90"), ("25", "10")), "sends 90 of 100 to ServiceB and 10 of 100 to ServiceC; as"),
        (solved(3, OWN_SHARES), "my-canary in dev-service-mesh has the right weights, but producer-internal"),
        (
            solved(3, OWN_SHARES, namespace="default"),
            "has the right weights for producer-internal-host.default, and ServiceA calls producer-",
        ),
        (
            solved(3, ("host: service-c-srv", "host: service-c-srv\n            subset: v2")),
            "sends to `subset` v2 of service-c-srv, which no DestinationRule has",
        ),
        (solved(3, ("weight", "wieght")), "producer-internal-host-vs, was refused, and nothing"),
        (solved(3, ("- mesh", "- service-a-gw")), "speaks for service-a-gw, not for `mesh`"),
    ],
    4: [
        (nothing, "No rule speaks for external.example yet. Make a VirtualService in external-cluster"),
        (
            solved(4, ("namespace: external-cluster", f"namespace: {HOME}")),
            "external-example-vs is in the namespace dev-service-mesh and names the Gateway dev-",
        ),
        (solved(4, ("- external.example", "- externel.example")), "is about externel.example, and these"),
        (solved(4, ("  gateways:\n    - service-ext-gw\n", "")), "`mesh`, as a"),
        (
            solved(4, ("    - route:", "    - match: [{uri: {exact: /service-ext}}]\n      route:")),
            "takes /service-ext, and the request is for /: paths are compared",
        ),
        (solved(4, ("number: 80", "number: 8082")), "sends to port 8082 of service-ext-srv, which has 80"),
        (
            solved(4, ("- external.example", '- "*"')),
            "external-example-vs in external-cluster takes / for any host (`*`)",
        ),
        (
            solved(4, ("external-example-vs", "inbound-to-service-ext-vs")),
            "inbound-to-service-ext-vs is about external.example, not about *",
        ),
        (solved(4, ("- external.example", "- http://external.example")), "external-example-vs, was refused"),
    ],
    5: [
        (nothing, "The rule that matches `mesh` has no `timeout` yet"),
        (solved(5, ("      timeout: 0.5s\n", "")), "no `timeout` yet"),
        (solved(5, ("timeout: 0.5s", "timeout: 5s")), "has `timeout: 5s`, and 0.5s was asked for"),
        (solved(5, ("delay:\n", "abort:\n"), ("fixedDelay: 2s", "httpStatus: 504")), "which answers at once"),
        (solved(5, ("fixedDelay: 2s", "fixedDelay: 0.2s")), "has `fixedDelay: 0.2s`, and 2s was asked for"),
        (solved(5, ("value: 100", "value: 50")), "holds 50 of 100 calls back, and every one is asked for"),
        (solved(5, ("          percentage:\n            value: 100\n", "")), "holds 0 of 100 calls back"),
        (
            solved(5, ("timeout: 0.5s", "fault: {delay: {fixedDelay: 2s, percentage: {value: 100}}}")),
            "then the sidecar holds the call back itself",
        ),
        (solved(5, ("timeout: 0.5s", "timeout: 500")), "outbound-srv-c-to-external-srv-vs, was refused"),
        (
            solved(5, ("- istio-egressgateway\n          port", "- mesh\n          port")),
            "takes the calls at istio-eg",
        ),
    ],
    6: [
        (nothing, "service-b-deployment still asks for 1 pod: `kubectl scale deployment service-b-"),
        (pod_deleted, "A pod that is deleted comes back"),
        (service_deleted, "There is no Service producer-internal-host"),
        (scaled("service-c-deployment", 0), "service-c-deployment is scaled to 0"),
        (
            lambda lab: (
                lab.apply("producer-internal-host-50-c-vs.yml"),
                scaled("service-b-deployment", 0)(lab),
            ),
            "sends 50 of 100 to ServiceB and 50 of 100 to ServiceC, and nobody is there",
        ),
    ],
}
CASES = [(step, *case) for step, cases in WRONG.items() for case in cases]
PROMISES = {
    0: ("practice", "default"),
    1: ("new", "old", "others"),
    2: ("pods",),
    3: ("",),
    4: ("new", "others", "old"),
    5: ("", "delay"),
    6: ("pods", "answers"),
}
"""What each task's findings are about."""
JUDGED = {step: 99 if step in (0, 4) else 2 for step in WRONG} | {1: -1, 5: 0}
"""How many of each task's cases are judged by traffic: where it costs seconds, the first ones."""


@pytest.fixture(autouse=True)
def default_as_it_was(lab):
    yield
    body = {"metadata": {"labels": {"istio-injection": None}}}
    lab.api.request("PATCH", NAMESPACES.path("", "default"), body=body, content_type=MERGE_PATCH)
    for rule in lab.api.items(VIRTUAL_SERVICES.path("default")):
        lab.api.request("DELETE", VIRTUAL_SERVICES.path("default", rule["metadata"]["name"]))
    with suppress(LabkitError):
        lab.api.request("DELETE", NAMESPACES.path("", "practise"))


@pytest.mark.parametrize(("step", "done", "words"), CASES, ids=[f"{n} {words[:45]}" for n, _, words in CASES])
def test_the_hint_says_what_was_made_of_it(lab, cluster, step, done, words):
    lab.goto(step, finished=True)
    done(lab)

    hints = _judged(lab, step) if (done, words) in WRONG[step][: JUDGED[step]] else _told(lab, step)

    assert any(words in hint for hint in hints), hints
    type_in(cluster, of_kubectl(hints))


def _judged(lab, step):
    report = lab.task(step).check()
    hints = [finding.hint for finding in report.findings if not finding.holds]
    assert hints, str(report)
    assert all(hints), str(report)
    return hints


def _told(lab, step):
    """The hints for all that the task promises, as if none of it had been seen."""
    seen = [Finding(f"The promise {about}", False, "nothing", about=about) for about in PROMISES[step]]
    return [finding.hint for finding in explain_task(lab.api, lab.learner, step, seen)]


@pytest.mark.parametrize("step", WRONG)
def test_what_is_right_and_not_seen_yet_is_not_blamed(lab, step):
    lab.goto(step, finished=True)
    solved(step)(lab)

    hints = _told(lab, step)

    assert any("the traffic does not show it yet. Check again in a moment." in hint for hint in hints), hints


def test_no_two_mistakes_get_the_same_words():
    said = defaultdict(set)
    for step, _, words in CASES:
        assert words not in said[step], words
        said[step].add(words)
