"""Where in a cluster a learner's record is: a namespace of its own, which no step knows and goto leaves.

It bears no label by which learners are counted: who has left a class may have left a record.
"""

from __future__ import annotations

from labkit.kube.api.api import Obj
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB
from labkit.scenario.learner import Learner

RECORD = "labkit-record"
"""The ConfigMap's name, and the beginning of the namespace's."""


def record_namespace(learner: Learner) -> str:
    """The namespace of *learner*'s record."""
    return f"{RECORD}-{learner.name}" if learner.name else RECORD


def learner_of(namespace: str) -> str | None:
    """Whose record is there: a name, empty for one who works alone; None where none can be."""
    if namespace == RECORD:
        return ""
    return namespace.removeprefix(f"{RECORD}-") if namespace.startswith(f"{RECORD}-") else None


def namespace_object(learner: Learner) -> Obj:
    """The Namespace that it is in."""
    metadata = {"name": record_namespace(learner), "labels": {PART_OF: PART_OF_LAB}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
