"""What objects use of a ResourceQuota: the evaluators of ``k8s.io/kubernetes/pkg/quota/v1``.

Amounts are quantities as they are written; who compares takes their numbers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TypeAlias

from labkit.embedded.objects import Obj
from labkit.embedded.quantities import amount, shown, total

Usage: TypeAlias = dict[str, str]
"""Resource → how much of it."""

QUOTAS = "resourcequotas"
COMPUTE = ("cpu", "memory", "ephemeral-storage")
STRICT = ("cpu", "memory", *(f"{kind}.{name}" for kind in ("requests", "limits") for name in COMPUTE[:2]))
"""What each container has to name, where a quota counts it."""
COUNTED = (
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
"""Kinds that are counted by their plain names, too."""
STANDARD = (
    "pods",
    *COUNTED,
    "services.nodeports",
    "services.loadbalancers",
    *COMPUTE,
    "requests.storage",
    *(f"{kind}.{name}" for kind in ("requests", "limits") for name in COMPUTE),
)
SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)


def usage(resource: str, obj: Obj) -> Usage:
    """What one object of *resource* uses."""
    used = {f"count/{resource}": "1"}
    if resource == "pods":
        return used | (_of_pod(obj) if _is_charged(obj) else {})
    if resource == "services":
        used |= _of_service(obj)
    if resource == "persistentvolumeclaims":
        requests = (obj["spec"].get("resources") or {}).get("requests") or {}
        used |= {"requests.storage": requests["storage"]} if "storage" in requests else {}
    return used | ({resource: "1"} if resource in COUNTED else {})


def _is_charged(pod: Obj) -> bool:
    """Whether it has not come to its end, and is not past its grace period."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    going = pod["metadata"].get("deletionTimestamp")
    if not going or pod["metadata"].get("deletionGracePeriodSeconds") is None:
        return True
    return dt.datetime.fromisoformat(going) > dt.datetime.now(dt.UTC)


def _of_pod(pod: Obj) -> Usage:
    found = {"pods": "1"}
    for name, value in pod_total(pod, "requests").items():
        if name in COMPUTE:
            found[name] = value
        found[f"requests.{name}"] = value
    limits = pod_total(pod, "limits")
    return found | {f"limits.{name}": limits[name] for name in COMPUTE if name in limits}


def container_usage(container: Obj) -> set[str]:
    """The names of what it says that it uses."""
    resources = container.get("resources") or {}
    requests = resources.get("requests") or {}
    kinds = {f"{kind}.{name}" for kind in ("requests", "limits") for name in resources.get(kind) or ()}
    return {*requests, *kinds}


def pod_total(pod: Obj, kind: str) -> Usage:
    """A pod's requests or limits: of its containers together, or of its most demanding init container."""
    spec = pod["spec"]
    sidecars: Usage = {}
    starting: Usage = {}
    for each in spec.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            sidecars = added(sidecars, _resources(each, kind))
            starting = _largest(starting, sidecars)
        else:
            starting = _largest(starting, added(sidecars, _resources(each, kind)))
    running = sidecars
    for each in spec.get("containers") or ():
        running = added(running, _resources(each, kind))
    needed = _largest(running, starting) | _resources(spec, kind)
    overhead = spec.get("overhead") or {}
    return added(needed, overhead if kind == "requests" or needed else {})


def _resources(holder: Obj, kind: str) -> Usage:
    return dict((holder.get("resources") or {}).get(kind) or {})


def added(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return {name: total([part[name] for part in (one, other) if name in part]) for name in {**one, **other}}


def without(one: Usage, other: Usage) -> Usage:
    """What *one* is more than *other*; nothing is less than none."""
    return {
        name: shown(max(amount(value) - amount(other.get(name, "0")), amount("0")), value)
        for name, value in one.items()
    }


def _largest(one: Usage, other: Usage) -> Usage:
    return {
        name: max((part[name] for part in (one, other) if name in part), key=amount)
        for name in {**one, **other}
    }


def _of_service(service: Obj) -> Usage:
    spec = service["spec"]
    kind, ports = spec.get("type", "ClusterIP"), len(spec.get("ports") or ())
    allocated = spec.get("allocateLoadBalancerNodePorts", True)
    node_ports = ports if kind == "NodePort" or (kind == "LoadBalancer" and allocated) else 0
    return {
        "services.nodeports": str(node_ports),
        "services.loadbalancers": str(int(kind == "LoadBalancer")),
    }


def concerns(quota: Obj, resource: str, obj: Obj) -> list[str]:
    """What of *quota*'s limits is about *obj*: the names, or none where its scopes leave *obj* out."""
    spec = quota["spec"]
    possible = usage(resource, obj).keys() | (_POD_NAMES if resource == "pods" else set())
    names = [name for name in spec.get("hard") or {} if name in possible]
    selectors = [{"scopeName": each, "operator": "Exists"} for each in spec.get("scopes") or ()]
    selectors += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if selectors and resource != "pods":
        return []
    return names if all(_in_scope(each, obj) for each in selectors) else []


_POD_NAMES = {"pods", "count/pods", *STRICT, "ephemeral-storage"} | {
    f"{kind}.ephemeral-storage" for kind in ("requests", "limits")
}


def _in_scope(selector: Obj, pod: Obj) -> bool:
    check = _IN_SCOPE.get(selector["scopeName"])
    if check is not None:
        return check(pod)
    name, values = pod["spec"].get("priorityClassName") or "", selector.get("values") or []
    held = name in values
    answers = {"Exists": bool(name), "DoesNotExist": not name, "In": held, "NotIn": not held}
    return selector["scopeName"] == "PriorityClass" and answers.get(selector.get("operator", ""), False)


def _ends(pod: Obj) -> bool:
    return pod["spec"].get("activeDeadlineSeconds") is not None


def _is_best_effort(pod: Obj) -> bool:
    containers = [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]
    resources = [each.get("resources") or {} for each in containers]
    return not any(each.get("requests") or each.get("limits") for each in resources)


def _reaches_out(pod: Obj) -> bool:
    affinity = pod["spec"].get("affinity") or {}
    terms: list[Obj] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(kind) or {}
        terms += found.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = found.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += (each["podAffinityTerm"] for each in preferred)
    return any(each.get("namespaces") or each.get("namespaceSelector") is not None for each in terms)


_IN_SCOPE: dict[str, Callable[[Obj], bool]] = {
    "Terminating": _ends,
    "NotTerminating": lambda pod: not _ends(pod),
    "BestEffort": _is_best_effort,
    "NotBestEffort": lambda pod: not _is_best_effort(pod),
    "CrossNamespacePodAffinity": _reaches_out,
}


def used_of(quota: Obj, objects: Iterable[tuple[str, Obj]]) -> Usage:
    """How much of each of its limits *objects* (with their resource) use."""
    hard = quota["spec"].get("hard") or {}
    parts: dict[str, list[str]] = {name: [] for name in hard}
    for resource, obj in objects:
        names = concerns(quota, resource, obj)
        if names:
            found = usage(resource, obj)
            for name in names:
                parts[name].append(found.get(name, "0"))
    return {name: total(values) for name, values in parts.items()}


def resources_of(quota: Obj) -> set[str]:
    """The kinds of objects that *quota* counts."""
    found = set()
    for name in quota["spec"].get("hard") or {}:
        plain = name.removeprefix("count/")
        if plain != name:
            found.add(plain)
        elif name.startswith("services."):
            found.add("services")
        elif name == "requests.storage":
            found.add("persistentvolumeclaims")
        else:
            found.add(name if name in COUNTED else "pods")
    return found
