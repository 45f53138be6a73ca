"""What a hint says of a task that its scenario knows no more of: the solution is read.

The scenario is the one that `labkit new` makes, with one more task; it has no ``hints.py``.
"""

from contextlib import suppress

import pytest
from click.testing import CliRunner

from labkit import Lab
from labkit.cli.new import new
from labkit.errors import ApiRefused
from labkit.kube.api.resources import SERVICES, VIRTUAL_SERVICES
from labkit.scenario.checks import Finding
from labkit.scenario.hints import explain_task
from labkit.scenario.tasks import find_task

from ..advice import of_kubectl
from .test_hints import type_in

pytestmark = pytest.mark.slow

HOME = "one-more"
TILL = """title: A till
text: Give the shop one more name, till.
hints: [A Service.]
namespace: one-more
checks:
  - answer: {contains: Hello}
solution: |
  apiVersion: v1
  kind: Service
  metadata:
    name: till
  spec:
    selector: {app: shop}
    ports: [{port: 80, name: http, targetPort: 8081}]
"""


@pytest.fixture(scope="module")
def shop(lab, cluster, tmp_path_factory):
    """A Lab for that scenario, where its last step is done."""
    lab.reset()
    folder = tmp_path_factory.mktemp("scenarios") / HOME
    assert CliRunner().invoke(new, [str(folder)]).exit_code == 0
    (folder / "texts" / "task-0.yml").write_text(TILL)
    with Lab(kubeconfig=cluster.kubeconfig, scenario=folder) as found:
        found.goto(1, finished=True)
        yield found
        found.reset()


def nothing(lab):
    """Has not begun."""


def solved(step, *changes, namespace=HOME):
    """The printed solution, with something else in the place of each first text."""

    def work(lab):
        text = find_task(step, lab.learner).solution.text
        for old, new_text in changes:
            assert old in text
            text = text.replace(old, new_text)
        with suppress(ApiRefused):  # it was said when it was applied
            lab.apply(text, namespace=namespace)

    return work


def rule_deleted(lab):
    lab.api.request("DELETE", VIRTUAL_SERVICES.path(HOME, "catalogue-vs"))


MADE = [
    (0, nothing, "There is no Service till in one-more yet. The button *Hint* says where"),
    (0, solved(0, namespace="default"), "The Service till is in default, and belongs to one-more: apply it"),
    (0, solved(0, ("name: till", "name: tills")), "There is a Service tills, and the one that was asked for"),
    (0, solved(0, ("port: 80,", "port: 81,")), "the solution has something else in `spec.ports[0].port` of"),
    (0, solved(0), "the traffic does not show it yet. Check again in a moment."),
    (1, nothing, "catalogue-vs is still as the step left it."),
    (1, rule_deleted, "The step's VirtualService catalogue-vs is gone: apply half-to-newcomer.yml."),
    (1, solved(1, ("host: newcomer", "host: newcomers")), "to newcomers, a host the mesh does not know"),
    (
        1,
        solved(1, ("host: newcomer,", "host: newcomer, subset: v2,")),
        "sends to `subset` v2 of newcomer, which no DestinationRule has",
    ),
    (1, solved(1, ("weight: 90", "weight: 80")), "else in `spec.http[0].route[0].weight` of catalogue-vs"),
    (1, solved(1, ("weight: 90", "wieght: 90")), "catalogue-vs, was refused, and nothing was changed"),
    (1, solved(1), "the traffic does not show it yet. Check again in a moment."),
]


@pytest.fixture
def as_it_ends(shop):
    yield shop
    for namespace, name in (("default", "till"), (HOME, "till"), (HOME, "tills")):
        if shop.api.find(SERVICES.path(namespace, name)):
            shop.api.request("DELETE", SERVICES.path(namespace, name))
    shop.apply("half-to-newcomer.yml")
    shop.api.last_refusal = None


@pytest.mark.parametrize(("step", "done", "words"), MADE, ids=[f"{n} {words[:40]}" for n, _, words in MADE])
def test_the_hint_says_what_was_made_of_it(as_it_ends, cluster, step, done, words):
    lab = as_it_ends
    done(lab)

    unseen = [Finding("The promise", False, "nothing")]
    hints = [finding.hint for finding in explain_task(lab.api, lab.learner, step, unseen)]

    assert any(words in hint for hint in hints), hints
    type_in(cluster, of_kubectl(hints))


def test_a_promise_about_pods_gets_one_too(as_it_ends):
    lab = as_it_ends
    unseen = [Finding("The pods run", False, "none", workloads=("till",))]

    (told,) = explain_task(lab.api, lab.learner, 0, unseen)

    assert told.hint.startswith("There is no Service till")
