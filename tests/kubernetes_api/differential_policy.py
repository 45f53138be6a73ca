"""Requests about budgets, evictions, quotas, limits, priorities and runtimes, for both servers."""

from typing import Any

from .differential_requests import CORE, MERGE, NS, TABLE, Request

BUDGETS = f"/apis/policy/v1/namespaces/{NS}/poddisruptionbudgets"
_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "evicted"},
    "spec": {"containers": [{"name": "c", "image": "none.invalid/none:1"}]},
}

QUOTAS, LIMITS = f"{CORE}/resourcequotas", f"{CORE}/limitranges"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"


def _budget(name: str = "b", **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "nobody"}}
    header = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
    return {**header, "spec": {"selector": selector, **spec}}


def _make(**spec: Any) -> Request:
    return Request("POST", BUDGETS, _budget("bad", **spec))


def _eviction(name: str = "evicted", **fields: Any) -> Request:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, **fields}
    return Request("POST", f"{CORE}/pods/evicted/eviction", body)


def _object(path: str, kind: str, version: str, name: str, **fields: Any) -> Request:
    return Request("POST", path, {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields})


def _quota(name: str, **spec: Any) -> Request:
    return _object(QUOTAS, "ResourceQuota", "v1", name, spec=spec)


def _limits(name: str, *limits: dict[str, Any]) -> Request:
    return _object(LIMITS, "LimitRange", "v1", name, spec={"limits": limits})


def _priority(name: str, **fields: Any) -> Request:
    return _object(PRIORITIES, "PriorityClass", "scheduling.k8s.io/v1", name, **fields)


def _runtime(name: str, **fields: Any) -> Request:
    return _object(RUNTIMES, "RuntimeClass", "node.k8s.io/v1", name, **fields)


def _pod(name: str, resources: dict[str, Any] | None = None, **spec: Any) -> Request:
    container = {"name": "c", "image": "none.invalid/none:1", "resources": resources or {}}
    return _object(f"{CORE}/pods", "Pod", "v1", name, spec={"containers": [container], **spec})


def _scoped(operator: str, *values: str, scope: str = "PriorityClass") -> dict[str, Any]:
    return {"matchExpressions": [{"scopeName": scope, "operator": operator, "values": values}]}


