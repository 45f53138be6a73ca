"""Each step's task: not done at first, done by the printed solution, and tidied up by goto."""

import pytest

from labkit.errors import StepError
from labkit.kube.api.resources import NAMESPACES
from labkit.scenario.progress import own_work
from labkit.scenario.tasks import find_task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("step", range(7))
def test_the_printed_solution_solves_it(lab, cluster, step):
    lab.goto(step, finished=True)
    task = lab.task(step)

    before = task.check()
    _type_in(cluster, task.task.command)
    lab.wait()
    after = task.check()

    assert not before
    assert all(finding.hint for finding in before.findings if not finding.holds), str(before)
    assert after, str(after)
    assert str(after).startswith(f"Task {step}, {task.task.title}\n✓ ")
    assert own_work(lab.api, lab.learner), "goto would undo the solution, so it is named before"

    lab.goto(step, finished=True)

    assert own_work(lab.api, lab.learner) == []
    assert lab.check(step)
    assert not task.check()


def _type_in(cluster, command):
    """What the view prints, typed in a shell with real kubectl."""
    cluster.kubectl("version", "--client")  # skips where there is none
    cluster.run("bash", "-c", command)


WRONG = {
    "nobody waits: the gateway itself says 504": (
        ("timeout: 0.5s", "timeout: 5s"),
        ("delay:\n", "abort:\n"),
        ("fixedDelay: 2s", "httpStatus: 504"),
    ),
    "it gives up too early": (("timeout: 0.5s", "timeout: 0.1s"),),
    "it gives up too late": (("timeout: 0.5s", "timeout: 1s"),),
    "the sidecar holds back, too": (
        ("timeout: 0.5s", "fault: {delay: {fixedDelay: 2s, percentage: {value: 100}}}"),
    ),
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_what_looks_like_waiting_is_told_from_it(lab, changes):
    lab.goto(5, finished=True)
    solution = find_task(5, lab.learner).solution.text
    for old, new in changes:
        assert old in solution
        solution = solution.replace(old, new)

    lab.apply(solution)

    found = lab.task(5).check()
    assert not found, str(found)
    assert all(finding.hint for finding in found.findings if not finding.holds), str(found)


def test_the_second_namespace_is_gone_after_goto(lab):
    lab.apply(find_task(0, lab.learner).solution)
    lab.goto(1)

    assert lab.api.find(NAMESPACES.path("", "practice")) is None


@pytest.mark.parametrize("step", [-1, 7, "three"])
def test_no_such_task(lab, step):
    with pytest.raises(StepError, match="steps 0 to 6"):
        lab.task(step)


def test_a_task_shows_itself_without_the_cluster(lab):
    task = lab.task(3)

    shown = task._repr_mimebundle_()[0]

    assert shown["text/plain"].startswith("Task: One request in four\n")
    assert "lab.task(3).check()" in shown["text/plain"]
    assert "<code" in shown["text/html"]
    assert "75" not in shown["text/html"], "the solution comes when it is asked for"


def test_hints_come_one_by_one(lab):
    task = lab.task(4)

    task.buttons["Hint"].click()
    assert "hint 1" in task.hint.value
    assert "hint 2" not in task.hint.value
    task.buttons["Hint"].click()
    task.buttons["Hint"].click()
    assert task.hint.value.count("<b>hint") == 2
    task.buttons["Show a solution"].click()
    assert (
        "kubectl apply --server-side --force-conflicts -n external-cluster -f - &lt;&lt;" in task.answer.value
    )
