"""The Envoys of the mesh, as pods show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.errors import WaitFailed
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.listing import items_in
from labkit.kube.api.resources import PODS
from labkit.language import gettext

CONTAINER = "istio-proxy"


@dataclass(frozen=True)
class Proxy:
    """One Envoy: the container ``istio-proxy`` of one pod."""

    namespace: str
    pod: str
    ip: str
    app: str
    """The pod's label ``app``: what ``kubectl logs -l app=…`` selects."""
    is_gateway: bool
    """Whether it is the whole pod (`proxy router`), not a sidecar."""


def find_proxies(api: Api, namespaces: Sequence[str] = ("",)) -> list[Proxy]:
    """Every proxy of *namespaces* (by default of all) whose pod has an address."""
    pods = items_in(api, PODS, namespaces)
    return [proxy for pod in pods if (proxy := proxy_of(pod)) is not None]


def proxies_of(api: Api, app: str, namespace: str) -> list[Proxy]:
    """Those of the pods labelled ``app=…``; WaitFailed where there is none."""
    found = [proxy for proxy in find_proxies(api, [namespace]) if proxy.app == app]
    if not found:
        raise WaitFailed(
            gettext(
                "No pod labelled app={app} with a proxy is in {namespace} now. See lab.pods().",
                app=app,
                namespace=namespace,
            )
        )
    return found


def proxy_of(pod: Obj) -> Proxy | None:
    """The proxy in *pod*, as a container or (native sidecar) as an init container that stays."""
    spec, ip = pod["spec"], pod.get("status", {}).get("podIP")
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    found = next((c for c in containers if c["name"] == CONTAINER), None)
    if found is None or not ip:
        return None
    metadata = pod["metadata"]
    return Proxy(
        namespace=metadata["namespace"],
        pod=metadata["name"],
        ip=ip,
        app=(metadata.get("labels") or {}).get("app", ""),
        is_gateway="router" in (found.get("args") or []),
    )
