"""A first look at somebody's cluster: what is there, what is missing, what to type. It changes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from labkit.errors import LabkitError
from labkit.kube.api.api import Api
from labkit.kube.api.permissions import (
    FOR_FAULTS,
    FOR_REPORTS,
    FOR_THE_RECORD,
    IN_ISTIO_SYSTEM,
    IN_THE_LAB,
    ON_THE_CLUSTER,
    Denied,
    Permission,
    denied,
    may_create,
)
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES
from labkit.kube.api.tables import Table
from labkit.kube.connecting.agreement import signs_of_production
from labkit.kube.connecting.connect import context_of_kubectl
from labkit.kube.mesh.control_plane import ControlPlane, control_planes
from labkit.kube.mesh.gateway import find_gateway
from labkit.kube.mesh.mesh_config import has_access_log, mesh_config

FINE, MISSING, NOTE = "✓", "✗", "!"


@dataclass(frozen=True)
class Fact:
    """One line of the table."""

    mark: str
    """✓ there, ✗ missing, ! worth knowing."""
    what: str
    seen: str
    next_step: str = ""


@dataclass(frozen=True)
class FirstLook:
    """What was found. ``table``: columns mark, what, seen, next step."""

    facts: tuple[Fact, ...]

    def __bool__(self) -> bool:
        return all(fact.mark != MISSING for fact in self.facts)

    @property
    def table(self) -> Table:
        columns = ["mark", "what", "seen", "next step"]
        return Table([(f.mark, f.what, f.seen, f.next_step) for f in self.facts], columns=columns)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def first_look(
    api: Api,
    namespaces: Sequence[str],
    *,
    plain: Collection[str] = (),
    labs: Collection[str] = (),
    record: str = "",
) -> FirstLook:
    """Look at the cluster as one who wants to use *namespaces* for the lab.

    plain: those of them whose pods shall have no proxy. labs: namespaces that are some other lab's. record:
    the namespace in which a record of the work would be kept; empty to ask nothing about it.
    """
    facts = list(_facts(api, namespaces, plain, {*namespaces, *labs}))
    if record:
        facts.append(_guarded("record and reports", partial(_record, api, record)))
    return FirstLook(tuple(facts))


def _facts(
    api: Api, namespaces: Sequence[str], plain: Collection[str], labs: Collection[str]
) -> Iterator[Fact]:
    version = api.get("/version")
    yield Fact(FINE, "Kubernetes", f"{version.get('gitVersion', 'unknown')} at {api.host}")
    yield _guarded("production", lambda: _production(api, labs))
    planes = control_planes(api)
    yield _istio(api, planes)
    if planes:
        yield _guarded("mesh settings", lambda: _mesh_settings(api, planes[0]))
        yield _guarded("ingress gateway", lambda: _ingress(api))
        yield _guarded("egress gateway", lambda: _egress(api))
    for namespace in namespaces:
        yield _guarded(
            f"namespace {namespace}", partial(_namespace, api, namespace, planes, namespace in plain)
        )
    yield _guarded("permissions", lambda: _permissions(api, namespaces))


def _labkit(api: Api, command: str) -> str:
    """``labkit`` *command* for this cluster; the book's own need not be named."""
    return f"labkit {command}{_naming(api.context)}" if api.shared else f"labkit {command}"


def _kubectl(api: Api, command: str) -> str:
    """The same of ``kubectl``."""
    return f"kubectl{_naming(context_of_kubectl(api) if api.shared else '')} {command}"


def _naming(context: str) -> str:
    return f" --context {shlex.quote(context)}" if context else ""


def _ask_for_rights(api: Api) -> str:
    return f"labkit look --roles USER | {_kubectl(api, 'apply -f -')}"


def _guarded(what: str, look: Callable[[], Fact]) -> Fact:
    """A look that is not allowed is a fact, too."""
    try:
        return look()
    except LabkitError as error:
        return Fact(MISSING, what, str(error).splitlines()[0])


def _production(api: Api, labs: Collection[str]) -> Fact:
    signs = signs_of_production(api, labs)
    if not signs:
        return Fact(FINE, "production", "nothing here that others depend on")
    return Fact(NOTE, "production", "; ".join(signs), "Sure? Then say so: --yes --production")


