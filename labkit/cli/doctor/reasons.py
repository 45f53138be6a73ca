"""Why no answer came, by what was seen on the way: parts of the mesh, the answer, access logs, this host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from labkit.cli.doctor.host import has_address_beside_loopback, tracks_connections
from labkit.errors import LabkitError
from labkit.kube.api.resources import EVENTS, PODS
from labkit.kube.convergence.mesh_health import mesh_troubles
from labkit.kube.pods.endings import why_ended
from labkit.language import gettext
from labkit.traffic.broken_calls import BrokenCall, broken_call, never_arrived
from labkit.traffic.curl import Answer

if TYPE_CHECKING:
    import pandas as pd

    from labkit.kube.api.api import Api, Obj
    from labkit.scenario.data import Scenario

RECENT_SECONDS = 60.0


def why_not_ready(api: Api, problem: str) -> str:
    """Why the mesh did not come up; *problem* is what was waited for."""
    found = [*_ended(api), *_told(api), *_events(api)]
    seen = gettext("seen: {what}", what=found[0]) if found else ""
    return f"{problem}\n    {seen}" if seen else problem


def why_no_answer(api: Api, answer: Answer | LabkitError, scenario: Scenario) -> str:
    """Why *answer* is not the one that was to come."""
    if troubles := list(_told(api)):
        return troubles[0]
    if isinstance(answer, LabkitError):
        return gettext("the gateway runs, and gave no answer: {error}", error=answer)
    call = broken_call([answer.text])
    if call:
        return _why_lost(api, call, scenario)
    said = answer.text or f"HTTP {answer.status}"
    told = gettext("the answer was {said!r};", said=said)
    return f"{told} {_by_the_logs(api)}"


def _why_lost(api: Api, call: BrokenCall, scenario: Scenario) -> str:
    if call.unresolved:
        told = gettext("in a pod the name {host} did not resolve.", host=call.host)
        return f"{told} {_about_names()}"
    known = [one.app for one in scenario.workloads if one.title == call.caller]
    shared = [scenario.find_workload(scenario.sharing.caller).app] if scenario.sharing else []
    lines = _lines(api)
    if lines is not None and any(never_arrived(lines, app) for app in (known or shared)):
        told = gettext(
            "the name {host} resolved, a sidecar took the connection, and it was lost before the sidecar saw "
            "a request ({message}; no line in its access log).",
            host=call.host,
            message=call.message,
        )
        return f"{told} {_about_tracking()}"
    told = gettext(
        "{caller}'s call to {url} failed ({message});",
        caller=call.caller,
        url=call.url,
        message=call.message,
    )
    return f"{told} {_by_the_logs(api)}"


def _about_names() -> str:
    if has_address_beside_loopback():
        return gettext(
            "The node's DNS gave no answer: see `daemon.log` in a cluster of your own (`labkit up`)."
        )
    return gettext("This machine has no address but loopback's (no network, flight mode): a network helps.")


def _about_tracking() -> str:
    if tracks_connections():
        return gettext(
            "This host tracks connections (a NAT or firewall rule of Docker, libvirt, ufw, firewalld or "
            "kube-proxy has it so), and a connection's original destination is then another."
        )
    return gettext("This host does not track connections, so no NAT or firewall rule is behind it.")


def _by_the_logs(api: Api) -> str:
    """What the proxies wrote about requests that failed."""
    from labkit.traffic.failures import failed_lines
    from labkit.traffic.response_flags import why

    lines = _lines(api)
    if lines is None or lines.empty:
        return gettext("no proxy has a line of it in its access log.")
    bad = lines[failed_lines(lines)]
    if bad.empty:
        return gettext("the proxies' access logs have no failure.")
    line = bad.iloc[-1]
    words = why(line["response_flags"], line["route_name"], line["upstream_cluster"])
    told = gettext("the proxy of {pod} logged {code} for it", pod=line["pod"], code=line["response_code"])
    return f"{told}: {words}." if words else f"{told}."


def _lines(api: Api) -> pd.DataFrame | None:
    from labkit.traffic.journal import Journal

    with suppress(LabkitError):
        return Journal(api).recent(RECENT_SECONDS)
    return None


def _told(api: Api) -> Iterator[str]:
    try:
        yield from mesh_troubles(api)
    except LabkitError as error:
        yield str(error)


def _ended(api: Api) -> Iterator[str]:
    """Containers that ended, and how: the signal says more than the state."""
    with suppress(LabkitError):
        for pod in api.items(PODS.path()):
            for status in pod.get("status", {}).get("containerStatuses") or []:
                ended = _last_ending(status)
                if ended and ended.get("exitCode"):
                    where = gettext(
                        "{container} of pod {pod}", container=status["name"], pod=pod["metadata"]["name"]
                    )
                    words = [why_ended(int(ended["exitCode"])), str(ended.get("message") or "").strip()]
                    yield gettext("{where} ended: {how}", where=where, how="; ".join(filter(None, words)))


def _last_ending(status: Obj) -> Obj | None:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    found: Obj | None = state.get("terminated") or last.get("terminated")
    return found


def _events(api: Api) -> Iterator[str]:
    with suppress(LabkitError):
        found = [event for event in api.items(EVENTS.path()) if event.get("type") == "Warning"]
        yield from (str(event.get("message")) for event in reversed(found))
