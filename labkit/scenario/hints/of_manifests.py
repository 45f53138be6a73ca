"""What a step's manifests ask for, and what of it is not so: derived from the manifests themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from labkit.kube.api.api import Obj
from labkit.kube.api.resources import SERVICES
from labkit.language import gettext
from labkit.scenario.cast import EGRESS, INGRESS, Workload
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.routing import (
    MESH,
    WantedGateway,
    WantedRule,
    gateway_faults,
    legs_faults,
    rule_faults,
)
from labkit.scenario.hints.weights import weight_faults
from labkit.scenario.hints.workloads import namespace_faults, service_faults, workload_faults
from labkit.scenario.learner import Learner
from labkit.scenario.steps import objects_of, sources


@dataclass(frozen=True)
class Version:
    """One object as one step has it."""

    step: int
    file: str
    obj: Obj

    @property
    def key(self) -> tuple[str, str, str]:
        """(kind, namespace, name)."""
        metadata = self.obj["metadata"]
        return self.obj["kind"], metadata.get("namespace", ""), metadata["name"]


def versions(learner: Learner, step: int) -> list[Version]:
    """Every object of the steps up to *step*, in the order in which they are applied."""
    return [
        Version(each.number, source.name, obj)
        for each in learner.scenario.steps[: step + 1]
        for source in sources(each, learner)
        for obj in objects_of(each, source, learner)
    ]


def rules_of(learner: Learner, step: int) -> list[WantedRule]:
    """The VirtualServices that there are when *step* is done."""
    newest = {each.key: each for each in versions(learner, step)}
    return [wanted_rule(each) for each in newest.values() if each.obj["kind"] == "VirtualService"]


def manifest_faults(look: Look, step: int) -> Iterator[Fault]:
    """What keeps the objects of the steps up to *step* from doing what they are for, the root first."""
    known = versions(look.learner, step)
    newest = {each.key: each for each in known}
    first = {each.key: each.step for each in reversed(known)}
    for key, each in newest.items():
        yield from _faults(look, each, first[key])


def as_it_ends(look: Look, step: int) -> Iterator[Fault]:
    """Where the cluster is further than *step*, or its weights are others."""
    for service in look.learner.scenario.steps[step].absent:
        if look.find(SERVICES, look.learner.home, service):
            yield Fault(_further(service, step), step)
    newest = {each.key: each for each in versions(look.learner, step) if each.step == step}
    for each in newest.values():
        yield from _weights(look, each)


def _further(service: str, step: int) -> str:
    return gettext(
        "The cluster is further than this step: the Service {service} is there already. "
        "`lab.goto({step}, finished=True)` goes back.",
        service=service,
        step=step,
    )


def _faults(look: Look, version: Version, step: int) -> Iterator[Fault]:
    """What is wrong with an object that *step* has first."""
    kind, _, name = version.key
    if kind == "Namespace":
        yield from namespace_faults(look, name, step, version.file)
    elif kind == "Deployment":
        yield from workload_faults(look, _workload(look, version.obj), step, version.file)
    elif kind == "Service" and (workload := _behind(look, name)):
        yield from service_faults(look, replace(workload, hosts=(name,)), step, version.file)
    elif kind == "Gateway":
        yield from gateway_faults(look, wanted_gateway(version), step)
    elif kind == "VirtualService":
        rule = wanted_rule(version)
        yield from rule_faults(look, rule, step)
        if MESH in rule.gateways and len(rule.gateways) > 1:
            yield from legs_faults(look, rule, step)


def _workload(look: Look, deployment: Obj) -> Workload:
    """Whose Deployment that is; one that is not in the cast is called as it is."""
    name = deployment["metadata"]["name"]
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    known = look.learner.scenario.deployed_as(name)
    if known:
        return replace(known, deployments=(name,))
    namespace = deployment["metadata"]["namespace"]
    return Workload(name, name, namespace, labels.get("app", name), (name,))


def _behind(look: Look, service: str) -> Workload | None:
    return next((one for one in look.learner.scenario.cast if service in one.hosts), None)


def wanted_gateway(version: Version) -> WantedGateway:
    """The Gateway that a manifest describes."""
    _, namespace, name = version.key
    spec = version.obj["spec"]
    proxy = EGRESS if (spec.get("selector") or {}).get("istio") == "egressgateway" else INGRESS
    return WantedGateway(name, namespace, version.file, proxy, spec["servers"][0]["hosts"][0])


def wanted_rule(version: Version) -> WantedRule:
    """The VirtualService that a manifest describes."""
    _, namespace, name = version.key
    spec = version.obj["spec"]
    gateways = sorted(spec.get("gateways") or [MESH], key=lambda gateway: gateway != MESH)
    first = (spec.get("http") or [{}])[0]
    uris = [match.get("uri") or {} for match in first.get("match") or []]
    path = next((str(uri["exact"]) for uri in uris if "exact" in uri), "")
    at_root = (first.get("rewrite") or {}).get("uri") == "/"
    return WantedRule(name, namespace, version.file, tuple(gateways), spec["hosts"][0], path, at_root)


def _weights(look: Look, version: Version) -> Iterator[Fault]:
    """Where the rule that the scenario shares requests out with has other weights than this version."""
    sharing = look.learner.scenario.sharing
    if version.obj["kind"] != "VirtualService" or sharing is None:
        return
    routes = version.obj["spec"].get("http") or []
    rule = wanted_rule(version)
    if rule.host == sharing.host and len(routes) == 1:
        yield from weight_faults(look, _shares(routes[0]), rule, version.step)


def _shares(route: Obj) -> dict[str, float]:
    """Each destination's share of 100, by the short name of its host."""
    parts = [(one["destination"]["host"].partition(".")[0], one.get("weight", 0)) for one in route["route"]]
    total = sum(weight for _, weight in parts)
    shares: dict[str, float] = {}
    for host, weight in parts:
        share = 100 * weight / total if total else 100 / len(parts)
        shares[host] = shares.get(host, 0.0) + share
    return {host: round(share, 1) for host, share in shares.items() if share}
