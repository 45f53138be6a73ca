"""Ways of looking at a lab, for checks: each gives one finding, by what was observed.

For the promises of :mod:`labkit.scenario.promises`, and for functions in a scenario's ``checks.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from labkit.errors import LabkitError
from labkit.language import gettext, ngettext
from labkit.scenario.cast import INGRESS, SYSTEM, Workload
from labkit.scenario.checks import Finding, Observer
from labkit.traffic.split import Split

if TYPE_CHECKING:
    import pandas as pd

    from labkit.traffic.curl import Answer


def prepared(lab: Observer) -> Iterator[Finding]:
    """Nodes are ready, Istio runs, and pods made at home get a proxy."""
    nodes = lab.nodes()
    states = dict(zip(nodes["name"], nodes["status"], strict=True))
    ready = [status for status in states.values() if str(status).split(",")[0] == "Ready"]
    yield Finding(gettext("Every node is Ready"), bool(states) and len(ready) == len(states), _states(states))
    yield all_pods_run(lab, SYSTEM, ("istiod", INGRESS.deployment))
    yield _injects(lab)


def _states(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in found.items()) or gettext("none")


def _injects(lab: Observer) -> Finding:
    promise = gettext("A pod made in {home} gets a proxy (tried in a dry run)", home=lab.learner.home)
    hint = gettext("Make the namespace {home} and label it istio-injection=enabled.", home=lab.learner.home)
    try:
        injected = lab.gets_proxy(lab.learner.home)
    except LabkitError as refused:  # nobody there to inject
        return Finding(promise, False, str(refused), hint)
    return Finding(
        promise, injected, gettext("the sidecar is there") if injected else gettext("no sidecar"), hint
    )


def counted(shares: Split) -> str:
    """``150 × Catalogue v1, 150 × Catalogue v2``."""
    return ", ".join(f"{count} × {name}" for name, count in shares.counts.items()) or gettext("nothing")


def ask(lab: Observer, path: str, headers: Mapping[str, str] | None = None) -> Answer | LabkitError:
    """The answer to one request, or why there is none."""
    try:
        return lab.curl(path, headers=headers) if headers else lab.curl(path)
    except LabkitError as error:
        return error


def answers(lab: Observer, promise: str, answer: Answer | LabkitError, *texts: str) -> Finding:
    """Whether *answer* is one of *texts*, word for word."""
    return answers_so(lab, promise, answer, lambda it: it.text in texts)


def answers_so(
    lab: Observer, promise: str, answer: Answer | LabkitError, right: Callable[[Answer], bool]
) -> Finding:
    """Whether *answer* is *right*."""
    if isinstance(answer, LabkitError):
        return Finding(promise, False, str(answer), usually(lab, 0, str(answer)))
    seen = answer.text or gettext("HTTP {status} with no body", status=answer.status)
    return Finding(promise, right(answer), seen, usually(lab, answer.status, answer.text))


def only(lab: Observer, answers: pd.DataFrame, texts: set[str]) -> Finding:
    """Whether all answers are among *texts*."""
    bodies = answers["body"].astype("str")
    others = answers[~bodies.isin(list(texts))]
    promise = gettext("All {count} answers are as the step promises", count=len(answers))
    if others.empty:
        return Finding(promise, True, gettext("{count} of {total}", count=len(answers), total=len(answers)))
    first = others.iloc[0]
    status = int(first["status"]) if first["status"] == first["status"] and first["status"] else 0
    text = str(first["body"]) or str(first["error"])
    shown = text or f"HTTP {status}"
    return Finding(
        promise,
        False,
        gettext("{count} differ, such as: {text}", count=len(others), text=shown),
        usually(lab, status, text),
    )


def went_to(lab: Observer, answer: Answer | LabkitError, sender: Workload, target: Workload) -> Finding:
    """Whether the proxy of *sender* wrote that it sent the request to *target*."""
    promise = gettext(
        "The proxy of {sender} sent the request to {target}", sender=sender.title, target=target.title
    )
    if isinstance(answer, LabkitError):
        return Finding(promise, False, gettext("there was no answer"))
    log = lab.access_log(sender.name, of=answer)
    clusters = [str(cluster) for cluster in log["upstream_cluster"].dropna() if "inbound|" not in cluster]
    holds = any(f"||{host}." in cluster for host in target.hosts for cluster in clusters)
    return Finding(
        promise,
        holds,
        gettext("{clusters} in its access log", clusters=", ".join(clusters) or gettext("no line")),
    )


def arrived_at(lab: Observer, answer: Answer | LabkitError, target: Workload) -> Finding:
    """Whether the proxy of *target* wrote a line about the request."""
    promise = gettext("The proxy of {target} logged it", target=target.title)
    if isinstance(answer, LabkitError):
        return Finding(promise, False, gettext("there was no answer"))
    count = lines_of(lab, target, answer)
    return Finding(promise, count > 0, gettext("{lines} of this request", lines=count_of(count)))


def count_of(lines: int) -> str:
    """``3 lines``."""
    if not lines:
        return gettext("no lines")
    return ngettext("{number} line", "{number} lines", lines)


def lines_of(lab: Observer, target: Workload, of: Answer | pd.DataFrame) -> int:
    """How many lines the proxies of *target* wrote about these requests."""
    return len(lab.access_log(target.name, of=of))


def all_pods_run(lab: Observer, namespace: str, names: tuple[str, ...], ready: str = "") -> Finding:
    """Whether the pods of the Deployments *names* run, and all of them with so many *ready* (``2/2``)."""
    promise = (
        gettext("The pods of {names} run, {ready}", names=", ".join(names), ready=ready)
        if ready
        else gettext("The pods of {names} run", names=", ".join(names))
    )
    pods = lab.pods(namespace)
    seen = {
        str(pod["name"]): f"{pod['ready']} {pod['status']}"
        for _, pod in pods.iterrows()
        if str(pod["name"]).startswith(names)
    }
    running = [name for name, state in seen.items() if _runs(state, ready)]
    all_there = all(any(pod.startswith(name) for pod in running) for name in names)
    holds = all_there and len(running) == len(seen)
    hint = (
        ""
        if all_there
        else gettext("Apply the manifest, or wait: `kubectl get pods -n {namespace}`.", namespace=namespace)
    )
    if ready == "2/2" and any(state.startswith("1/1") for state in seen.values()):
        hint = gettext(
            "1/1 means no proxy: label the namespace ({namespace}, istio-injection=enabled), "
            "then delete the pod; injection happens when a pod is made.",
            namespace=namespace,
        )
    return Finding(promise, holds, _states(seen) if seen else gettext("no pod"), hint, workloads=names)


def _runs(state: str, ready: str) -> bool:
    count, status = state.split(" ", 1)
    here, of = count.split("/")
    return status == "Running" and here == of and (not ready or count == ready)


def usually(lab: Observer, status: int, text: str) -> str:
    """What most often is behind such an answer: as the scenario says, else as proxies answer anywhere."""
    scenario = lab.learner.scenario
    for each in scenario.usual:
        if each.contains in text:
            return scenario.said(each.hint)
    if "502 Bad Gateway" in text:
        return gettext(
            "A 502 from the caller's own proxy: the host is not in the mesh's registry (REGISTRY_ONLY)."
        )
    if "503 Service Unavailable" in text or status == 503:
        return gettext(
            "A proxy found nobody to send it to: are the pods ready, does the Service select them?"
        )
    if status == 404:
        return gettext("The gateway knows no route for this path: apply the Gateway and the VirtualService.")
    if "connect" in text.lower():
        return gettext("Nothing listens: no Gateway opens the port yet, or its pod is not ready.")
    return ""
