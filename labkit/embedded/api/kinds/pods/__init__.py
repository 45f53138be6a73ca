"""Pods."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import ephemeral
from labkit.embedded.api.kinds.pods.columns import COLUMNS, PodRow
from labkit.embedded.api.kinds.pods.defaults import default_pod
from labkit.embedded.api.kinds.pods.validation import pod, pod_spec
from labkit.embedded.api.types.resources import PROXY_VERBS, ResourceType, Subresource, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

POD_SPEC: Obj = {"containers": None}
TEMPLATE: Obj = {"metadata": {}, "spec": POD_SPEC}
"""What a template holds before anybody has set anything."""
_CONNECT_VERBS = ("create", "get")


def _prepare_create(_: Store, pod: Obj) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod.get("spec", {}))}


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' cpu and memory."""
    resources = [each.get("resources") or {} for each in spec.get("containers") or ()]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    return "Guaranteed" if all(map(_is_guaranteed, resources)) else "Burstable"


def _is_guaranteed(resources: Obj) -> bool:
    limits = resources.get("limits") or {}
    requests = {**limits, **(resources.get("requests") or {})}
    return all(limits.get(key) and limits[key] == requests.get(key) for key in ("cpu", "memory"))


def _validate_part(causes: Causes, obj: Obj, old: Obj | None, subresource: str) -> None:
    if subresource == ephemeral.SUBRESOURCE and old is not None:
        pod_spec(causes, "spec", obj["spec"])
        ephemeral.check_change(causes, obj, old)


POD = Kind(
    ResourceType(
        "",
        ("v1",),
        "Pod",
        "pods",
        "pod",
        short_names=("po",),
        categories=("all",),
        subresources=(
            Subresource("attach", "PodAttachOptions", _CONNECT_VERBS),
            Subresource(ephemeral.SUBRESOURCE, "Pod"),
            Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
            Subresource("exec", "PodExecOptions", _CONNECT_VERBS),
            Subresource("log", "Pod", ("get",)),
            Subresource("portforward", "PodPortForwardOptions", _CONNECT_VERBS),
            Subresource("proxy", "PodProxyOptions", PROXY_VERBS),
            status_of("Pod"),
        ),
    ),
    columns=COLUMNS,
    row=PodRow,
    default=default_pod,
    zero={"spec": POD_SPEC, "status": {}},
    prepare_create=_prepare_create,
    validate=pod,
    validate_status=_validate_part,
    parts={ephemeral.SUBRESOURCE: ephemeral.only_theirs},
    fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    uncounted=("nodeName",),  # set by a binding, which is no change of what is wanted
    metadata_of_status=("ownerReferences",),
    shown_when_deleted=True,
)
