"""What a learner has made of a task: nothing yet, nearly it, elsewhere, or more than was asked for.

A task is judged by what the mesh does (:mod:`labkit.scenario.tasks`); what is said here is why it does not
do it yet, and what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labkit.language import gettext
from labkit.scenario import cast
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.task_legs import slow_outside
from labkit.scenario.hints.task_places import retired, second_namespace, three_of_b
from labkit.scenario.hints.task_rules import one_in_four, own_host, second_door


@dataclass(frozen=True)
class TaskHints:
    """How one task is looked at."""

    faults: Callable[[Look], Iterator[Fault]]
    rules: tuple[str, ...] = ()
    """VirtualServices that it has the learner change: it is :attr:`faults` that speak of them."""
    workloads: tuple[str, ...] = ()
    """Deployments, likewise."""

    def changes(self, fault: Fault) -> bool:
        """Whether *fault* is about what the learner is to change."""
        return fault.rule in self.rules or fault.workload in self.workloads


TASKS = (
    TaskHints(second_namespace),
    TaskHints(second_door, rules=("inbound-to-service-a-vs",)),
    TaskHints(three_of_b, workloads=(cast.SERVICE_B.deployment,)),
    TaskHints(one_in_four, rules=("producer-internal-host-vs",)),
    TaskHints(own_host, rules=("inbound-to-service-ext-vs",)),
    TaskHints(slow_outside, rules=("outbound-srv-c-to-external-srv-vs",)),
    TaskHints(retired, workloads=(cast.SERVICE_B.deployment,)),
)
"""One for each step."""


def refusal_faults(look: Look, step: int) -> Iterator[Fault]:
    """What the API server did not take."""
    if look.refusal:
        text = gettext(
            "What was applied last from here, {thing}, was refused, and nothing was changed: {reason}",
            thing=look.refusal.thing,
            reason=look.refusal.reason,
        )
        yield Fault(text, step)
