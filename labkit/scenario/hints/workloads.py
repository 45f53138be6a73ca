"""What keeps pods from running, proxies from being beside them, and Services from finding them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.kube.api import Obj
from labkit.kube.conditions import is_true
from labkit.kube.proxies import proxy_of
from labkit.kube.resources import DEPLOYMENTS, SERVICES
from labkit.scenario import cast
from labkit.scenario.cast import Workload
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.place import has_lesson_settings
from labkit.scenario.shared_mesh import what_to_ask_for

INJECTION = "istio-injection"


def istio_faults(look: Look) -> Iterator[Fault]:
    """Parts of Istio that do not run."""
    for name, title in (("istiod", "istiod"), (cast.INGRESS.deployment, "The ingress gateway")):
        why = _not_running(look, cast.SYSTEM, name)
        if why:
            yield Fault(f"{title} {why}. `labkit istio install -y` sets it right.", 0, name, of_mesh=True)


def settings_faults(look: Look, *, egress: bool) -> Iterator[Fault]:
    """Where Istio runs in another way than the lesson's."""
    if look.deployment(cast.SYSTEM, "istiod") and not has_lesson_settings(look.api):
        yield Fault(
            what_to_ask_for(look.api)
            or "The mesh's settings are not those of the lesson (accessLogFile=/dev/stdout, REGISTRY_ONLY): "
            "`lab.istio_install()` sets them.",
            0,
        )
    why = _not_running(look, cast.SYSTEM, cast.EGRESS.deployment) if egress else ""
    if why:
        yield Fault(f"The egress gateway {why}. {_order(look)}", 5, cast.EGRESS.deployment)


def _order(look: Look) -> str:
    rules = [rule["metadata"]["name"] for rule in look.rules if cast.EGRESS.name in str(rule["spec"])]
    if not rules:
        return "Install it as this notebook shows, with `lab.istio_install(…)`, then apply both manifests."
    return (
        f"But {rules[0]} sends calls there already, so each of them fails: the gateway comes first, "
        "the rule last. Install it with `lab.istio_install(…)`."
    )


def _not_running(look: Look, namespace: str, name: str) -> str:
    deployment = look.deployment(namespace, name)
    if deployment is None:
        return "is not installed"
    if deployment["spec"].get("replicas", 1) == 0:
        return "is scaled to 0"
    pods = look.pods(namespace, deployment["spec"]["selector"]["matchLabels"])
    return "" if any(is_true(pod, "Ready") for pod in pods) else "has no pod that is ready"


def namespace_faults(look: Look, namespace: str, step: int) -> Iterator[Fault]:
    """Whether it is there, with the label that makes pods get a proxy."""
    found = look.namespace(namespace)
    if found is None:
        text = f"There is no namespace {namespace}: apply {_namespace_file(look, namespace)}."
        yield Fault(text, step, "")
    elif (found["metadata"].get("labels") or {}).get(INJECTION) != "enabled":
        yield Fault(
            f"The namespace {namespace} is not labelled {INJECTION}=enabled, so pods made there get no "
            f"proxy: `kubectl label namespace {namespace} {INJECTION}=enabled`. Where READY says 1/1 "
            "(1/1 means no proxy), delete the pod after that; injection happens when a pod is made.",
            step,
            "",
        )


def _namespace_file(look: Look, namespace: str) -> str:
    return "external-cluster-ns.yml" if namespace == look.learner.external else "dev-service-mesh-ns.yml"


def workload_faults(look: Look, workload: Workload, step: int, file: str) -> Iterator[Fault]:
    """Why a workload's pods do not run, or run without a proxy."""
    deployment = look.deployment(look.namespace_of(workload), workload.deployment)
    for text in _deployment_faults(look, workload, deployment, file):
        yield Fault(text, step, workload.deployment)


def _deployment_faults(look: Look, workload: Workload, found: Obj | None, file: str) -> Iterator[str]:
    name, namespace = workload.deployment, look.namespace_of(workload)
    if found is None:
        other = look.elsewhere(DEPLOYMENTS, namespace, name)
        where = f" It is in {other}, and belongs to {namespace}." if other else ""
        yield f"There is no Deployment {name} in {namespace}.{where} Apply {file}."
        return
    if found["spec"].get("replicas", 1) == 0:
        yield (
            f"{name} is scaled to 0, so nobody is there to answer: "
            f"`kubectl scale deployment {name} -n {namespace} --replicas 1`."
        )
        return
    pods = look.pods(namespace, found["spec"]["selector"]["matchLabels"])
    if not pods:
        why = _no_pods(found) or look.event_of("ReplicaSet", namespace, name)
        more = f"`kubectl describe deployment {name} -n {namespace}` says more."
        yield f"{name} has no pod yet{f': {why}' if why else ''}. {more}"
    for pod in pods:
        yield from _pod_faults(look, pod)


