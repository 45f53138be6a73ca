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
from labkit.language import gettext, gettext_noop

FINE, MISSING, NOTE = "✓", "✗", "!"
_COLUMNS = (
    gettext_noop("mark"),
    gettext_noop("what"),
    gettext_noop("seen"),
    gettext_noop("next step"),
)
_PRODUCTION = gettext_noop("production")
_SETTINGS = gettext_noop("mesh settings")
_INGRESS = gettext_noop("ingress gateway")
_EGRESS = gettext_noop("egress gateway")
_NAMESPACE = gettext_noop("namespace {name}")
_PERMISSIONS = gettext_noop("permissions")
_RECORD = gettext_noop("record and reports")
_NOT_ALLOWED = gettext_noop("not allowed: {rights}")


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
        return Table([(f.mark, f.what, f.seen, f.next_step) for f in self.facts], columns=list(_COLUMNS))

    def _shown(self) -> Table:
        """The table with its titles in the language that is spoken."""
        shown = self.table
        shown.columns = [gettext(title) for title in _COLUMNS]
        return shown

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_html_(self) -> str:
        return self._shown()._repr_html_()


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
        facts.append(_guarded(gettext(_RECORD), partial(_record, api, record)))
    return FirstLook(tuple(facts))


def _facts(
    api: Api, namespaces: Sequence[str], plain: Collection[str], labs: Collection[str]
) -> Iterator[Fact]:
    version = api.get("/version")
    yield Fact(FINE, "Kubernetes", _version(version.get("gitVersion"), api.host))
    yield _guarded(gettext(_PRODUCTION), lambda: _production(api, labs))
    planes = control_planes(api)
    yield _istio(api, planes)
    if planes:
        yield _guarded(gettext(_SETTINGS), lambda: _mesh_settings(api, planes[0]))
        yield _guarded(gettext(_INGRESS), lambda: _ingress(api))
        yield _guarded(gettext(_EGRESS), lambda: _egress(api))
    for namespace in namespaces:
        yield _guarded(
            gettext(_NAMESPACE, name=namespace),
            partial(_namespace, api, namespace, planes, namespace in plain),
        )
    yield _guarded(gettext(_PERMISSIONS), lambda: _permissions(api, namespaces))


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


def _version(version: str | None, host: str) -> str:
    return gettext("{version} at {host}", version=version or gettext("unknown version"), host=host)


def _production(api: Api, labs: Collection[str]) -> Fact:
    signs = signs_of_production(api, labs)
    if not signs:
        return Fact(FINE, gettext(_PRODUCTION), gettext("nothing here that others depend on"))
    step = gettext("Sure? Then say so: `--yes --production`")
    return Fact(NOTE, gettext(_PRODUCTION), "; ".join(signs), step)


def _istio(api: Api, planes: Sequence[ControlPlane]) -> Fact:
    if not planes:
        return Fact(MISSING, "Istio", gettext("no istiod in istio-system"), _labkit(api, "istio install"))
    first = planes[0]
    seen = ", ".join(
        gettext("{version} (revision {revision})", version=p.version, revision=p.revision) for p in planes
    )
    if not first.ready:
        return Fact(
            MISSING,
            "Istio",
            gettext("{seen}, not ready", seen=seen),
            _kubectl(api, "get pods -n istio-system"),
        )
    if not first.is_new_enough:
        return Fact(MISSING, "Istio", seen, gettext("The book needs 1.20 or newer."))
    return Fact(FINE, "Istio", seen)


def _mesh_settings(api: Api, plane: ControlPlane) -> Fact:
    config = mesh_config(api, plane.config_map)
    policy = (config.get("outboundTrafficPolicy") or {}).get("mode", "ALLOW_ANY")
    logged = has_access_log(api, config)
    log = gettext("access log to standard output") if logged else gettext("access log off")
    what, seen = gettext(_SETTINGS), f"{log}, outboundTrafficPolicy.mode={policy}"
    if not logged:
        step = gettext(
            "Ask for one at the gateways (a Telemetry in istio-system); the lab makes its own namespaces'."
        )
        return Fact(MISSING, what, seen, step)
    if policy != "REGISTRY_ONLY":
        step = gettext("They stay; the lab sets REGISTRY_ONLY for its own namespaces.")
        return Fact(NOTE, what, seen, step)
    return Fact(FINE, what, seen)


