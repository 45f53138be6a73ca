"""What is broken in the mesh itself: then no hint speaks of weights or manifests.

Three ways of looking: what the nodes and proxies say (:mod:`labkit.kube.convergence.mesh_health`), what the
answers say (a call that failed without an HTTP answer), and what the access logs say of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.errors import LabkitError
from labkit.kube.api.resources import SERVICES
from labkit.kube.convergence.mesh_health import node_troubles, proxy_troubles, sync_troubles
from labkit.language import gettext, gettext_noop
from labkit.scenario.cast import Workload
from labkit.scenario.checks import Finding
from labkit.scenario.hints.look import Fault, Look
from labkit.traffic.broken_calls import BrokenCall, broken_call, never_arrived
from labkit.traffic.journal import Journal

RECENT_SECONDS = 120.0
"""How far back the access logs are read for calls that a check has just seen fail."""
_DOCTOR = gettext_noop("`labkit doctor`, typed in a terminal, says what it is.")


def part_faults(look: Look) -> Iterator[Fault]:
    """Nodes and proxies that do not work."""
    yield from map(_of_the_mesh, _told(node_troubles(look.api)))
    yield from map(_of_the_mesh, _told(proxy_troubles(look.api, look.learner.places(look.api))))


def way_faults(look: Look, findings: Iterable[Finding]) -> Iterator[Fault]:
    """What the parts, all running, do not bring about: rules that reach proxies, calls that reach them."""
    yield from map(_of_the_mesh, _told(sync_troubles(look.api)))
    call = broken_call(finding.seen for finding in findings if not finding.holds)
    if call and (why := _lost(look, call)):
        yield _of_the_mesh(why)


def _of_the_mesh(text: str) -> Fault:
    return Fault(text, 0, "", of_mesh=True)


def _told(troubles: Iterator[str]) -> Iterator[str]:
    try:
        yield from troubles
    except LabkitError as error:
        yield str(error)


def _lost(look: Look, call: BrokenCall) -> str:
    """Why *call* failed, if that was the mesh's own fault."""
    caller = next((one for one in look.learner.scenario.workloads if one.title == call.caller), None)
    if caller is None:
        return ""
    if call.unresolved:
        return _unresolved(look, call, caller)
    journal = Journal(look.api, namespaces=look.learner.places(look.api))
    if not never_arrived(journal.recent(RECENT_SECONDS), caller.app):
        return ""
    return gettext(
        "{caller}'s call to {url} failed ({message}), and its own proxy has no line of it in "
        "its access log: it was lost between the two, where no rule has a say. This is the "
        "mesh itself, or this machine, not something that you applied. {doctor}",
        caller=call.caller,
        url=call.url,
        message=call.message,
        doctor=_DOCTOR,
    )


def _unresolved(look: Look, call: BrokenCall, caller: Workload) -> str:
    name, _, rest = call.host.partition(".")
    namespace = rest.partition(".")[0] or look.namespace_of(caller)
    if look.find(SERVICES, namespace, name) is None:
        return ""
    return gettext(
        "{host} is a Service of {namespace}, and {caller} could not resolve its name all the "
        "same: the cluster's DNS does not work, and nothing that you applied is to blame. "
        "{doctor}",
        host=call.host,
        namespace=namespace,
        caller=call.caller,
        doctor=_DOCTOR,
    )
