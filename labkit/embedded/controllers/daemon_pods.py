"""The pods of a DaemonSet: which node they are for, and which nodes take them."""

from __future__ import annotations

from labkit.embedded.controllers.history import HASH, digest_of
from labkit.embedded.controllers.replicasets import pod_of
from labkit.embedded.objects import Obj, annotations_of, labels_of, name_of
from labkit.embedded.selectors import matches_node
from labkit.embedded.taints import UNSCHEDULABLE, taints_of, untolerated

_GENERATION = "deprecated.daemonset.template.generation"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    (UNSCHEDULABLE, "NoSchedule"),
)


def new_pod(found: Obj, revision: Obj, node: str) -> Obj:
    """The pod for *node*, not yet created."""
    pod = pod_of(found)
    meta, spec = pod["metadata"], pod["spec"]
    marks = {
        HASH: digest_of(revision),
        "pod-template-generation": annotations_of(found).get(_GENERATION, "1"),
    }
    meta["labels"] = {**(meta.get("labels") or {}), **marks}
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    affinity[_REQUIRED] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    given = spec.setdefault("tolerations", [])
    given += [
        toleration
        for key, effect in _TOLERATED
        if (toleration := {"key": key, "operator": "Exists", "effect": effect}) not in given
    ]
    return pod


def node_of(pod: Obj) -> str:
    """The node it is on, or is for."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    fields = [
        each for term in required.get("nodeSelectorTerms") or () for each in term.get("matchFields") or ()
    ]
    return next((each["values"][0] for each in fields if each["key"] == "metadata.name"), "")


def is_of(pod: Obj, revision: Obj) -> bool:
    """Whether it is as *revision* has it."""
    return labels_of(pod).get(HASH) == digest_of(revision)


def may_run(found: Obj, node: Obj) -> tuple[bool, bool]:
    """Whether *node* takes a new pod of *found*; whether one that is there may stay."""
    template = found["spec"]["template"]
    extra = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
    spec = {**template["spec"], "tolerations": [*(template["spec"].get("tolerations") or ()), *extra]}
    pod = {"spec": spec}
    if spec.get("nodeName", name_of(node)) != name_of(node) or not matches_node(pod, node):
        return False, False
    stays = not any(untolerated(pod, taints_of(node, "NoExecute")))
    return stays and not any(untolerated(pod, taints_of(node, "NoSchedule"))), stays
