"""What a learner has made of the tasks about namespaces and pods."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.book import wanted
from labkit.book.checks import SERVICE_B, SERVICE_C
from labkit.book.tasks import PRACTICE
from labkit.kube.api.api import Obj
from labkit.kube.api.conditions import is_true
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES
from labkit.language import gettext, ngettext
from labkit.release.finding import Calls, find_rule
from labkit.scenario.hints.look import Fault, Look, alike, nothing_yet
from labkit.scenario.hints.weights import shares_in_words, shares_of
from labkit.scenario.hints.workloads import INJECTION, workload_faults

_PODS_OF_B = 3
"""How many the task of step 2 asks for."""


def second_namespace(look: Look) -> Iterator[Fault]:
    practice = look.learner.own(PRACTICE)
    yield from (Fault(text, 0, about="practice") for text in _practice(look, practice))
    default = look.namespace("default")
    labels = (default or {}).get("metadata", {}).get("labels") or {}
    for key in (INJECTION, "istio.io/rev"):
        if labels.get(key) not in (None, "disabled"):
            text = gettext(
                "`default` has the label {key}={value}: `kubectl label namespace default {key}-` takes it "
                "off.",
                key=key,
                value=labels[key],
            )
            yield Fault(text, 0, about="default")


def _practice(look: Look, practice: str) -> Iterator[str]:
    found = look.namespace(practice)
    if found is None:
        yield _no_namespace(look, practice)
        return
    metadata = found["metadata"]
    if metadata.get("deletionTimestamp"):
        yield gettext("The namespace {practice} is being deleted: make it again.", practice=practice)
    labels = metadata.get("labels") or {}
    typed = f"kubectl label namespace {practice} {INJECTION}=enabled --overwrite"
    given = labels.get(INJECTION)
    like = next((key for key in labels if key != INJECTION and alike(key, INJECTION)), "")
    if given == "enabled":
        return
    if given is not None:
        yield gettext(
            "The namespace {practice} has {key}={value}, and only `enabled` makes the control plane inject: "
            "`{typed}`.",
            practice=practice,
            key=INJECTION,
            value=given,
            typed=typed,
        )
    elif like:
        yield gettext(
            "The namespace {practice} has the label {like}, and the control plane looks for {key}: "
            "`{typed}`.",
            practice=practice,
            like=like,
            key=INJECTION,
            typed=typed,
        )
    elif INJECTION in (metadata.get("annotations") or {}):
        yield gettext(
            "The namespace {practice} has {key} among its annotations; it has to be a label: `{typed}`.",
            practice=practice,
            key=INJECTION,
            typed=typed,
        )
    else:
        yield gettext(
            "The namespace {practice} is there and has no label {key}=enabled, so pods made there get no "
            "proxy: `{typed}`.",
            practice=practice,
            key=INJECTION,
            typed=typed,
        )


def _no_namespace(look: Look, practice: str) -> str:
    names = [one["metadata"]["name"] for one in look.all(NAMESPACES)]
    like = next((name for name in names if alike(name, practice) and name not in look.learner.of_labs), "")
    if like:
        return gettext(
            "There is a namespace {like}, and the one that was asked for is called {practice}.",
            like=like,
            practice=practice,
        )
    return nothing_yet(
        gettext("There is no namespace {practice} yet.", practice=practice),
        gettext(
            "Make it, with the label that `{home}` has: {key}=enabled.", home=look.learner.home, key=INJECTION
        ),
    )


# ---------------------------------------------------------------------------------- pods of ServiceB


def three_of_b(look: Look) -> Iterator[Fault]:
    name, home = SERVICE_B.deployment, look.learner.home
    deployment = look.deployment(home, name)
    typed = f"kubectl scale deployment {name} --replicas {_PODS_OF_B} -n {home}"
    asked = _replicas(deployment) if deployment else _PODS_OF_B
    if asked != _PODS_OF_B:
        text = ngettext(
            "{name} asks for {number} pod, and three are to run.{instead} Next: `{typed}`.",
            "{name} asks for {number} pods, and three are to run.{instead} Next: `{typed}`.",
            asked,
            name=name,
            instead=_scaled_instead(look),
            typed=typed,
        )
        yield Fault(text, 2, about="pods")
    yield from workload_faults(look, SERVICE_B, 2, "service-b-deployment.yml")
    if deployment:
        yield from _not_ready_yet(look, deployment)


def _replicas(deployment: Obj) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _scaled_instead(look: Look) -> str:
    """Another Deployment that has as many pods as ServiceB was to have."""
    other = next(
        (
            one["metadata"]
            for one in look.all(DEPLOYMENTS)
            if one["metadata"]["namespace"] in (*look.learner.of_labs, "default")
            and _replicas(one) == _PODS_OF_B
        ),
        None,
    )
    if other is None:
        return ""
    return gettext(
        " Three of {name} in {namespace} are there, which is another one.",
        name=other["name"],
        namespace=other["namespace"],
    )


def _not_ready_yet(look: Look, deployment: Obj) -> Iterator[Fault]:
    home = look.learner.home
    pods = look.pods(home, deployment["spec"]["selector"]["matchLabels"])
    ready = sum(is_true(pod, "Ready") for pod in pods)
    if ready < _PODS_OF_B:
        text = gettext(
            "{ready} of {wanted} pods of ServiceB are ready, and only those get requests. Wait for them: "
            "`kubectl rollout status deployment {name} -n {home}`.",
            ready=ready,
            wanted=_PODS_OF_B,
            name=deployment["metadata"]["name"],
            home=home,
        )
        yield Fault(text, 2, about="pods")


def retired(look: Look) -> Iterator[Fault]:
    name, home = SERVICE_B.deployment, look.learner.home
    yield from (Fault(text, 6, about="pods") for text in _still_there(look, name, home))
    rule = wanted.split_rule(look.learner, 6)
    acting = find_rule(look.api, Calls(rule.host, rule.namespace))
    shares = shares_of(acting) if acting else {}
    if set(shares) != {SERVICE_C.hosts[0]}:
        text = gettext(
            "{name} sends {shares}, and nobody is there for ServiceB's part: apply {file}.",
            name=acting.name if acting else rule.name,
            shares=shares_in_words(shares, look.learner),
            file=rule.file,
        )
        yield Fault(text, 6, about="answers")


def _still_there(look: Look, name: str, home: str) -> Iterator[str]:
    deployment = look.deployment(home, name)
    typed = f"kubectl scale deployment {name} --replicas 0 -n {home}"
    if deployment and (asked := _replicas(deployment)):
        yield ngettext(
            "{name} still asks for {number} pod: `{typed}`. A pod that is deleted comes back, as long as its "
            "Deployment asks for it.",
            "{name} still asks for {number} pods: `{typed}`. A pod that is deleted comes back, as long as "
            "its Deployment asks for it.",
            asked,
            name=name,
            typed=typed,
        )
    elif deployment:
        yield gettext("{name} asks for no pod any more; the last ones are ending. Check again.", name=name)
    for pod in look.pods(home, {"app": SERVICE_B.app}):
        yield gettext(
            "The pod {pod} has ServiceB's label and another maker: "
            "`kubectl get pod {pod} -n {home} -o yaml` names it under `ownerReferences`.",
            pod=pod["metadata"]["name"],
            home=home,
        )