def _ingress(api: Api) -> Fact:
    address = find_gateway(api)
    return Fact(FINE, gettext(_INGRESS), f"{address} ({address.via})")


def _egress(api: Api) -> Fact:
    if api.find(DEPLOYMENTS.path("istio-system", "istio-egressgateway")):
        return Fact(FINE, gettext(_EGRESS), "istio-egressgateway")
    return Fact(NOTE, gettext(_EGRESS), gettext("none yet"), gettext("Step 5 makes one."))


def _namespace(api: Api, namespace: str, planes: Sequence[ControlPlane], is_plain: bool) -> Fact:
    what, found = gettext(_NAMESPACE, name=namespace), api.find(NAMESPACES.path("", namespace))
    if found is None:
        if not may_create(api, NAMESPACES):
            return Fact(MISSING, what, gettext("not there, and you may not make it"), _ask_for_rights(api))
        return Fact(NOTE, what, gettext("not there yet"), gettext("The lab makes it."))
    labels = found["metadata"].get("labels") or {}
    key, value = planes[0].injection_label if planes else ("istio-injection", "enabled")
    if is_plain:
        return Fact(FINE, what, gettext("without injection, as it is meant to be"))
    label = f"{key}={value}"
    if labels.get(key) == value:
        return Fact(FINE, what, label)
    return Fact(NOTE, what, gettext("without {label}", label=label), gettext("The lab labels it."))


def _permissions(api: Api, namespaces: Sequence[str]) -> Fact:
    what, wanted = gettext(_PERMISSIONS), [(p, ns) for ns in namespaces for p in IN_THE_LAB]
    wanted += [(p, "istio-system") for p in IN_ISTIO_SYSTEM] + [(p, "") for p in ON_THE_CLUSTER]
    if missing := denied(api, wanted):
        return Fact(MISSING, what, gettext(_NOT_ALLOWED, rights=_some(missing)), _ask_for_rights(api))
    if missing := denied(api, [(p, ns) for ns in namespaces for p in FOR_FAULTS]):
        seen = gettext(
            "all that the steps need, without lab.fault() and Break; not allowed: {rights}",
            rights=_some(missing),
        )
        return Fact(NOTE, what, seen, _ask_for_rights(api))
    return Fact(FINE, what, gettext("all that the lab needs"))


def _record(api: Api, namespace: str) -> Fact:
    """Whether what is done can be recorded in *namespace*, and a report of it signed and verified."""
    what = gettext(_RECORD)
    if api.find(NAMESPACES.path("", namespace)) is None and not may_create(api, NAMESPACES):
        kept = gettext(
            "no namespace {name}: the record stays in a file of this machine, and reports unsigned",
            name=namespace,
        )
        return Fact(NOTE, what, kept, _ask_for_rights(api))
    wanted: list[tuple[Permission, str]] = [(p, namespace) for p in FOR_THE_RECORD]
    if missing := denied(api, [*wanted, *((p, "") for p in FOR_REPORTS)]):
        return Fact(NOTE, what, gettext(_NOT_ALLOWED, rights=_some(missing)), _ask_for_rights(api))
    return Fact(FINE, what, gettext("kept in {namespace}, signed and verified", namespace=namespace))


def _some(missing: Sequence[Denied]) -> str:
    cluster = gettext("the cluster")
    shown = "; ".join(gettext("{right} in {where}", right=p, where=ns or cluster) for p, ns in missing[:4])
    more = len(missing) - 4
    return gettext("{some} and {count} more", some=shown, count=more) if more > 0 else shown
