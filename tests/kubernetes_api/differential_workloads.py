"""Requests about workloads but Deployments, for a real API server and the embedded one."""

import copy
from typing import Any

from .differential_requests import APPS, CORE, MERGE, NS, TABLE, Request, _with

BATCH = f"/apis/batch/v1/namespaces/{NS}"
JOBS, CRON_JOBS = f"{BATCH}/jobs", f"{BATCH}/cronjobs"
_CONTAINER = {"name": "c", "image": "none.invalid/none:1"}
_POD = {"restartPolicy": "Never", "containers": [_CONTAINER]}
JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "j"},
    "spec": {"suspend": True, "template": {"spec": _POD}},
}
CRON_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "cj"},
    "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": _POD}}}},
}
STATEFUL, DAEMONS, REVISIONS = (
    f"{APPS}/{kind}" for kind in ("statefulsets", "daemonsets", "controllerrevisions")
)
_LASTING = {
    "selector": {"matchLabels": {"app": "s"}},
    "template": {"metadata": {"labels": {"app": "s"}}, "spec": {"containers": [_CONTAINER]}},
}
STATEFUL_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "ss"},
    "spec": {**_LASTING, "replicas": 0, "serviceName": "s"},
}
DAEMON_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "ds"},
    "spec": copy.deepcopy(_LASTING),
}
DAEMON_SET["spec"]["template"]["spec"]["nodeSelector"] = {"no": "node"}
SYSCTLS = {"sysctls": [{"name": each, "value": "1"} for each in ("a.b", "foo-", "", "a.b", "bar..", "c/d")]}
REVISION: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "ControllerRevision",
    "metadata": {"name": "r"},
    "data": {"a": 1},
    "revision": 3,
}
HPAS, OLD_HPAS = (
    f"/apis/autoscaling/{version}/namespaces/{NS}/horizontalpodautoscalers" for version in ("v2", "v1")
)
_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}
_IN_CRON = "spec.jobTemplate.spec"


def _job(name: str, path: str = "spec.suspend", value: Any = True) -> Request:
    return Request("POST", JOBS, _with(_with(JOB, "metadata.name", name), path, value))


def _spec(name: str, **spec: Any) -> Request:
    made = copy.deepcopy(JOB)
    made["metadata"]["name"] = name
    return Request("POST", JOBS, {**made, "spec": {**made["spec"], **spec}})


def _rule(**about: Any) -> dict[str, Any]:
    return {"action": "FailJob", **about}


def _failing(name: str, *rules: dict[str, Any]) -> Request:
    return _spec(name, podFailurePolicy={"rules": list(rules)})


def _restarting() -> dict[str, Any]:
    pod = {**_POD, "restartPolicy": "OnFailure"}
    policy = {"rules": [_rule(onExitCodes={"operator": "In", "values": [1]})]}
    return {"suspend": True, "template": {"spec": pod}, "podFailurePolicy": policy}


def _succeeding(name: str, *rules: dict[str, Any]) -> Request:
    return _spec(name, completionMode="Indexed", completions=5, successPolicy={"rules": list(rules)})


def _cron(name: str, path: str, value: Any) -> Request:
    return Request("POST", CRON_JOBS, _with(_with(CRON_JOB, "metadata.name", name), path, value))


def _set(name: str, path: str, value: Any) -> Request:
    return Request("POST", STATEFUL, _with(_with(STATEFUL_SET, "metadata.name", name), path, value))


def _daemon(name: str, path: str, value: Any) -> Request:
    return Request("POST", DAEMONS, _with(_with(DAEMON_SET, "metadata.name", name), path, value))


def _rolled(**rolling: Any) -> Request:
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return _daemon("bad", "spec.updateStrategy", strategy)


def _revision(name: str, path: str, value: Any) -> Request:
    return Request("POST", REVISIONS, _with(_with(REVISION, "metadata.name", name), path, value))


def _scaler(name: str, path: str = HPAS, **spec: Any) -> Request:
    body = {
        "apiVersion": "autoscaling/v2" if path == HPAS else "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"maxReplicas": 3, "scaleTargetRef": _TARGET, **spec},
    }
    return Request("POST", path, body)


