"""Look whether what a step promises holds.

What can be said as data is in ``scenario.yaml``, see :mod:`labkit.scenario.promises`; the rest are functions
of ``checks.py`` beside it, which are given the lab and yield a finding each.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from labkit.language import gettext
from labkit.scenario.checks import Finding, Observer, Report
from labkit.scenario.functions import function_of
from labkit.scenario.observing import all_pods_run, answers_so, arrived_at, ask, counted, prepared
from labkit.scenario.promises import Answers, Function, Logged, Pods, Prepared, Promise, Shares

_PROXIED = "2/2"


def check(lab: Observer, step: int) -> Report:
    """Look whether every promise of *step* holds."""
    scenario = lab.learner.scenario
    found = scenario.find_step(step)
    return Report(step, tuple(find(lab, step)), name=scenario.said(found.title))


def find(lab: Observer, step: int) -> Iterator[Finding]:
    """The findings of *step*, each as soon as it is made."""
    for promise in lab.learner.scenario.find_step(step).checks:
        yield from look(promise, lab)


@singledispatch
def look(promise: Promise, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    """Look whether *promise* holds; its function, if it is one, is in *module* beside the data."""
    raise NotImplementedError(promise)


@look.register
def _prepared(promise: Prepared, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    yield from prepared(lab)


@look.register
def _pods(promise: Pods, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    by_namespace: dict[str, list[str]] = {}
    for name in promise.workloads:
        workload = lab.learner.workload(name)
        by_namespace.setdefault(workload.namespace, []).extend(workload.deployments)
    for namespace, deployments in by_namespace.items():
        yield all_pods_run(lab, namespace, tuple(deployments), _PROXIED)


@look.register
def _answers(promise: Answers, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    answer = ask(lab, promise.path, promise.headers)
    said = lab.learner.scenario.said(promise.promise) or _in_words(promise)
    yield answers_so(lab, said, answer, lambda it: is_as(promise, it.status, it.text))


def is_as(promise: Answers, status: int, text: str) -> bool:
    """Whether an answer with this *status* and *text* is what was promised."""
    wanted = promise.status or (status if status < 400 else 0)
    return status == wanted and promise.contains in text and promise.whole in ("", text)


def _in_words(promise: Answers) -> str:
    asked = promise.path + "".join(f", {name}: {value}" for name, value in promise.headers.items())
    if promise.whole or promise.contains:
        said = promise.whole or promise.contains
        return gettext("{asked} is answered by: {said}", asked=asked, said=said)
    return gettext("{asked} is answered with status {status}", asked=asked, status=promise.status)


@look.register
def _logged(promise: Logged, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    answer = ask(lab, promise.path, promise.headers)
    yield arrived_at(lab, answer, lab.learner.workload(promise.workload))


@look.register
def _shares(promise: Shares, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    sent = lab.send(promise.path, requests=promise.requests, concurrency=8, headers=promise.headers or None)
    found = lab.split(sent, promise.weights)
    seen = counted(found) if found.p_value is None else f"{counted(found)}, p = {found.p_value:.2g}"
    weights = ", ".join(f"{name} {weight:g}" for name, weight in promise.weights.items())
    yield Finding(gettext("The answers fit the weights {weights}", weights=weights), bool(found.fits), seen)


@look.register
def _function(promise: Function, lab: Observer, module: str = "checks") -> Iterator[Finding]:
    yield from function_of(lab.learner.scenario, module, promise.name)(lab)