def _no_pods(deployment: Obj) -> str:
    conditions = (deployment.get("status") or {}).get("conditions") or []
    failed = (c for c in conditions if c["type"] == "ReplicaFailure" and c["status"] == "True")
    return next((str(c.get("message")) for c in failed), "")


def _pod_faults(look: Look, pod: Obj) -> Iterator[str]:
    metadata = pod["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    for container, waiting in _waiting(pod):
        why = look.event_of("Pod", namespace, name) or waiting.get("message") or "no further message"
        reason = waiting.get("reason")
        cure = _cure(waiting, f"kubectl logs {name} -c {container} -n {namespace} --previous")
        yield f"The container {container} of pod {name} is in {reason}: {why.rstrip('.')}. {cure}"
    if proxy_of(pod) is None and (pod.get("status") or {}).get("podIP"):
        yield (
            f"The pod {name} has no proxy (1/1 means no proxy): it was made before its namespace had the "
            f"label {INJECTION}=enabled. `kubectl delete pod {name} -n {namespace}`; the next gets one."
        )
    elif not is_true(pod, "Ready"):
        yield f"The pod {name} is not ready yet. `kubectl describe pod {name} -n {namespace}` says why."


def _waiting(pod: Obj) -> list[tuple[str, dict[str, Any]]]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    found = [(one["name"], (one.get("state") or {}).get("waiting")) for one in statuses]
    return [(name, state) for name, state in found if state and state.get("reason") not in _STARTING]


_STARTING = ("ContainerCreating", "PodInitializing", None)


def _cure(waiting: dict[str, Any], log: str) -> str:
    if "Image" in str(waiting.get("reason")):
        return "Check the image's name in the Deployment."
    return f"Its log says why: `{log}`."


def service_faults(look: Look, workload: Workload, step: int, file: str) -> Iterator[Fault]:
    """Why the Service in front of a workload leads nowhere."""
    name, namespace = workload.hosts[0], look.namespace_of(workload)
    service = look.find(SERVICES, namespace, name)
    if service is None:
        other = look.elsewhere(SERVICES, namespace, name)
        where = f" It is in {other}, and belongs to {namespace}." if other else ""
        yield Fault(f"There is no Service {name} in {namespace}.{where} Apply {file}.", step)
        return
    yield from (Fault(text, step) for text in _selection(look, service, workload, file))
    yield from (Fault(text, step) for text in _ports(look, service, workload, file))


def _selection(look: Look, service: Obj, workload: Workload, file: str) -> Iterator[str]:
    selector = service["spec"].get("selector") or {}
    labels, namespace = {"app": workload.app}, look.namespace_of(workload)
    if look.pods(namespace, labels) and not look.pods(namespace, selector):
        yield (
            f"The Service {workload.hosts[0]} selects {_pairs(selector)}, and no pod has these labels; "
            f"those of {workload.title} have {_pairs(labels)}. Apply {file} again."
        )
    strange = [pod["metadata"]["name"] for pod in look.pods(namespace, selector)]
    strange = [name for name in strange if not name.startswith(f"{workload.deployment}-")]
    if selector and strange and look.pods(namespace, labels | selector):
        yield (
            f"The Service {workload.hosts[0]} also selects the pod {strange[0]}, which is none of "
            f"{workload.deployment}: two Deployments must not share the labels {_pairs(selector)}."
        )
    elif not look.pods(namespace, labels | selector) and look.pods(namespace, selector):
        others = f"those are not {workload.title}'s pods. Apply {file} again."
        yield f"The Service {workload.hosts[0]} selects {_pairs(selector)}: {others}"


def _ports(look: Look, service: Obj, workload: Workload, file: str) -> Iterator[str]:
    name = workload.hosts[0]
    ports = {
        port["port"]: port.get("targetPort", port["port"]) for port in service["spec"].get("ports") or []
    }
    if 80 not in ports:
        yield f"The Service {name} has no port 80, only {_all(ports)}. Apply {file} again."
        return
    known = _container_ports(look, workload)
    if known and ports[80] not in known:
        yield (
            f"The Service {name} sends port 80 on to {ports[80]}, where nothing listens: "
            f"{workload.title} has {_all(known)}. Apply {file} again."
        )


def _container_ports(look: Look, workload: Workload) -> list[int | str]:
    pods = look.pods(look.namespace_of(workload), {"app": workload.app})
    ports = [p for pod in pods for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    apps = [p for p in ports if "envoy" not in str(p.get("name", ""))]
    return list(dict.fromkeys(v for p in apps for v in (p["containerPort"], p.get("name")) if v))


def _pairs(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "nothing"


def _all(values: Any) -> str:
    return ", ".join(map(str, values)) or "none"
