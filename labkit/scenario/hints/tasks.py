"""What a learner has made of a task: nothing yet, nearly it, elsewhere, or more than was asked for.

A task is judged by what the mesh does (:mod:`labkit.scenario.tasks`); what is said here is why it does not
do it yet, and what comes next. What only a scenario itself knows of its tasks is ``TASKS`` in ``hints.py``
beside the data: from a step's number to its :class:`TaskHints`. Of a task it does not know, the solution is
read (:mod:`labkit.scenario.hints.of_solution`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from labkit.kube.api.manifests import parse
from labkit.language import gettext
from labkit.scenario.functions import module_of
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.of_solution import solution_faults
from labkit.scenario.learner import Learner
from labkit.scenario.tasks import find_task


@dataclass(frozen=True)
class TaskHints:
    """How one task is looked at."""

    faults: Callable[[Look], Iterator[Fault]]
    """What is wrong with what was made; nothing where, as far as can be read, all is right."""
    rules: tuple[str, ...] = ()
    """VirtualServices that it has the learner change: it is :attr:`faults` that speak of them."""
    workloads: tuple[str, ...] = ()
    """Deployments, likewise."""

    def changes(self, fault: Fault) -> bool:
        """Whether *fault* is about what the learner is to change."""
        return fault.rule in self.rules or fault.workload in self.workloads


def task_hints(learner: Learner, step: int) -> TaskHints:
    """How the task of *step* is looked at; by default what its solution has is what is to be changed."""
    module = module_of(learner.scenario, "hints")
    known = getattr(module, "TASKS", {}) if module else {}
    if step in known:
        found: TaskHints = known[step]
        return found
    names: dict[str, list[str]] = {"VirtualService": [], "Deployment": []}
    for manifest in parse(find_task(step, learner).solution):
        names.setdefault(manifest.object["kind"], []).append(manifest.object["metadata"]["name"])
    return TaskHints(
        partial(solution_faults, step=step), tuple(names["VirtualService"]), tuple(names["Deployment"])
    )


def refusal_faults(look: Look, step: int) -> Iterator[Fault]:
    """What the API server did not take."""
    if look.refusal:
        text = gettext(
            "What was applied last from here, {thing}, was refused, and nothing was changed: {reason}",
            thing=look.refusal.thing,
            reason=look.refusal.reason,
        )
        yield Fault(text, step)
