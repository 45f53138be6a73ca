"""Wait until every proxy uses what was applied, and see which one refused it.

The control plane is asked, through the API server's pod proxy: istiod's ``/debug/syncz`` says what each
proxy was sent and what it acknowledged. The embedded one also takes a revision of the store and holds
the answer back until that revision has reached everybody, so nothing is polled. How to find out is a
:class:`Strategy`; another kind of control plane gets another one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import urllib3

from labkit.errors import ApiRefused, WaitTimeout
from labkit.kube.api import Api, Obj
from labkit.kube.resources import PODS

ISTIOD = ("istio-system", "app=istiod")
_DEBUG_PORT = 15014


@dataclass(frozen=True)
class ProxyState:
    """One proxy's answer to what it was sent."""

    proxy: str
    """``pod.namespace``."""
    state: str
    """``SYNCED``, ``STALE``, ``NACK``, ``ERROR``, ``NOT SENT``, ``NOT CONNECTED``."""
    error: str = ""


@dataclass(frozen=True, repr=False)
class Acknowledgement:
    """Who uses the new configuration, and how long that took."""

    proxies: tuple[ProxyState, ...]
    seconds: float

    @property
    def refusals(self) -> tuple[ProxyState, ...]:
        """The proxies that refused it, or could not be given it; each has its ``error``."""
        return tuple(proxy for proxy in self.proxies if proxy.state in ("NACK", "ERROR"))

    def __str__(self) -> str:
        if not self.proxies:
            return "no proxy is connected"
        refused = {proxy.proxy for proxy in self.refusals}
        fine = len(self.proxies) - len(refused)
        lines = [f"acknowledged by {fine} {_proxies(fine)} in {1000 * self.seconds:.0f} ms"]
        lines += [f"refused by {proxy.proxy}: {proxy.error}" for proxy in self.refusals]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


class Strategy(Protocol):
    """A way to find out what the proxies use."""

    def wait(self, revision: str, timeout: float) -> tuple[ProxyState, ...]:
        """The proxies, once all have answered everything up to *revision*.

        WaitTimeout after *timeout* seconds, naming those that have not.
        """


class AskIstiod:
    """Long polls of istiod's ``/debug/syncz``."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._path = ""

    def wait(self, revision: str, timeout: float) -> tuple[ProxyState, ...]:
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            report = self._ask(revision, left)
            if report.get("converged"):
                return _states(report)
            if time.monotonic() >= deadline:
                raise WaitTimeout(_laggards(_states(report), timeout))

    def _ask(self, revision: str, seconds: float) -> Obj:
        query = {"revision": revision, "timeout": f"{seconds:.3f}"}
        patience = urllib3.Timeout(connect=5.0, read=seconds + 10.0)
        for attempt in ("the pod known", "a fresh look"):
            path = self._path or self._find()
            try:
                return self._api.request("GET", path, query=query, timeout=patience).object
            except ApiRefused:
                self._path = ""  # istiod may have been restarted, with another name
                if attempt == "a fresh look":
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _find(self) -> str:
        namespace, selector = ISTIOD
        pods = self._api.items(PODS.path(namespace), labelSelector=selector)
        running = [pod for pod in pods if _is_ready(pod)]
        if not running:
            raise WaitTimeout("istiod is not running, so no proxy learns of the change. See lab.pods().")
        pod = PODS.path(namespace, f"{running[0]['metadata']['name']}:{_DEBUG_PORT}")
        self._path = f"{pod}/proxy/debug/syncz"
        return self._path


def wait_for_proxies(
    api: Api, revision: str = "", *, strategy: Strategy | None = None, timeout: float = 30.0
) -> Acknowledgement:
    """Wait until every proxy has answered everything up to *revision* (default: all there is now)."""
    started = time.perf_counter()
    proxies = (strategy or AskIstiod(api)).wait(revision or current_revision(api), timeout)
    return Acknowledgement(proxies, time.perf_counter() - started)


def current_revision(api: Api) -> str:
    """The newest resourceVersion of the cluster."""
    return str(api.get(PODS.path("kube-public"), limit=1)["metadata"]["resourceVersion"])


def _states(report: Mapping[str, Any]) -> tuple[ProxyState, ...]:
    entries = report.get("proxies") or []
    return tuple(ProxyState(entry["proxy"], entry["state"], entry.get("error") or "") for entry in entries)


def _laggards(proxies: tuple[ProxyState, ...], timeout: float) -> str:
    late = [p for p in proxies if p.state not in ("SYNCED", "NACK", "ERROR")]
    names = "; ".join(f"{p.proxy} is {p.state}{f' ({p.error})' if p.error else ''}" for p in late)
    return f"After {timeout:.0f} s not every proxy has answered: {names or 'istiod is still at work'}."


def _is_ready(pod: Obj) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _proxies(count: int) -> str:
    return "proxy" if count == 1 else "proxies"
