"""Requests about PodDisruptionBudgets and evictions, for a real API server and the embedded one."""

from typing import Any

from .differential_requests import CORE, MERGE, NS, TABLE, Request

BUDGETS = f"/apis/policy/v1/namespaces/{NS}/poddisruptionbudgets"
_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "evicted"},
    "spec": {"containers": [{"name": "c", "image": "none.invalid/none:1"}]},
}


def _budget(name: str = "b", **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "nobody"}}
    header = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
    return {**header, "spec": {"selector": selector, **spec}}


def _make(**spec: Any) -> Request:
    return Request("POST", BUDGETS, _budget("bad", **spec))


def _eviction(name: str = "evicted", **fields: Any) -> Request:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, **fields}
    return Request("POST", f"{CORE}/pods/evicted/eviction", body)


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
}
