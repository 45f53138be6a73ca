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
    return f"{problem}\n    seen: {found[0]}" if found else problem


def why_no_answer(api: Api, answer: Answer | LabkitError, scenario: Scenario) -> str:
    """Why *answer* is not the one that was to come."""
    if troubles := list(_told(api)):
        return troubles[0]
    if isinstance(answer, LabkitError):
        return f"the gateway runs, and gave no answer: {answer}"
    call = broken_call([answer.text])
    if call:
        return _why_lost(api, call, scenario)
    return f"the answer was {answer.text or f'HTTP {answer.status}'!r}; {_by_the_logs(api)}"


def _why_lost(api: Api, call: BrokenCall, scenario: Scenario) -> str:
    if call.unresolved:
        return f"in a pod the name {call.host} did not resolve. {_about_names()}"
    known = [one.app for one in scenario.workloads if one.title == call.caller]
    shared = [scenario.find_workload(scenario.sharing.caller).app] if scenario.sharing else []
    lines = _lines(api)
    if lines is not None and any(never_arrived(lines, app) for app in (known or shared)):
        return (
            f"the name {call.host} resolved, a sidecar took the connection, and it was lost before the "
            f"sidecar saw a request ({call.message}; no line in its access log). {_about_tracking()}"
        )
    return f"{call.caller}'s call to {call.url} failed ({call.message}); {_by_the_logs(api)}"


def _about_names() -> str:
    if has_address_beside_loopback():
        return "The node's DNS gave no answer: see daemon.log in a cluster of your own (`labkit up`)."
    return "This machine has no address but loopback's (no network, flight mode): a network helps."


def _about_tracking() -> str:
    if tracks_connections():
        return (
            "This host tracks connections (a NAT or firewall rule of Docker, libvirt, ufw, firewalld or "
            "kube-proxy has it so), and a connection's original destination is then another."
        )
    return "This host does not track connections, so no NAT or firewall rule is behind it."


def _by_the_logs(api: Api) -> str:
    """What the proxies wrote about requests that failed."""
    from labkit.traffic.failures import failed_lines
    from labkit.traffic.response_flags import why

    lines = _lines(api)
    if lines is None or lines.empty:
        return "no proxy has a line of it in its access log."
    bad = lines[failed_lines(lines)]
    if bad.empty:
        return "the proxies' access logs have no failure."
    line = bad.iloc[-1]
    words = why(line["response_flags"], line["route_name"], line["upstream_cluster"])
    return f"the proxy of {line['pod']} logged {line['response_code']} for it{f': {words}' if words else ''}."


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
                    where = f"{status['name']} of pod {pod['metadata']['name']}"
                    words = [why_ended(int(ended["exitCode"])), str(ended.get("message") or "").strip()]
                    yield f"{where} ended: {'; '.join(word for word in words if word)}"


def _last_ending(status: Obj) -> Obj | None:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    found: Obj | None = state.get("terminated") or last.get("terminated")
    return found


def _events(api: Api) -> Iterator[str]:
    with suppress(LabkitError):
        found = [event for event in api.items(EVENTS.path()) if event.get("type") == "Warning"]
        yield from (str(event.get("message")) for event in reversed(found))