REQUESTS = {
    "budget": Request("POST", BUDGETS, _budget(minAvailable=1)),
    "budget again": Request("POST", BUDGETS, _budget(minAvailable=1)),
    "budgets as a table": Request("GET", BUDGETS, accept=TABLE),
    "budget of both": _make(minAvailable=1, maxUnavailable="10%"),
    "budget below nothing": _make(minAvailable=-1),
    "budget of more than all": _make(maxUnavailable="110%"),
    "budget of no share": _make(maxUnavailable="some"),
    "budget of truth": _make(maxUnavailable=True),
    "budget by a policy nobody knows": _make(minAvailable=1, unhealthyPodEvictionPolicy="Never"),
    "budget by no operator": _make(selector={"matchExpressions": [{"key": "a", "operator": "Is"}]}),
    "budget that changes": Request("PATCH", f"{BUDGETS}/b", {"spec": {"minAvailable": "50%"}}, MERGE),
    "eviction of nothing": _eviction(),
    "pod to evict": Request("POST", f"{CORE}/pods", _POD),
    "eviction of another": _eviction("other"),
    "eviction, dry": _eviction(deleteOptions={"dryRun": ["All"]}),
    "list of evictions": Request("GET", f"{CORE}/pods/evicted/eviction"),
    "eviction": _eviction(deleteOptions={"gracePeriodSeconds": 0}),
    "pod evicted": Request("GET", f"{CORE}/pods/evicted"),
    "delete budget": Request("DELETE", f"{BUDGETS}/b"),
    "quota": _quota("q", hard={"secrets": "10", "count/leases.coordination.k8s.io": "0.5k"}),
    "quota of nothing known": _quota("bad", hard={"apples": "1"}),
    "quota of parts": _quota("bad", hard={"pods": "1.5"}),
    "quota below nothing": _quota("bad", hard={"cpu": "-1"}),
    "quota of an odd name": _quota("bad", hard={"c p u": "1"}),
    "quota of an unknown scope": _quota("bad", hard={"pods": "1"}, scopes=["Some"]),
    "quota of opposites": _quota("bad", hard={"pods": "1"}, scopes=["BestEffort", "NotBestEffort"]),
    "quota of a scope for others": _quota("bad", hard={"cpu": "1"}, scopes=["BestEffort"]),
    "quota by priorities": _quota("qp", hard={"pods": "0"}, scopeSelector=_scoped("In", "nobodys")),
    "quota by no priorities": _quota("bad", hard={"pods": "1"}, scopeSelector=_scoped("In")),
    "quota by some operator": _quota("bad", hard={"pods": "1"}, scopeSelector=_scoped("Is", "a")),
    "quota that rescopes": Request("PATCH", f"{QUOTAS}/q", {"spec": {"scopes": ["BestEffort"]}}, MERGE),
    "quota that grows": Request("PATCH", f"{QUOTAS}/q", {"spec": {"hard": {"secrets": "11"}}}, MERGE),
    "delete quota": Request("DELETE", f"{QUOTAS}/q"),
    "delete quota by priorities": Request("DELETE", f"{QUOTAS}/qp"),
    "limit range": _limits("l", {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}),
    "limit range of a type nobody knows": _limits("bad", {"type": "Car", "max": {"cpu": "2"}}),
    "limit range of two of a type": _limits("bad", {"type": "Pod"}, {"type": "Pod"}),
    "limit range of pods with defaults": _limits("bad", {"type": "Pod", "default": {"cpu": "1"}}),
    "limit range upside down": _limits("bad", {"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}}),
    "limit range below their default": _limits(
        "bad", {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "2"}}
    ),
    "limit range of a ratio below one": _limits(
        "bad", {"type": "Pod", "maxLimitRequestRatio": {"cpu": "0.5"}}
    ),
    "limit range of no storage": _limits("bad", {"type": "PersistentVolumeClaim"}),
    "limit range of apples": _limits("bad", {"type": "Container", "max": {"apples": "1"}}),
    "limit range as a table": Request("GET", LIMITS, accept=TABLE),
    "pod that is completed": _pod("limited", {"requests": {"memory": "2Mi"}}),
    "pod beyond its limits": _pod("bad", {"requests": {"memory": "2Mi"}, "limits": {"cpu": "3"}}),
    "pod below its limits": _pod("bad", {"requests": {"memory": "1k"}}),
    "delete limit range": Request("DELETE", f"{LIMITS}/l"),
    "priority": _priority("zz-high", value=1000),
    "priority as a table": Request("GET", f"{PRIORITIES}?fieldSelector=metadata.name=zz-high", accept=TABLE),
    "priority too high": _priority("bad", value=2_000_000_000),
    "priority of the system": _priority("system-mine", value=5),
    "priority that preempts somehow": _priority("bad", value=5, preemptionPolicy="Some"),
    "priority that changes": Request("PATCH", f"{PRIORITIES}/zz-high", {"value": 5}, MERGE),
    "priority that preempts no more": Request(
        "PATCH", f"{PRIORITIES}/zz-high", {"preemptionPolicy": "Never"}, MERGE
    ),
    "priority of the system, as it is": Request("GET", f"{PRIORITIES}/system-node-critical"),
    "default priority": _priority("zz-usual", value=7, globalDefault=True),
    "second default priority": _priority("bad", value=7, globalDefault=True),
    "pod of the default priority": _pod("usual"),
    "pod of a priority": _pod("high", priorityClassName="zz-high"),
    "pod of a priority nobody knows": _pod("bad", priorityClassName="nobodys"),
    "pod of another priority": _pod("bad", priority=3),
    "delete priority": Request("DELETE", f"{PRIORITIES}/zz-high"),
    "delete default priority": Request("DELETE", f"{PRIORITIES}/zz-usual"),
    "runtime": _runtime("zz-slow", handler="slow", overhead={"podFixed": {"cpu": "10m"}}),
    "runtime by no handler": _runtime("bad"),
    "runtime by an odd handler": _runtime("bad", handler="A.b"),
    "runtime that changes": Request("PATCH", f"{RUNTIMES}/zz-slow", {"handler": "b"}, MERGE),
    "runtimes as a table": Request("GET", RUNTIMES, accept=TABLE),
    "pod of a runtime": _pod("slow", runtimeClassName="zz-slow"),
    "pod of a runtime nobody knows": _pod("bad", runtimeClassName="nobodys"),
    "delete runtime": Request("DELETE", f"{RUNTIMES}/zz-slow"),
}
