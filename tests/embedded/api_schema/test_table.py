"""The columns and words of ``kubectl get``."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.common.durations import human_duration
from labkit.embedded.api.objects.table import to_table

REGISTRY = catalogue.registry()

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


def at(seconds_ago: float) -> str:
    return (NOW - dt.timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(resource: str, obj: dict[str, Any]) -> dict[str, Any]:
    """The cells of *obj* by column name."""
    obj["metadata"] = {"name": "x", "creationTimestamp": at(5), **obj.get("metadata", {})}
    table = to_table([obj], REGISTRY[resource], now=NOW)
    names = [column["name"] for column in table["columnDefinitions"]]
    assert len(names) == len(table["rows"][0]["cells"])
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR + 5 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3 * HOUR, "2d3h"),
        (8 * DAY + 3 * HOUR, "8d"),
        (729 * DAY, "729d"),
        (730 * DAY, "2y"),
        (733 * DAY, "2y3d"),
        (8 * 365 * DAY, "8y"),
    ],
)
def test_durations_read_as_kubectl_prints_them(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


def pod(*statuses: dict[str, Any], phase: str = "Running", **rest: Any) -> dict[str, Any]:
    status = {"phase": phase, "containerStatuses": list(statuses), **rest.pop("status", {})}
    containers = [{"name": f"c{i}"} for i in range(max(len(statuses), 1))]
    return {"spec": {"containers": containers, **rest.pop("spec", {})}, "status": status, **rest}


def container(
    state: str, reason: str = "", *, restarts: int = 0, ended: str = "", **more: Any
) -> dict[str, Any]:
    detail = {"reason": reason} if reason else {}
    status = {"ready": state == "running", "restartCount": restarts, "state": {state: detail | more}}
    return status | ({"lastState": {"terminated": {"finishedAt": ended}}} if ended else {})


@pytest.mark.parametrize(
    ("obj", "ready", "status", "restarts"),
    [
        (pod(container("running"), container("running")), "2/2", "Running", "0"),
        (pod(phase="Pending"), "0/1", "Pending", "0"),
        (pod(container("waiting", "ErrImagePull"), phase="Pending"), "0/1", "ErrImagePull", "0"),
        (
            pod(container("waiting", "CrashLoopBackOff", restarts=3, ended=at(30))),
            "0/1",
            "CrashLoopBackOff",
            "3 (30s ago)",
        ),
        (pod(container("terminated", "Completed"), phase="Succeeded"), "0/1", "Completed", "0"),
        (pod(container("terminated", exitCode=2), phase="Failed"), "0/1", "ExitCode:2", "0"),
        (pod(container("terminated", signal=9), phase="Failed"), "0/1", "Signal:9", "0"),
        (pod(container("running"), container("terminated", "Completed")), "1/2", "NotReady", "0"),
        (
            pod(container("running"), metadata={"deletionTimestamp": at(0)}),
            "1/1",
            "Terminating",
            "0",
        ),
        (
            pod(
                phase="Pending",
                spec={"initContainers": [{"name": "i"}]},
                status={
                    "initContainerStatuses": [{"name": "i", "state": {"running": {}}, "restartCount": 0}]
                },
            ),
            "0/1",
            "Init:0/1",
            "0",
        ),
        (
            pod(
                container("running"),
                spec={"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]},
                status={
                    "initContainerStatuses": [
                        {"name": "proxy", "started": True, "ready": True, "state": {"running": {}}}
                    ]
                },
            ),
            "2/2",
            "Running",
            "0",
        ),
        (pod(status={"reason": "Evicted"}, phase="Failed"), "0/1", "Evicted", "0"),
    ],
)
def test_pod_status(obj: dict[str, Any], ready: str, status: str, restarts: str) -> None:
    shown = row("pods", obj)
    assert (shown["Ready"], shown["Status"], shown["Restarts"]) == (ready, status, restarts)
    assert shown["Age"] == "5s"


def test_wide_pod_columns_have_priority_one() -> None:
    wide = [column.name for column in catalogue.of(REGISTRY["pods"]).columns if column.priority]
    assert wide == ["IP", "Node", "Nominated Node", "Readiness Gates"]
    shown = row("pods", pod(status={"podIPs": [{"ip": "127.42.0.5"}]}, spec={"nodeName": "lab"}))
    assert [shown[name] for name in wide] == ["127.42.0.5", "lab", "<none>", "<none>"]


def test_deployments() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    shown = row("deployments.apps", {"spec": spec, "status": {"readyReplicas": 1, "updatedReplicas": 2}})
    assert (shown["Ready"], shown["Up-to-date"], shown["Available"]) == ("1/2", 2, 0)
    assert (shown["Containers"], shown["Images"], shown["Selector"]) == ("a,b", "a:1,b:2", "app=x")


def test_services() -> None:
    spec = {
        "type": "LoadBalancer",
        "clusterIP": "127.10.0.1",
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}],
    }
    shown = row("services", {"spec": spec})
    assert shown["External-IP"] == "<pending>"
    assert shown["Port(s)"] == "80:30080/TCP,443/TCP"
    assert shown["Selector"] == "<none>"
    balanced = {"spec": spec, "status": {"loadBalancer": {"ingress": [{"ip": "127.42.255.1"}]}}}
    assert row("services", balanced)["External-IP"] == "127.42.255.1"


def test_nodes() -> None:
    labels = {"node-role.kubernetes.io/master": "", "node-role.kubernetes.io/control-plane": ""}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1"}}
    shown = row("nodes", {"metadata": {"labels": labels}, "status": status, "spec": {"unschedulable": True}})
    assert (shown["Status"], shown["Roles"]) == ("Ready,SchedulingDisabled", "control-plane,master")


def test_istio_kinds_print_their_lists_as_json() -> None:
    spec = {"hosts": ["a", "b"], "gateways": ["gw"]}
    shown = row("virtualservices.networking.istio.io", {"spec": spec})
    assert list(shown) == ["Name", "Gateways", "Hosts", "Age"]
    assert (shown["Gateways"], shown["Hosts"], shown["Age"]) == ('["gw"]', '["a","b"]', "5s")
    assert row("virtualservices.networking.istio.io", {"spec": {"hosts": ["a"]}})["Gateways"] is None
    assert list(row("gateways.networking.istio.io", {"spec": {}})) == ["Name", "Age"]


def test_endpoints_show_three_and_count_the_rest() -> None:
    addresses = [{"ip": f"127.42.0.{i}"} for i in range(5)]
    shown = row("endpoints", {"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]})
    assert shown["Endpoints"] == "127.42.0.0:80,127.42.0.1:80,127.42.0.2:80 + 2 more..."
    assert row("endpoints", {})["Endpoints"] == "<none>"


def test_events() -> None:
    event = {
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
        "type": "Warning",
        "reason": "BackOff",
        "message": " Back-off ",
        "count": 4,
        "firstTimestamp": at(600),
        "lastTimestamp": at(60),
        "source": {"component": "kubelet", "host": "lab"},
    }
    shown = row("events", event)
    assert (shown["Last Seen"], shown["First Seen"], shown["Count"]) == ("60s", "10m", 4)
    assert (shown["Object"], shown["Message"], shown["Source"]) == ("pod/p", "Back-off", "kubelet, lab")


def test_roles_say_when_they_were_created() -> None:
    assert list(row("roles.rbac.authorization.k8s.io", {})) == ["Name", "Created At"]


def test_a_watch_sends_its_headers_once() -> None:
    objects = [{"metadata": {"name": "x"}}]
    assert to_table(objects, REGISTRY["configmaps"], headers=False)["columnDefinitions"] == []


def test_rows_carry_what_was_asked_for() -> None:
    obj = {"metadata": {"name": "x"}, "data": {"a": "1"}}
    kinds = {
        include: to_table([obj], REGISTRY["configmaps"], include=include)["rows"][0].get("object")
        for include in ("Metadata", "Object", "None")
    }
    assert kinds["Metadata"]["kind"] == "PartialObjectMetadata"
    assert kinds["Object"] == obj
    assert kinds["None"] is None
