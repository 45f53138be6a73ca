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
from labkit.kube.resources import SERVICES
from labkit.language import gettext
from labkit.scenario import cast
from labkit.scenario.checks import Finding, Report
from labkit.scenario.hints import wanted
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.mesh import part_faults, way_faults
from labkit.scenario.hints.routing import gateway_faults, legs_faults, rule_faults, weight_faults
from labkit.scenario.hints.workloads import (
    istio_faults,
    namespace_faults,
    service_faults,
    settings_faults,
    workload_faults,
)
from labkit.scenario.learner import Learner
from labkit.scenario.place import made_by_people
from labkit.scenario.progress import Piece, State, progress
from labkit.scenario.steps import STEPS

__all__ = ["Fault", "blame_mesh", "explain", "explained", "faults"]

_WEIGHTS = {
    2: {"producer-internal-host": 100.0},
    3: {"producer-internal-host": 50.0, "service-c-srv": 50.0},
    6: {"service-c-srv": 100.0},
}
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
    yield from settings_faults(look, egress=step >= 5)
    yield from namespace_faults(look, look.learner.home, 0)
    for number in range(1, step + 1):
        yield from _OF_STEP[number](look, step)
    yield from (
        Fault(gettext("A proxy refused its newest rules: {words}", words=words), step)
        for words in look.refusals
    )
    yield from _strangers(look, step)
    yield from _unlike_their_manifests(look, step)


def _inbound(look: Look, step: int) -> Iterator[Fault]:
    yield from workload_faults(look, cast.SERVICE_A, 1, "serviceA-v1-deployment.yml")
    yield from service_faults(look, cast.SERVICE_A, 1, "serviceA-srv.yml")
    yield from gateway_faults(look, wanted.gateway_of_a(look.learner), 1)
    yield from rule_faults(look, wanted.rule_of_a(look.learner), 1)
    if step == 1 and look.find(SERVICES, look.learner.home, cast.SERVICE_B.hosts[0]):
        text = gettext(
            "The cluster is further than this step: the Service producer-internal-host is there "
            "already. `lab.goto(1, finished=True)` goes back."
        )
        yield Fault(text, 1)


def _outbound(look: Look, step: int) -> Iterator[Fault]:
    yield from workload_faults(look, cast.SERVICE_B, 2, "service-b-deployment.yml")
    yield from service_faults(look, cast.SERVICE_B, 2, "producer-internal-host.yml")
    yield from rule_faults(look, wanted.split_rule(look.learner, step), 2)
    if step == 2:
        yield from weight_faults(look, _WEIGHTS[2], wanted.split_rule(look.learner, 2), 2)


def _split(look: Look, step: int) -> Iterator[Fault]:
    yield from workload_faults(look, cast.SERVICE_C, 3, "service-c-deployment.yml")
    yield from service_faults(look, cast.SERVICE_C, 3, "service-c-srv.yml")
    if step == 3:
        yield from weight_faults(look, _WEIGHTS[3], wanted.split_rule(look.learner, 3), 3)


def _external(look: Look, step: int) -> Iterator[Fault]:
    yield from namespace_faults(look, look.learner.external, 4)
    yield from workload_faults(look, cast.SERVICE_EXT, 4, "service-ext-deployment.yml")
    yield from service_faults(look, cast.SERVICE_EXT, 4, "service-ext-srv.yml")
    yield from gateway_faults(look, wanted.external_gateway(look.learner), 4)
    yield from rule_faults(look, wanted.external_rule(look.learner), 4)


def _egress(look: Look, step: int) -> Iterator[Fault]:
    yield from gateway_faults(look, wanted.egress_gateway(look.learner), 5)
    yield from rule_faults(look, wanted.egress_rule(look.learner), 5)
    if not look.learner.name:
        yield from legs_faults(look, wanted.egress_rule(look.learner), 5)


def _all_to_c(look: Look, step: int) -> Iterator[Fault]:
    yield from weight_faults(look, _WEIGHTS[6], wanted.split_rule(look.learner, 6), 6)


_OF_STEP = {1: _inbound, 2: _outbound, 3: _split, 4: _external, 5: _egress, 6: _all_to_c}


def _strangers(look: Look, step: int) -> Iterator[Fault]:
    ours = (look.learner.home, look.learner.external)
    for resource, obj in made_by_people(look.api, look.learner):
        metadata = obj["metadata"]
        if resource.kind in _MAY_BE_IN_THE_WAY and metadata["namespace"] in ours:
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
    for number in range(len(STEPS[: step + 1])):
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