def _istio(api: Api, planes: Sequence[ControlPlane]) -> Fact:
    if not planes:
        return Fact(MISSING, "Istio", "no istiod in istio-system", _labkit(api, "istio install"))
    first = planes[0]
    seen = ", ".join(f"{p.version} (revision {p.revision})" for p in planes)
    if not first.ready:
        return Fact(MISSING, "Istio", f"{seen}, not ready", _kubectl(api, "get pods -n istio-system"))
    if not first.is_new_enough:
        return Fact(MISSING, "Istio", seen, "The book needs 1.20 or newer.")
    return Fact(FINE, "Istio", seen)


def _mesh_settings(api: Api, plane: ControlPlane) -> Fact:
    config = mesh_config(api, plane.config_map)
    policy = (config.get("outboundTrafficPolicy") or {}).get("mode", "ALLOW_ANY")
    logged = has_access_log(api, config)
    seen = f"access log {'to standard output' if logged else 'off'}, outboundTrafficPolicy.mode={policy}"
    if not logged:
        step = "Ask for one at the gateways (a Telemetry in istio-system); the lab makes its own namespaces'."
        return Fact(MISSING, "mesh settings", seen, step)
    if policy != "REGISTRY_ONLY":
        step = "They stay; the lab sets REGISTRY_ONLY for its own namespaces."
        return Fact(NOTE, "mesh settings", seen, step)
    return Fact(FINE, "mesh settings", seen)


def _ingress(api: Api) -> Fact:
    address = find_gateway(api)
    return Fact(FINE, "ingress gateway", f"{address} ({address.via})")


def _egress(api: Api) -> Fact:
    if api.find(DEPLOYMENTS.path("istio-system", "istio-egressgateway")):
        return Fact(FINE, "egress gateway", "istio-egressgateway")
    return Fact(NOTE, "egress gateway", "none yet", "Step 5 makes one.")


def _namespace(api: Api, namespace: str, planes: Sequence[ControlPlane], is_plain: bool) -> Fact:
    what, found = f"namespace {namespace}", api.find(NAMESPACES.path("", namespace))
    if found is None:
        if not may_create(api, NAMESPACES):
            return Fact(MISSING, what, "not there, and you may not make it", _ask_for_rights(api))
        return Fact(NOTE, what, "not there yet", "The lab makes it.")
    labels = found["metadata"].get("labels") or {}
    key, value = planes[0].injection_label if planes else ("istio-injection", "enabled")
    if is_plain:
        return Fact(FINE, what, "without injection, as it is meant to be")
    if labels.get(key) == value:
        return Fact(FINE, what, f"{key}={value}")
    return Fact(NOTE, what, f"without {key}={value}", "The lab labels it.")


def _permissions(api: Api, namespaces: Sequence[str]) -> Fact:
    wanted = [(p, ns) for ns in namespaces for p in IN_THE_LAB]
    wanted += [(p, "istio-system") for p in IN_ISTIO_SYSTEM] + [(p, "") for p in ON_THE_CLUSTER]
    if missing := denied(api, wanted):
        return Fact(MISSING, "permissions", f"not allowed: {_some(missing)}", _ask_for_rights(api))
    if missing := denied(api, [(p, ns) for ns in namespaces for p in FOR_FAULTS]):
        without = f"without lab.fault() and Break; not allowed: {_some(missing)}"
        return Fact(NOTE, "permissions", f"all that the steps need, {without}", _ask_for_rights(api))
    return Fact(FINE, "permissions", "all that the lab needs")


def _record(api: Api, namespace: str) -> Fact:
    """Whether what is done can be recorded in *namespace*, and a report of it signed and verified."""
    what = "record and reports"
    if api.find(NAMESPACES.path("", namespace)) is None and not may_create(api, NAMESPACES):
        kept = f"no namespace {namespace}: the record stays in a file of this machine, and reports unsigned"
        return Fact(NOTE, what, kept, _ask_for_rights(api))
    wanted: list[tuple[Permission, str]] = [(p, namespace) for p in FOR_THE_RECORD]
    if missing := denied(api, [*wanted, *((p, "") for p in FOR_REPORTS)]):
        return Fact(NOTE, what, f"not allowed: {_some(missing)}", _ask_for_rights(api))
    return Fact(FINE, what, f"kept in {namespace}, signed and verified")


def _some(missing: Sequence[Denied]) -> str:
    shown = "; ".join(f"{what} in {ns or 'the cluster'}" for what, ns in missing[:4])
    return f"{shown} and {len(missing) - 4} more" if len(missing) > 4 else shown
