"""Binds pods to the one node there is, if it is the kind they ask for."""

from __future__ import annotations

from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, has_labels, labels_of, name_of, namespace_of, timestamp


def schedule(client: Client, recorder: Recorder, node: str, pod: Obj) -> bool:
    """Bind *pod* to *node* where its ``nodeSelector`` allows; else say why not."""
    wanted = pod["spec"].get("nodeSelector") or {}
    if not has_labels(labels_of(client.get("nodes", node)), wanted):
        _refuse(client, recorder, pod)
        return False
    client.patch("pods", name_of(pod), namespace_of(pod), {"spec": {"nodeName": node}})
    where = f"{namespace_of(pod)}/{name_of(pod)}"
    recorder.event(pod, "Normal", "Scheduled", f"Successfully assigned {where} to {node}")
    return True


def _refuse(client: Client, recorder: Recorder, pod: Obj) -> None:
    message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(),
    }
    status = {**(pod.get("status") or {}), "conditions": [condition]}
    client.update_status("pods", {**pod, "status": status})
    recorder.event(pod, "Warning", "FailedScheduling", message)
