"""What keeps pods from running, proxies from being beside them, and Services from finding them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.kube.api.api import Obj
from labkit.kube.api.conditions import is_true
from labkit.kube.api.resources import DEPLOYMENTS, SERVICES
from labkit.kube.proxies.proxies import proxy_of
from labkit.language import gettext
from labkit.scenario import cast
from labkit.scenario.cast import Workload
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.place import has_lesson_settings
from labkit.scenario.shared_mesh import what_to_ask_for

INJECTION = "istio-injection"


def istio_faults(look: Look) -> Iterator[Fault]:
    """Parts of Istio that do not run."""
    for name, title in (("istiod", "istiod"), (cast.INGRESS.deployment, gettext("The ingress gateway"))):
        why = _not_running(look, cast.SYSTEM, name)
        if why:
            yield Fault(
                gettext("{title} {why}. `labkit istio install -y` sets it right.", title=title, why=why),
                0,
                name,
                of_mesh=True,
            )


def settings_faults(look: Look, *, egress: int | None) -> Iterator[Fault]:
    """Where Istio runs in another way than the lesson's.

    egress: the step that has brought the egress gateway, if one has.
    """
    if look.deployment(cast.SYSTEM, "istiod") and not has_lesson_settings(look.api):
        yield Fault(
            what_to_ask_for(look.api)
            or gettext(
                "The mesh's settings are not those of the lesson (accessLogFile=/dev/stdout, "
                "REGISTRY_ONLY): `lab.istio_install()` sets them."
            ),
            0,
        )
    why = _not_running(look, cast.SYSTEM, cast.EGRESS.deployment) if egress is not None else ""
    if why and egress is not None:
        yield Fault(
            gettext("The egress gateway {why}. {order}", why=why, order=_order(look)),
            egress,
            cast.EGRESS.deployment,
        )


def _order(look: Look) -> str:
    rules = [rule["metadata"]["name"] for rule in look.rules if cast.EGRESS.name in str(rule["spec"])]
    if not rules:
        return gettext(
            "Install it as this notebook shows, with `lab.istio_install(…)`, then apply both manifests."
        )
    return gettext(
        "But {rules} sends calls there already, so each of them fails: the gateway comes "
        "first, the rule last. Install it with `lab.istio_install(…)`.",
        rules=rules[0],
    )


def _not_running(look: Look, namespace: str, name: str) -> str:
    deployment = look.deployment(namespace, name)
    if deployment is None:
        return gettext("is not installed")
    if deployment["spec"].get("replicas", 1) == 0:
        return gettext("is scaled to 0")
    pods = look.pods(namespace, deployment["spec"]["selector"]["matchLabels"])
    return "" if any(is_true(pod, "Ready") for pod in pods) else gettext("has no pod that is ready")


def namespace_faults(look: Look, namespace: str, step: int, file: str) -> Iterator[Fault]:
    """Whether it is there, with the label that makes pods get a proxy."""
    found = look.namespace(namespace)
    if found is None:
        text = gettext(
            "There is no namespace {namespace}: apply {namespace_file}.",
            namespace=namespace,
            namespace_file=file,
        )
        yield Fault(text, step, "")
    elif (found["metadata"].get("labels") or {}).get(INJECTION) != "enabled":
        yield Fault(
            gettext(
                "The namespace {namespace} is not labelled {injection}=enabled, so pods made there "
                "get no proxy: `kubectl label namespace {namespace} {injection}=enabled`. Where "
                "READY says 1/1 (1/1 means no proxy), delete the pod after that; injection happens "
                "when a pod is made.",
                namespace=namespace,
                injection=INJECTION,
            ),
            step,
            "",
        )


def workload_faults(look: Look, workload: Workload, step: int, file: str) -> Iterator[Fault]:
    """Why a workload's pods do not run, or run without a proxy."""
    deployment = look.deployment(look.namespace_of(workload), workload.deployment)
    for text in _deployment_faults(look, workload, deployment, file):
        yield Fault(text, step, workload.deployment)


def _deployment_faults(look: Look, workload: Workload, found: Obj | None, file: str) -> Iterator[str]:
    name, namespace = workload.deployment, look.namespace_of(workload)
    if found is None:
        other = look.elsewhere(DEPLOYMENTS, namespace, name)
        where = (
            gettext(" It is in {other}, and belongs to {namespace}.", other=other, namespace=namespace)
            if other
            else ""
        )
        yield gettext(
            "There is no Deployment {name} in {namespace}.{where} Apply {file}.",
            name=name,
            namespace=namespace,
            where=where,
            file=file,
        )
        return
    if found["spec"].get("replicas", 1) == 0:
        yield (
            gettext(
                "{name} is scaled to 0, so nobody is there to answer: `kubectl scale deployment "
                "{name} -n {namespace} --replicas 1`.",
                name=name,
                namespace=namespace,
            )
        )
        return
    pods = look.pods(namespace, found["spec"]["selector"]["matchLabels"])
    if not pods:
        why = _no_pods(found) or look.event_of("ReplicaSet", namespace, name)
        more = gettext(
            "`kubectl describe deployment {name} -n {namespace}` says more.", name=name, namespace=namespace
        )
        yield (
            gettext("{name} has no pod yet: {why}. {more}", name=name, why=why, more=more)
            if why
            else gettext("{name} has no pod yet. {more}", name=name, more=more)
        )
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
        why = look.event_of("Pod", namespace, name) or waiting.get("message") or gettext("no further message")
        reason = waiting.get("reason")
        cure = _cure(waiting, f"kubectl logs {name} -c {container} -n {namespace} --previous")
        yield gettext(
            "The container {container} of pod {name} is in {reason}: {why}. {cure}",
            container=container,
            name=name,
            reason=reason,
            why=why.rstrip("."),
            cure=cure,
        )
    if proxy_of(pod) is None and (pod.get("status") or {}).get("podIP"):
        yield (
            gettext(
                "The pod {name} has no proxy (1/1 means no proxy): it was made before its namespace "
                "had the label {injection}=enabled. `kubectl delete pod {name} -n {namespace}`; the "
                "next gets one.",
                name=name,
                injection=INJECTION,
                namespace=namespace,
            )
        )
    elif not is_true(pod, "Ready"):
        yield gettext(
            "The pod {name} is not ready yet. `kubectl describe pod {name} -n {namespace}` says why.",
            name=name,
            namespace=namespace,
        )


