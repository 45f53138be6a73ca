"""What each step promises, and how to see whether it holds.

A promise is judged by what was observed: answers that came through the gateway and lines that proxies
wrote. Never by the configuration, which is what is to be proved. A ✗ says what was seen instead, and
what the learner may have left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from labkit import markup
from labkit.errors import LabkitError, NotVerified
from labkit.language import gettext, ngettext
from labkit.scenario import cast
from labkit.scenario.learner import Learner
from labkit.scenario.steps import find_step
from labkit.traffic.split import Split, split

if TYPE_CHECKING:
    import pandas as pd

    from labkit.traffic.curl import Answer

_A = "Hello from ServiceA! Calling master system API... "
_RECEIVED = "Received response from master system (http://producer-internal-host): "
_C = f"{_A}{_RECEIVED}Hello from ServiceC! Calling master system API... "
_EXTERNAL_URL = "http://istio-ingressgateway.istio-system.svc.cluster.local/service-ext"

ANSWER_UNKNOWN_HOST = (
    f'{_A}I/O error on GET request for "http://producer-internal-host": producer-internal-host; '
    "nested exception is java.net.UnknownHostException: producer-internal-host"
)
ANSWER_B = f"{_A}{_RECEIVED}Hello from ServiceB!"
ANSWER_C_404 = f"{_C}404 Not Found: [no body]"
ANSWER_C = f"{_C}Received response from master system ({_EXTERNAL_URL}): Hello from External Cluster Service!"
ANSWER_EXTERNAL = "Hello from External Cluster Service!"


@dataclass(frozen=True)
class Verified:
    """Something a notebook states, and that was seen to hold."""

    statement: str

    def __repr__(self) -> str:
        return f"✓ {self.statement}"

    def _repr_html_(self) -> str:
        return markup.verdict(repr(self), good=True)


def verify(statement: str, holds: object) -> Verified:
    """The *statement* with a mark, where it holds; else NotVerified, which stops a run of the whole book."""
    if not holds:
        raise NotVerified(gettext("✗ {statement}: this does not hold here.", statement=statement))
    return Verified(statement)


class Observer(Protocol):
    """What a check needs of a lab."""

    @property
    def learner(self) -> Learner: ...

    def curl(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer: ...

    def send(self, path: str, *, requests: int, concurrency: int) -> pd.DataFrame: ...

    def access_log(self, workload: str, of: Answer | pd.DataFrame | None = None) -> pd.DataFrame: ...

    def pods(self, namespace: str = "") -> pd.DataFrame: ...

    def nodes(self) -> pd.DataFrame: ...

    def gets_proxy(self, namespace: str) -> bool: ...


@dataclass(frozen=True)
class Finding:
    """One promise, and what was seen."""

    promise: str
    holds: bool
    seen: str
    hint: str = ""
    workloads: tuple[str, ...] = ()
    """Deployments it is about, where it is about pods alone."""
    steps: tuple[int, ...] = ()
    """Steps whose pieces it depends on; empty for all up to its own."""
    about: str = ""
    """Which of a task's promises it is, where a hint tells them apart."""

    def __str__(self) -> str:
        lines = [f"{'✓' if self.holds else '✗'} {self.promise}"]
        if not self.holds:
            lines += [
                "    " + gettext("seen: {seen}", seen=self.seen),
                *(["    " + gettext("hint:") + f" {self.hint}"] if self.hint else []),
            ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """The findings of one step. True where every promise holds."""

    step: int
    findings: tuple[Finding, ...]
    task: str = ""
    """The title of the step's task, where the findings are of that."""

    def __bool__(self) -> bool:
        return all(finding.holds for finding in self.findings)

    def verify(self) -> Report:
        """Itself, where every promise holds; else NotVerified, which says what was seen and a hint."""
        if not self:
            raise NotVerified(str(self))
        return self

    @property
    def title(self) -> str:
        """What was checked."""
        return (
            gettext("Task {step}, {task}", step=self.step, task=self.task)
            if self.task
            else gettext("Step {step}, {title}", step=self.step, title=gettext(find_step(self.step).title))
        )

    def __str__(self) -> str:
        return "\n".join([self.title, *map(str, self.findings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return markup.card(markup.heading(self.title), markup.findings(self.findings, evidence=True))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def check(lab: Observer, step: int) -> Report:
    """Look whether every promise of *step* holds."""
    return Report(step, tuple(find(lab, step)))


def find(lab: Observer, step: int) -> Iterator[Finding]:
    """The findings of *step*, each as soon as it is made."""
    yield from _CHECKS[find_step(step).number](lab)


# ------------------------------------------------------------------------------------------ the promises


def _prepared(lab: Observer) -> Iterator[Finding]:
    nodes = lab.nodes()
    states = dict(zip(nodes["name"], nodes["status"], strict=True))
    ready = [status for status in states.values() if str(status).split(",")[0] == "Ready"]
    yield Finding(gettext("Every node is Ready"), bool(states) and len(ready) == len(states), _states(states))
    yield _all_pods_run(lab, "istio-system", ("istiod", "istio-ingressgateway"))
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


def _inbound(lab: Observer) -> Iterator[Finding]:
    yield _all_pods_run(lab, lab.learner.home, (cast.SERVICE_A.deployment,), "2/2")
    answer = _ask(lab, "/service-a")
    yield _answers(
        gettext("ServiceA answers that it does not know producer-internal-host"), answer, ANSWER_UNKNOWN_HOST
    )
    yield _went_to(lab, answer, cast.INGRESS, cast.SERVICE_A)
    yield _arrived_at(lab, answer, cast.SERVICE_A)


def _outbound(lab: Observer) -> Iterator[Finding]:
    yield _all_pods_run(lab, lab.learner.home, (cast.SERVICE_A.deployment, cast.SERVICE_B.deployment), "2/2")
    answer = _ask(lab, "/service-a")
    yield _answers(gettext("ServiceA answers with what ServiceB said"), answer, ANSWER_B)
    yield _went_to(lab, answer, cast.SERVICE_A, cast.SERVICE_B)
    yield _arrived_at(lab, answer, cast.SERVICE_B)


def _split(lab: Observer) -> Iterator[Finding]:
    answers = lab.send("/service-a", requests=300, concurrency=8)
    yield _only(answers, {ANSWER_B, ANSWER_C_404, ANSWER_C})
    weights = {"ServiceB": 50.0, "ServiceC": 50.0}
    by_answers = split(answers, weights)
    hint = gettext(
        "Apply producer-internal-host-50-c-vs.yml, the version of the VirtualService with two weights."
    )
    seen = _counted(by_answers)
    if by_answers.p_value is not None:
        seen += f", p = {by_answers.p_value:.2g}"
    yield Finding(gettext("The answers fit weights of 50 and 50"), bool(by_answers.fits), seen, hint)
    log = lab.access_log("service-a", of=answers)
    by_log = split(log, weights, names=cast.TITLES)
    agree = {k: v for k, v in by_log.counts.items() if v} == {k: v for k, v in by_answers.counts.items() if v}
    yield Finding(
        gettext("ServiceA's proxy counts the same"),
        agree,
        gettext("{counted} in its log", counted=_counted(by_log)),
        hint,
    )


def _counted(shares: Split) -> str:
    return ", ".join(f"{count} × {name}" for name, count in shares.counts.items()) or gettext("nothing")


def _external(lab: Observer) -> Iterator[Finding]:
    yield _all_pods_run(lab, lab.learner.external, (cast.SERVICE_EXT.deployment,), "2/2")
    answer = _ask(lab, "/service-ext")
    steps = (0, 4)
    answers = _answers(
        gettext("The External Cluster Service answers through the gateway"), answer, ANSWER_EXTERNAL
    )
    yield replace(answers, steps=steps)
    yield replace(_arrived_at(lab, answer, cast.SERVICE_EXT), steps=steps)
    yield _answers_one_of(
        gettext("ServiceA answers as before"), _ask(lab, "/service-a"), {ANSWER_B, ANSWER_C}
    )


def _egress(lab: Observer) -> Iterator[Finding]:
    answers = lab.send("/service-a", requests=60, concurrency=4)
    yield _only(answers, {ANSWER_B, ANSWER_C})
    through_c = answers[answers["service"] == "ServiceC"]
    yield _took_egress(lab, through_c)


def _all_to_c(lab: Observer) -> Iterator[Finding]:
    answers = lab.send("/service-a", requests=60, concurrency=4)
    yield _only(answers, {ANSWER_C})
    at_b = _lines(lab, cast.SERVICE_B, answers)
    yield Finding(
        gettext("ServiceB gets nothing"),
        at_b == 0,
        gettext("{lines} of these requests in its log", lines=_count(at_b)),
    )
    yield _took_egress(lab, answers)


_CHECKS: tuple[Callable[[Observer], Iterator[Finding]], ...] = (
    _prepared,
    _inbound,
    _outbound,
    _split,
    _external,
    _egress,
    _all_to_c,
)


# ------------------------------------------------------------------------------------- ways of looking


def _ask(lab: Observer, path: str) -> Answer | LabkitError:
    try:
        return lab.curl(path)
    except LabkitError as error:
        return error


def _answers(promise: str, answer: Answer | LabkitError, text: str) -> Finding:
    return _answers_one_of(promise, answer, {text})


def _answers_one_of(promise: str, answer: Answer | LabkitError, texts: set[str]) -> Finding:
    if isinstance(answer, LabkitError):
        return Finding(promise, False, str(answer), _hint(0, str(answer)))
    seen = answer.text or gettext("HTTP {status} with no body", status=answer.status)
    return Finding(promise, answer.text in texts, seen, _hint(answer.status, answer.text))


def _only(answers: pd.DataFrame, texts: set[str]) -> Finding:
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
        _hint(status, text),
    )


def _went_to(
    lab: Observer, answer: Answer | LabkitError, sender: cast.Workload, target: cast.Workload
) -> Finding:
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


def _arrived_at(lab: Observer, answer: Answer | LabkitError, target: cast.Workload) -> Finding:
    promise = gettext("The proxy of {target} logged it", target=target.title)
    if isinstance(answer, LabkitError):
        return Finding(promise, False, gettext("there was no answer"))
    count = _lines(lab, target, answer)
    return Finding(promise, count > 0, gettext("{lines} of this request", lines=_count(count)))


def _count(lines: int) -> str:
    if not lines:
        return gettext("no lines")
    return ngettext("{number} line", "{number} lines", lines)


def _lines(lab: Observer, target: cast.Workload, of: Answer | pd.DataFrame) -> int:
    return len(lab.access_log(target.name, of=of))


def _took_egress(lab: Observer, answers: pd.DataFrame) -> Finding:
    promise = gettext("Every call of ServiceC's left through the egress gateway")
    count = _lines(lab, cast.EGRESS, answers) if len(answers) else 0
    hint = gettext("Install the egress gateway, then apply both manifests of step 5.")
    return Finding(
        promise,
        0 < len(answers) <= count,
        ngettext(
            "{lines} for {number} call", "{lines} for {number} calls", len(answers), lines=_count(count)
        ),
        hint,
    )


def _all_pods_run(lab: Observer, namespace: str, names: tuple[str, ...], ready: str = "") -> Finding:
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


def _hint(status: int, text: str) -> str:
    """What most often is behind such an answer."""
    if "UnknownHostException" in text:
        return gettext("ServiceA does not find the host: apply producer-internal-host.yml.")
    if "404 Not Found" in text:
        return gettext("ServiceC got a 404: nothing serves /service-ext yet. That is step 4.")
    if "502 Bad Gateway" in text:
        return gettext(
            "A 502 from the caller's own proxy: the host is not in the mesh's registry (REGISTRY_ONLY)."
        )
    if "503 Service Unavailable" in text or status == 503:
        return gettext(
            "A proxy found nobody to send it to: are the pods ready, does the Service select them?"
        )
    if "Hello from ServiceB" in text:
        return gettext(
            "ServiceB still gets requests: is the newest version of producer-internal-host-vs applied?"
        )
    if status == 404:
        return gettext("The gateway knows no route for this path: apply the Gateway and the VirtualService.")
    if "connect" in text.lower():
        return gettext("Nothing listens: no Gateway opens the port yet, or its pod is not ready.")
    return ""
