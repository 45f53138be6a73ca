"""How each task of the book is looked at, to say what a learner has made of it."""

from __future__ import annotations

from labkit.book.checks import SERVICE_B
from labkit.book.task_legs import slow_outside
from labkit.book.task_places import retired, second_namespace, three_of_b
from labkit.book.task_rules import one_in_four, own_host, second_door
from labkit.scenario.hints.tasks import TaskHints

TASKS = {
    0: TaskHints(second_namespace),
    1: TaskHints(second_door, rules=("inbound-to-service-a-vs",)),
    2: TaskHints(three_of_b, workloads=(SERVICE_B.deployment,)),
    3: TaskHints(one_in_four, rules=("producer-internal-host-vs",)),
    4: TaskHints(own_host, rules=("inbound-to-service-ext-vs",)),
    5: TaskHints(slow_outside, rules=("outbound-srv-c-to-external-srv-vs",)),
    6: TaskHints(retired, workloads=(SERVICE_B.deployment,)),
}
"""By the number of the step."""