def _waiting(pod: Obj) -> list[tuple[str, dict[str, Any]]]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    found = [(one["name"], (one.get("state") or {}).get("waiting")) for one in statuses]
    return [(name, state) for name, state in found if state and state.get("reason") not in _STARTING]


_STARTING = ("ContainerCreating", "PodInitializing", None)


def _cure(waiting: dict[str, Any], log: str) -> str:
    if "Image" in str(waiting.get("reason")):
        return gettext("Check the image's name in the Deployment.")
    return gettext("Its log says why: `{log}`.", log=log)


def service_faults(look: Look, workload: Workload, step: int, file: str) -> Iterator[Fault]:
    """Why the Service in front of a workload leads nowhere."""
    name, namespace = workload.hosts[0], look.namespace_of(workload)
    service = look.find(SERVICES, namespace, name)
    if service is None:
        other = look.elsewhere(SERVICES, namespace, name)
        where = (
            gettext(" It is in {other}, and belongs to {namespace}.", other=other, namespace=namespace)
            if other
            else ""
        )
        yield Fault(
            gettext(
                "There is no Service {name} in {namespace}.{where} Apply {file}.",
                name=name,
                namespace=namespace,
                where=where,
                file=file,
            ),
            step,
        )
        return
    yield from (Fault(text, step) for text in _selection(look, service, workload, file))
    yield from (Fault(text, step) for text in _ports(look, service, workload, file))


def _selection(look: Look, service: Obj, workload: Workload, file: str) -> Iterator[str]:
    selector = service["spec"].get("selector") or {}
    labels, namespace = {"app": workload.app}, look.namespace_of(workload)
    if look.pods(namespace, labels) and not look.pods(namespace, selector):
        yield (
            gettext(
                "The Service {hosts} selects {pairs}, and no pod has these labels; those of "
                "{workload} have {labels}. Apply {file} again.",
                hosts=workload.hosts[0],
                pairs=_pairs(selector),
                workload=workload.title,
                labels=_pairs(labels),
                file=file,
            )
        )
    strange = [pod["metadata"]["name"] for pod in look.pods(namespace, selector)]
    ours = tuple(f"{deployment}-" for deployment in workload.deployments)
    strange = [name for name in strange if not name.startswith(ours)]
    if selector and strange and look.pods(namespace, labels | selector):
        yield (
            gettext(
                "The Service {hosts} also selects the pod {strange}, which is none of {deployment}: "
                "two Deployments must not share the labels {pairs}.",
                hosts=workload.hosts[0],
                strange=strange[0],
                deployment=workload.deployment,
                pairs=_pairs(selector),
            )
        )
    elif not look.pods(namespace, labels | selector) and look.pods(namespace, selector):
        others = gettext(
            "those are not {workload}'s pods. Apply {file} again.", workload=workload.title, file=file
        )
        yield gettext(
            "The Service {hosts} selects {pairs}: {others}",
            hosts=workload.hosts[0],
            pairs=_pairs(selector),
            others=others,
        )


def _ports(look: Look, service: Obj, workload: Workload, file: str) -> Iterator[str]:
    name = workload.hosts[0]
    ports = {
        port["port"]: port.get("targetPort", port["port"]) for port in service["spec"].get("ports") or []
    }
    if 80 not in ports:
        yield gettext(
            "The Service {name} has no port 80, only {all}. Apply {file} again.",
            name=name,
            all=_all(ports),
            file=file,
        )
        return
    known = _container_ports(look, workload)
    if known and ports[80] not in known:
        yield (
            gettext(
                "The Service {name} sends port 80 on to {ports}, where nothing listens: {workload} "
                "has {all}. Apply {file} again.",
                name=name,
                ports=ports[80],
                workload=workload.title,
                all=_all(known),
                file=file,
            )
        )


def _container_ports(look: Look, workload: Workload) -> list[int | str]:
    pods = look.pods(look.namespace_of(workload), {"app": workload.app})
    ports = [p for pod in pods for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    apps = [p for p in ports if "envoy" not in str(p.get("name", ""))]
    return list(dict.fromkeys(v for p in apps for v in (p["containerPort"], p.get("name")) if v))


def _pairs(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or gettext("nothing")


def _all(values: Any) -> str:
    return ", ".join(map(str, values)) or gettext("none")