def _measured(name: str, kind: str = "Resource", **metric: Any) -> Request:
    return _scaler(name, metrics=[{"type": kind, **metric}])


def _resource(kind: str = "Utilization", **target: Any) -> dict[str, Any]:
    return {"name": "memory", "target": {"type": kind, **target}}


def _changed(path: str, **spec: Any) -> Request:
    return Request("PATCH", path, {"spec": spec}, MERGE)


REQUESTS = {
    "job": Request("POST", JOBS, JOB),
    "job again": Request("POST", JOBS, JOB),
    "job as a table": Request("GET", JOBS, accept=TABLE),
    "job with labels": _job("jl", "spec.template.metadata", {"labels": {"a": "b"}}),
    "job with labels of its own": _job("jo", "metadata.labels", {"x": "y"}),
    "job of indexes": _spec("ji", completionMode="Indexed", completions=3, parallelism=2),
    "job that restarts for ever": _job("bad", "spec.template.spec.restartPolicy", "Always"),
    "job that restarts somehow": _job("bad", "spec.template.spec.restartPolicy", "Maybe"),
    "job without a policy": _job("bad", "spec.template.spec", {"containers": [_CONTAINER]}),
    "job of less than none": _spec("bad", completions=-1, parallelism=-1, backoffLimit=-1),
    "job of indexes without end": _spec("bad", completionMode="Indexed"),
    "job of a mode nobody knows": _spec("bad", completionMode="Some"),
    "job that picks": _spec("bad", selector={"matchLabels": {"a": "b"}}),
    "job by a selector of its own": _spec("jm", manualSelector=True, selector={"matchLabels": {"a": "b"}}),
    "job by no selector": _spec("bad", manualSelector=True),
    "job with another's label": _job("bad", "spec.template.metadata", {"labels": {"job-name": "x"}}),
    "job replaced as nobody does": _spec("bad", podReplacementPolicy="Never"),
    "job of failing indexes": _spec("bad", backoffLimitPerIndex=1, maxFailedIndexes=1),
    "job by exit codes": _failing("jf", _rule(onExitCodes={"operator": "In", "values": [1, 3]})),
    "job by conditions": _failing("jc", _rule(onPodConditions=[{"type": "DisruptionTarget"}])),
    "job by nothing": _failing("bad", {}),
    "job by both": _failing(
        "bad",
        _rule(
            onExitCodes={"operator": "In", "values": [0, 3, 3, 1]},
            onPodConditions=[{"type": "a b", "status": "Maybe"}],
        ),
    ),
    "job by what nobody does": _failing(
        "bad", {"action": "Sulk", "onExitCodes": {"operator": "Near", "containerName": "x", "values": []}}
    ),
    "job by an index it has not": _failing("bad", {"action": "FailIndex", "onPodConditions": []}),
    "job that restarts, by a policy": _job("bad", "spec", _restarting()),
    "job of enough indexes": _succeeding("js", {"succeededIndexes": "0,2-3", "succeededCount": 2}),
    "job of enough of no indexes": _succeeding("bad"),
    "job of enough of nothing": _succeeding("bad", {}),
    "job of more than enough": _succeeding(
        "bad",
        {"succeededCount": 9},
        {"succeededCount": 3, "succeededIndexes": "1,2"},
        *({"succeededIndexes": each} for each in ("2,1", "1-x", "7", "3-1", "1-2-3")),
    ),
    "job with dots": _job("a.b", "spec.suspend", True),
    "job with more to do": _changed(f"{JOBS}/j", completions=4),
    "job with more at once": _changed(f"{JOBS}/j", parallelism=3),
    "job of other indexes": _changed(f"{JOBS}/ji", completions=4),
    "job of other indexes in step": _changed(f"{JOBS}/ji", completions=4, parallelism=4),
    "job otherwise counted": _changed(f"{JOBS}/j", completionMode="Indexed"),
    "jobs by a field": Request("GET", f"{JOBS}?fieldSelector=status.successful=1"),
    "delete job": Request("DELETE", f"{JOBS}/j?propagationPolicy=Background"),
    "delete job, as it comes": Request("DELETE", f"{JOBS}/jl"),
    "cron job": Request("POST", CRON_JOBS, CRON_JOB),
    "cron jobs as a table": Request("GET", CRON_JOBS, accept=TABLE),
    "cron job of no fields": _cron("bad", "spec.schedule", "* *"),
    "cron job of too many minutes": _cron("bad", "spec.schedule", "61 * * * *"),
    "cron job without a schedule": _cron("bad", "spec.schedule", ""),
    "cron job by a name": _cron("cn", "spec.schedule", "@hourly"),
    "cron job by no name": _cron("bad", "spec.schedule", "@often"),
    "cron job with its zone inside": _cron("bad", "spec.schedule", "TZ=UTC 0 0 1 1 *"),
    "cron job in a zone": _cron("cz", "spec.timeZone", "Europe/Berlin"),
    "cron job in no zone": _cron("bad", "spec.timeZone", "Europe/Nowhere"),
    "cron job in an odd zone": _cron("bad", "spec.timeZone", "../UTC"),
    "cron job by no policy": _cron("bad", "spec.concurrencyPolicy", "Perhaps"),
    "cron job with a selector": _cron("bad", f"{_IN_CRON}.selector", {"matchLabels": {"a": "b"}}),
    "cron job that selects": _cron("bad", f"{_IN_CRON}.manualSelector", True),
    "cron job that restarts for ever": _cron("bad", f"{_IN_CRON}.template.spec.restartPolicy", "Always"),
    "cron job with a name too long": _cron("n" * 53, "spec.schedule", "@hourly"),
    "cron job of less than none": _cron("bad", "spec.failedJobsHistoryLimit", -1),
    "cron job paused": _changed(f"{CRON_JOBS}/cj", suspend=True),
    "delete cron job": Request("DELETE", f"{CRON_JOBS}/cj"),
    "pods of jobs": Request("GET", f"{CORE}/pods?labelSelector=job-name=j"),
    "stateful set": Request("POST", STATEFUL, STATEFUL_SET),
    "stateful sets as a table": Request("GET", STATEFUL, accept=TABLE),
    "stateful set without a selector": _set("bad", "spec.selector", {}),
    "stateful set of others": _set("bad", "spec.selector", {"matchLabels": {"app": "x"}}),
    "stateful set managed somehow": _set("bad", "spec.podManagementPolicy", "Some"),
    "stateful set in parallel": _set("sp", "spec.podManagementPolicy", "Parallel"),
    "stateful set updated somehow": _set("bad", "spec.updateStrategy", {"type": "Some"}),
    "stateful set by hand": _set("sh", "spec.updateStrategy", {"type": "OnDelete"}),
    "stateful set by hand and in parts": _set(
        "bad", "spec.updateStrategy", {"type": "OnDelete", "rollingUpdate": {"partition": 1}}
    ),
    "stateful set in parts": _set(
        "spart", "spec.updateStrategy", {"rollingUpdate": {"partition": 1, "maxUnavailable": 2}}
    ),
    "stateful set in less than no parts": _set(
        "bad", "spec.updateStrategy", {"rollingUpdate": {"partition": -1}}
    ),
    "stateful set of less than none": _set("bad", "spec.replicas", -1),
    "stateful set from below": _set("bad", "spec.ordinals", {"start": -1}),
    "stateful set from five": _set("s5", "spec.ordinals", {"start": 5}),
    "stateful set of a bad service": _set("bad", "spec.serviceName", "A.b"),
    "stateful set of a bad name": _set("a.b", "spec.replicas", 0),
    "stateful set that ends": _set("bad", "spec.template.spec.restartPolicy", "Never"),
    "stateful set kept somehow": _set(
        "bad", "spec.persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Burn"}
    ),
    "stateful set of more": _changed(f"{STATEFUL}/sp", minReadySeconds=3),
    "stateful set of another service": _changed(f"{STATEFUL}/ss", serviceName="t"),
    "scale of a stateful set": Request("GET", f"{STATEFUL}/ss/scale"),
    "delete stateful set": Request("DELETE", f"{STATEFUL}/ss"),
    "daemon set": Request("POST", DAEMONS, DAEMON_SET),
    "daemon sets as a table": Request("GET", DAEMONS, accept=TABLE),
    "daemon set of others": _daemon("bad", "spec.selector", {"matchLabels": {"app": "x"}}),
    "daemon set without a selector": _daemon("bad", "spec.selector", {}),
    "daemon set that ends": _daemon("bad", "spec.template.spec.restartPolicy", "Never"),
    "daemon set with an end": _daemon("bad", "spec.template.spec.activeDeadlineSeconds", 5),
    "daemon set with sysctls": _daemon("bad", "spec.template.spec.securityContext", SYSCTLS),
    "daemon set by hand": _daemon("dh", "spec.updateStrategy", {"type": "OnDelete"}),
    "daemon set of neither": _rolled(maxUnavailable=0, maxSurge=0),
    "daemon set of both": _rolled(maxUnavailable=1, maxSurge="10%"),
    "daemon set of more than all": _rolled(maxUnavailable="110%"),
    "daemon set of no share": _rolled(maxUnavailable="some"),
    "daemon set changed": _changed(f"{DAEMONS}/ds", template={"metadata": {"annotations": {"a": "b"}}}),
    "daemon set changed, not its template": _changed(f"{DAEMONS}/ds", minReadySeconds=3),
    "daemon set of another selector": _changed(f"{DAEMONS}/ds", selector={"matchLabels": {"b": "c"}}),
    "delete daemon set": Request("DELETE", f"{DAEMONS}/ds"),
    "revision": Request("POST", REVISIONS, REVISION),
    "revision of nothing": _revision("bad", "data", None),
    "revision below none": _revision("bad", "revision", -1),
    "revision that changes": Request("PATCH", f"{REVISIONS}/r", {"data": {"a": 2}}, MERGE),
    "revision as it is": Request("GET", f"{REVISIONS}/r"),
    "revision as a table": Request("GET", f"{REVISIONS}?labelSelector=!app", accept=TABLE),
    "delete revision": Request("DELETE", f"{REVISIONS}/r"),
    "scaler": _scaler("h"),
    "scaler as a table": Request("GET", f"{HPAS}?fieldSelector=metadata.name=h", accept=TABLE),
    "scaler as it was": Request("GET", f"{OLD_HPAS}/h"),
    "scaler of the old form": _scaler("ho", OLD_HPAS, targetCPUUtilizationPercentage=55),
    "scaler of the old form, new": Request("GET", f"{HPAS}/ho"),
    "scaler by memory": _measured("hm", resource=_resource(averageUtilization=70)),
    "scaler by memory, old": Request("GET", f"{OLD_HPAS}/hm"),
    "scaler that behaves": _scaler("hb", behavior={"scaleDown": {"stabilizationWindowSeconds": 5}}),
    "scaler of more than most": _scaler("bad", minReplicas=4),
    "scaler to nothing": _scaler("bad", minReplicas=0),
    "scaler of nothing": _scaler("bad", maxReplicas=0),
    "scaler for nobody": _scaler("bad", scaleTargetRef={"kind": "", "name": ""}),
    "scaler by something": _measured("bad", "Something"),
    "scaler by nothing": _measured("bad"),
    "scaler by two": _measured("bad", resource=_resource(averageUtilization=1, averageValue="1")),
    "scaler by less than none": _measured("bad", resource=_resource(averageUtilization=0)),
    "scaler by an odd target": _measured("bad", resource=_resource("Some", averageUtilization=1)),
    "scaler that waits for ever": _scaler("bad", behavior={"scaleUp": {"stabilizationWindowSeconds": 5000}}),
    "scaler without policies": _scaler("bad", behavior={"scaleUp": {"policies": []}}),
    "scaler by an odd policy": _scaler(
        "bad", behavior={"scaleUp": {"policies": [{"type": "Some", "value": 0, "periodSeconds": 9999}]}}
    ),
    "scaler changed": _changed(f"{HPAS}/h", maxReplicas=5),
    "scaler changed in the old form": _changed(f"{OLD_HPAS}/hm", maxReplicas=6),
    "delete scaler": Request("DELETE", f"{HPAS}/h"),
}
