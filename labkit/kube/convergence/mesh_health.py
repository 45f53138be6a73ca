"""Whether the mesh itself works: nodes, proxies and what the control plane has told them.

Asked of the Kubernetes API, and of each proxy's own health port (15021) by way of it. Nothing is changed
and nothing is sent through the mesh. What is found are sentences that name the part, its state and the
next step; the root comes first. A part that one may not look at is taken for healthy.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import urllib3

from labkit.errors import ApiRefused, ConnectionLost, LabkitError, RequestFailed, WaitFailed
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.conditions import is_true
from labkit.kube.api.listing import items_in
from labkit.kube.api.resources import NODES, PODS
from labkit.kube.convergence.ask_istiod import NoIstiod
from labkit.kube.convergence.convergence import strategy_for
from labkit.kube.pods.endings import why_ended
from labkit.kube.proxies.proxies import CONTAINER, Proxy, proxy_of
from labkit.language import gettext

HEALTH_PORT = 15021
SYNC_SECONDS = 2.0
"""How long a proxy may take to acknowledge what it was sent."""
_PATIENCE = urllib3.Timeout(connect=2.0, read=2.0)
_AT_ONCE = 16
_ATTEMPTS, _PAUSE = 4, 0.3
_SILENT = 2
"""How often no answer comes within the patience until a proxy is said to give none."""


def mesh_troubles(api: Api, namespaces: Sequence[str] = ("",)) -> Iterator[str]:
    """What is broken in the mesh itself, looked at in the order in which one thing stands on another."""
    yield from node_troubles(api)
    yield from proxy_troubles(api, namespaces)
    yield from sync_troubles(api)


def first_trouble(api: Api, namespaces: Sequence[str] = ("",)) -> str:
    """What is broken in the mesh, the root of it; nothing where it works, or where that can't be seen."""
    try:
        return next(mesh_troubles(api, namespaces), "")
    except LabkitError:
        return ""


@contextlib.contextmanager
def mesh_first(api: Api, namespaces: Sequence[str] = ("",)) -> Iterator[None]:
    """Where a wait or a request in here fails while the mesh is broken, that comes first in its sentence."""
    try:
        yield
    except (WaitFailed, RequestFailed) as error:
        why = first_trouble(api, namespaces)
        if not why or why in str(error):
            raise
        raise type(error)(f"{why}\n{error}") from error


def node_troubles(api: Api) -> Iterator[str]:
    """Nodes that run no pods now."""
    try:
        nodes = api.items(NODES.path())
    except ApiRefused as error:
        if error.code != 403:
            raise
        return
    if not nodes:
        yield gettext("The cluster has no node, so no pod runs. `labkit down` and `labkit up` start it anew.")
    for node in nodes:
        if not is_true(node, "Ready"):
            yield (
                gettext(
                    "The node {name} is not Ready{reason}: what its pods do is not known. `kubectl "
                    "describe node` says more; `labkit down` and `labkit up` start yours again.",
                    name=node["metadata"]["name"],
                    reason=_reason(node),
                )
            )


def _reason(node: Obj) -> str:
    conditions = node.get("status", {}).get("conditions") or []
    messages = [one.get("message") for one in conditions if one["type"] == "Ready"]
    return f" ({messages[0]})" if messages and messages[0] else ""


def proxy_troubles(api: Api, namespaces: Sequence[str] = ("",)) -> Iterator[str]:
    """Proxies that ended, or that run and give no answer. One that waits for its configuration is none."""
    pods = [pod for pod in items_in(api, PODS, namespaces) if not pod["metadata"].get("deletionTimestamp")]
    found = list(_states(pods))
    running = [proxy for proxy, state in found if "running" in state]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        silent = dict(zip(running, threads.map(lambda proxy: _silence(api, proxy), running), strict=True))
    for proxy, state in found:
        why = silent.get(proxy) or _ending(state)
        if why:
            yield (
                gettext(
                    "{title} {why}. No request gets through it, whatever the rules say. `kubectl delete "
                    "pod {pod} -n {namespace}` has a new one made.",
                    title=_title(proxy),
                    why=why,
                    pod=proxy.pod,
                    namespace=proxy.namespace,
                )
            )


def _title(proxy: Proxy) -> str:
    pod, namespace = proxy.pod, proxy.namespace
    if proxy.is_gateway:
        return gettext("The gateway proxy of pod {pod} in {namespace}", pod=pod, namespace=namespace)
    return gettext("The sidecar proxy of pod {pod} in {namespace}", pod=pod, namespace=namespace)


def _states(pods: Iterable[Obj]) -> Iterator[tuple[Proxy, Obj]]:
    """Each pod's proxy, and how its container is."""
    for pod in pods:
        proxy = proxy_of(pod)
        if proxy is not None:
            yield proxy, _state(pod)


def _state(pod: Obj) -> Obj:
    status = pod.get("status", {})
    statuses = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    found: Obj = next((one for one in statuses if one["name"] == CONTAINER), {})
    state: Obj = found.get("state") or {}
    return {**state, "last": (found.get("lastState") or {}).get("terminated")}


def _ending(state: Obj) -> str:
    ended = state.get("terminated") or state.get("last")
    if "running" in state or not ended:
        return ""
    return gettext("does not run: {why}", why=why_ended(int(ended.get("exitCode", 0))))


def _silence(api: Api, proxy: Proxy) -> str:
    """What is wrong with a running proxy, by its health port; nothing where it answers, whatever it says."""
    path = f"{PODS.path(proxy.namespace, f'{proxy.pod}:{HEALTH_PORT}')}/proxy/healthz/ready"
    why, lost = "", 0
    for _ in range(_ATTEMPTS):  # one that was just started needs a moment until it listens
        try:
            api.request("GET", path, timeout=_PATIENCE)
        except ConnectionLost:
            lost += 1
            if lost < _SILENT:  # on a crowded machine one answer may be late
                continue
            return gettext("runs and gives no answer (its process is stopped, or has no time to run)")
        except ApiRefused as error:
            if "error trying to reach service" in str(error):
                why = gettext(
                    "runs and can't be reached ({why})",
                    why=str(error).rpartition("service: ")[2],
                )
                time.sleep(_PAUSE)
                continue
        return ""
    return why


def sync_troubles(api: Api, seconds: float = SYNC_SECONDS) -> Iterator[str]:
    """Proxies that have not been told, or have not acknowledged, what the control plane knows."""
    try:
        strategy_for(api).wait("", seconds)
    except NoIstiod as error:
        yield str(error)
    except LabkitError as error:
        yield gettext("{error} Until then they go by older rules. `labkit status` lists them.", error=error)
