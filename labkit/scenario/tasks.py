"""A short task at the end of each step, judged by what the mesh then does.

What a learner reads is in ``texts/task-N.yml``, with hints, one solution, and the promises that are looked at
to see whether it is done: as those of a step (:mod:`labkit.scenario.promises`), their functions in
``tasks.py`` beside the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.kube.api.manifests import Source
from labkit.kube.applying.apply import kubectl_command
from labkit.scenario.checking import look
from labkit.scenario.checks import Finding, Observer, Report
from labkit.scenario.fields import read_fields
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal
from labkit.scenario.promises import Promise, read_promise
from labkit.scenario.wording import read_text, text_of

_KEYS = ("title", "text", "hints", "solution", "namespace", "host", "checks")


@dataclass(frozen=True)
class Task:
    """What is to be done, two hints (the second says more), and one way to do it."""

    step: int
    title: str
    text: str
    hints: tuple[str, ...]
    solution: Source
    namespace: str
    """Where the solution goes."""

    @property
    def command(self) -> str:
        """The solution as it is typed in a terminal."""
        return f"{kubectl_command(self.solution, self.namespace)} <<'EOF'\n{self.solution.text}EOF"


def find_task(step: int, learner: Learner) -> Task:
    """The task of *step* as it is for *learner*; StepError where there is no such step."""
    number = learner.scenario.find_step(step).number
    read = read_text(text_of(learner.scenario, "task", number), learner.scenario.said)
    host = str(read.get("host") or "")

    def own(words: str) -> str:
        return words.replace(host, own_host_of(host, learner)) if host else words

    return Task(
        number,
        own(read["title"]),
        own(read["text"]),
        tuple(map(own, read["hints"])),
        personal(Source(own(read["solution"])), learner),
        learner.own(read["namespace"]),
    )


def own_host_of(host: str, learner: Learner) -> str:
    """What takes the place of a task's *host* where the learner has a host name: one below that."""
    return f"{host.partition('.')[0]}.{learner.host}" if learner.host else host


def check_task(lab: Observer, step: int) -> Report:
    """Look whether the task of *step* is done."""
    task = find_task(step, lab.learner)
    return Report(task.step, tuple(find_in_task(lab, step)), task.title)


def find_in_task(lab: Observer, step: int) -> Iterator[Finding]:
    """The findings of a task, each as soon as it is made."""
    scenario = lab.learner.scenario
    file = text_of(scenario, "task", scenario.find_step(step).number)
    for promise in _promises(file, scenario.path):
        yield from look(promise, lab, "tasks")


def _promises(file: Path, path: str) -> list[Promise]:
    """The ``checks`` of a task's *file*."""
    checks = read_fields(file).record(*_KEYS).field("checks")
    return [read_promise(each, path) for each in checks.list()]
