"""Why a promise does not hold: a hint found by looking at the cluster.

The checks judge by what was observed. Only when one failed is the cluster looked at, in the order in
which a request would meet it: the mesh itself (nodes, proxies, Istio's parts, calls that were lost before a
rule could have a say), its settings, namespaces, pods, Services, Gateways, rules, weights, then what
proxies refused, what is none of the lesson's, and what differs from its manifest. The first fault that has
to do with the promise is its hint; one at a time is how faults are mended. While the mesh itself is broken
nothing else is said: rules and weights can't be judged then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labkit.kube.api import Api
from labkit.language import gettext
from labkit.scenario.checks import Finding, Report
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.mesh import part_faults, way_faults
from labkit.scenario.hints.of_manifests import manifest_faults, versions
from labkit.scenario.hints.workloads import istio_faults, settings_faults
from labkit.scenario.learner import Learner
from labkit.scenario.place import made_by_people
from labkit.scenario.progress import Piece, State, progress

__all__ = ["Fault", "blame_mesh", "explain", "explained", "faults"]

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
    """*report*, each broken promise with the hint that fits the cluster as it is; a task's keeps its own.

    learner: whose part of the cluster is looked at.
    """
    explain_it = blame_mesh if report.task else explain
    return replace(report, findings=tuple(explain_it(api, learner, report.step, report.findings)))


def explain(api: Api, learner: Learner, step: int, findings: Iterable[Finding]) -> list[Finding]:
    """The *findings* of *step*, each broken one with its hint."""
    return _explained(Look(api, learner), findings, step)


def blame_mesh(api: Api, learner: Learner, step: int, findings: Iterable[Finding]) -> list[Finding]:
    """The *findings* about *step* with hints of their own: they stand unless the mesh itself is broken."""
    return _explained(Look(api, learner), findings, None)


def _explained(look: Look, findings: Iterable[Finding], step: int | None) -> list[Finding]:
    found = list(findings)
    if all(finding.holds for finding in found):
        return found
    known = _of_mesh(look, found) or ([] if step is None else list(faults(look, step)))
    return list(_with_hints(found, known))


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
    if finding.workloads:
        return fault.workload is not None and fault.workload in ("", *finding.workloads)
    return not finding.steps or fault.step in finding.steps


def faults(look: Look, step: int) -> Iterator[Fault]:
    """Everything in the configuration that keeps the promises of *step* from holding, the root first."""
    steps = look.learner.scenario.steps[: step + 1]
    egress = next((each.number for each in steps if each.egress_gateway), None)
    yield from settings_faults(look, egress=egress)
    yield from manifest_faults(look, step)
    yield from (
        Fault(gettext("A proxy refused its newest rules: {words}", words=words), step)
        for words in look.refusals
    )
    yield from _strangers(look, step)
    yield from _unlike_their_manifests(look, step)


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
