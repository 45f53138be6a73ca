"""Why a promise does not hold: a hint found by looking at the cluster.

The checks judge by what was observed. Only when one failed is the cluster looked at, in the order in
which a request would meet it: the mesh itself (nodes, proxies, Istio's parts, calls that were lost before a
rule could have a say), its settings, namespaces, pods, Services, Gateways, rules, weights, then what
proxies refused, what is none of the lesson's, and what differs from its manifest. The first fault that has
to do with the promise is its hint; one at a time is how faults are mended. While the mesh itself is broken
nothing else is said: rules and weights can't be judged then.

A task's hints come the same way: what the step is built of, but for what the task is to change, and then
what the learner has made of that (:mod:`labkit.scenario.hints.tasks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labkit.kube.api.api import Api
from labkit.language import gettext, gettext_noop
from labkit.scenario.checks import Finding, Report
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.mesh import part_faults, way_faults
from labkit.scenario.hints.of_manifests import as_it_ends, manifest_faults, rules_of, versions
from labkit.scenario.hints.routing import purpose_faults
from labkit.scenario.hints.tasks import refusal_faults, task_hints
from labkit.scenario.hints.workloads import istio_faults, settings_faults
from labkit.scenario.learner import Learner
from labkit.scenario.place import made_by_people
from labkit.scenario.progress import Piece, State, progress

__all__ = ["Fault", "explain", "explain_task", "explained", "faults", "task_faults"]

_MAY_BE_IN_THE_WAY = (
    "AuthorizationPolicy",
    "PeerAuthentication",
    "RequestAuthentication",
    "DestinationRule",
    "Sidecar",
    "EnvoyFilter",
    "ServiceEntry",
)


def explained(api: Api, learner: Learner, report: Report) -> Report:
    """*report*, each broken promise with the hint that fits the cluster as it is.

    learner: whose part of the cluster is looked at.
    """
    explain_it = explain_task if report.task else explain
    return replace(report, findings=tuple(explain_it(api, learner, report.step, report.findings)))


def explain(api: Api, learner: Learner, step: int, findings: Iterable[Finding]) -> list[Finding]:
    """The *findings* of *step*, each broken one with its hint."""
    look = Look(api, learner)
    return _explained(look, findings, faults(look, step))


def explain_task(api: Api, learner: Learner, step: int, findings: Iterable[Finding]) -> list[Finding]:
    """The *findings* of the task of *step*, each broken one with its hint."""
    look = Look(api, learner)
    return _explained(look, findings, task_faults(look, step))


def _explained(look: Look, findings: Iterable[Finding], of_lesson: Iterable[Fault]) -> list[Finding]:
    found = list(findings)
    if all(finding.holds for finding in found):
        return found
    return list(_with_hints(found, _of_mesh(look, found) or list(of_lesson)))


def _of_mesh(look: Look, findings: list[Finding]) -> list[Fault]:
    """What is wrong with the mesh itself; of ways nothing is said while a part is missing."""
    parts = [*part_faults(look), *istio_faults(look)]
    return parts or list(way_faults(look, findings))


def _with_hints(findings: Iterable[Finding], known: list[Fault]) -> Iterator[Finding]:
    """A hint is given in full once; the same mistake mostly breaks more than one promise."""
    given = set()
    for finding in findings:
        fitting = (fault.text for fault in known if _explains(fault, finding))
        hint = "" if finding.holds else next(fitting, finding.hint)
        yield replace(finding, hint=gettext("The same as above.") if hint and hint in given else hint)
        given.add(hint)


def _explains(fault: Fault, finding: Finding) -> bool:
    if fault.of_mesh:
        return True
    if fault.about and fault.about != finding.about:
        return False
    if finding.workloads:
        return fault.workload is not None and fault.workload in ("", *finding.workloads)
    return not finding.steps or fault.step in finding.steps


def faults(look: Look, step: int) -> Iterator[Fault]:
    """Everything in the configuration that keeps the promises of *step* from holding, the root first."""
    yield from _foundation(look, step)
    yield from purpose_faults(look, rules_of(look.learner, step), step)
    yield from as_it_ends(look, step)
    yield from _refused_by_proxies(look, step)
    yield from _strangers(look, step)
    yield from _unlike_their_manifests(look, step)


def task_faults(look: Look, step: int) -> Iterator[Fault]:
    """What keeps the task of *step* from being done: what it builds on first, then what was made of it."""
    task = task_hints(look.learner, step)
    if step:
        yield from (fault for fault in _foundation(look, step) if not task.changes(fault))
    yield from refusal_faults(look, step)
    yield from task.faults(look)
    on_purpose = purpose_faults(look, rules_of(look.learner, step), step)
    yield from (fault for fault in on_purpose if not task.changes(fault))
    yield from _refused_by_proxies(look, step)
    yield from _strangers(look, step)
    yield Fault(gettext(_NOT_SEEN_YET, step=step), step)


_NOT_SEEN_YET = gettext_noop(
    "What is applied says what the task asks for, as far as it can be read from it, and the traffic does "
    "not show it yet. Check again in a moment. If it stays like this, `lab.goto({step}, finished=True)` "
    "takes your change out, and you make it once more."
)


def _foundation(look: Look, step: int) -> Iterator[Fault]:
    """What every promise up to those of *step* needs."""
    steps = look.learner.scenario.steps[: step + 1]
    egress = next((each.number for each in steps if each.egress_gateway), None)
    yield from settings_faults(look, egress=egress)
    yield from manifest_faults(look, step)


def _refused_by_proxies(look: Look, step: int) -> Iterator[Fault]:
    for words in look.refusals:
        yield Fault(gettext("A proxy refused its newest rules: {words}", words=words), step)


def _strangers(look: Look, step: int) -> Iterator[Fault]:
    learner = look.learner
    ours = {learner.own(each.namespace) for each in learner.scenario.steps}
    of_steps = {each.key for each in versions(learner, step)}
    for resource, obj in made_by_people(look.api, look.learner):
        metadata = obj["metadata"]
        key = resource.kind, metadata["namespace"], metadata["name"]
        if resource.kind in _MAY_BE_IN_THE_WAY and metadata["namespace"] in ours and key not in of_steps:
            name = f"{resource.kind.lower()} {metadata['name']} -n {metadata['namespace']}"
            yield Fault(
                gettext(
                    "The {kind} {name} in {namespace} is not of this step, and may be what gets in the "
                    "way. `kubectl delete {typed}` takes it out.",
                    kind=resource.kind,
                    name=metadata["name"],
                    namespace=metadata["namespace"],
                    typed=name,
                ),
                step,
            )


def _unlike_their_manifests(look: Look, step: int) -> Iterator[Fault]:
    found = progress(look.api, look.learner)
    for number in range(step + 1):
        for piece in found.pieces[number]:
            if piece.state is State.CHANGED:
                yield Fault(_differs(piece), number)
            elif piece.state is not State.APPLIED:
                yield Fault(_is_missing(piece, number), number)


def _differs(piece: Piece) -> str:
    differs = gettext("{piece} is not as its manifest says: {note}.", piece=piece.title, note=piece.note)
    again = gettext("Apply {file} again.", file=piece.file) if piece.file else ""
    return f"{differs} {again}".rstrip()


def _is_missing(piece: Piece, step: int) -> str:
    missing = gettext("{piece} of step {step} is missing.", piece=piece.title, step=step)
    cure = gettext("Apply {file}.", file=piece.file) if piece.file else ""
    return f"{missing} {cure}".rstrip()
