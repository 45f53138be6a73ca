"""Wait until every proxy uses what was applied, and see which one refused it.

How to find out is a :class:`Strategy`. :class:`AskIstiod` asks the control plane, through the API
server's pod proxy: istiod's ``/debug/syncz`` says what each proxy was sent and what it acknowledged. The
embedded one also takes a revision of the store and holds the answer back until that revision has reached
everybody, so nothing is polled. An istiod that can't do that, or may not be asked (since 1.27 it asks for
a token), leads to :class:`labkit.kube.ask_proxies.AskProxies`. :func:`strategy_for` finds out which.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import urllib3

from labkit.errors import ApiRefused, ClusterError, ConnectionLost, WaitTimeout
from labkit.kube.api import Api, Obj, Reply
from labkit.kube.conditions import is_serving
from labkit.kube.resources import NAMESPACES, PODS

ISTIOD = ("istio-system", "app=istiod")
NOT_ASKED = "NOT ASKED"
_DEBUG_PORT = 15014


@dataclass(frozen=True)
class ProxyState:
    """One proxy's answer to what it was sent."""

    proxy: str
    """``pod.namespace``."""
    state: str
    """``SYNCED``, ``STALE``, ``NACK``, ``ERROR``, ``NOT SENT``, ``NOT CONNECTED``, ``NOT ASKED``."""
    error: str = ""


@dataclass(frozen=True)
class ObjectFault:
    """An object that no proxy can be told of."""

    kind: str
    namespace: str
    name: str
    effect: str
    """What holds instead: ``it has no effect``, ``its former version stays in force``."""
    error: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}: {self.effect}: {self.error}"


@dataclass(frozen=True, repr=False)
class Acknowledgement:
    """Who uses the new configuration, and how long that took."""

    proxies: tuple[ProxyState, ...]
    seconds: float
    faults: tuple[ObjectFault, ...] = ()
    """What the control plane had to leave out, as far as it says so."""

    @property
    def refusals(self) -> tuple[ProxyState, ...]:
        """The proxies that refused it, or could not be given it; each has its ``error``."""
        return tuple(proxy for proxy in self.proxies if proxy.state in ("NACK", "ERROR"))

    def __str__(self) -> str:
        unasked = [proxy for proxy in self.proxies if proxy.state == NOT_ASKED]
        lines = [self._headline(len(self.proxies) - len(self.refusals) - len(unasked))]
        lines += [f"not in force: {fault}" for fault in self.faults]
        if unasked:
            lines.append(f"not known of {len(unasked)} {_proxies(len(unasked))}: {unasked[0].error}")
        lines += [f"refused by {proxy.proxy}: {proxy.error}" for proxy in self.refusals]
        return "\n".join(lines)

    def _headline(self, fine: int) -> str:
        if not self.proxies:
            return "no proxy uses it: none is connected, for no pod has a sidecar and no gateway runs"
        if not fine:
            return "no proxy has acknowledged it"
        return f"acknowledged by {fine} {_proxies(fine)} in {1000 * self.seconds:.0f} ms"

    def __repr__(self) -> str:
        return str(self)


class Strategy(Protocol):
    """A way to find out what the proxies use."""

    def wait(self, revision: str, timeout: float) -> tuple[ProxyState, ...]:
        """The proxies, once all have answered everything up to *revision* (empty: all there is now).

        WaitTimeout after *timeout* seconds, naming those that have not.
        """

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        """What the last answer said of objects that had to be left out."""


class NoRevisions(ClusterError):  # noqa: N818
    """This istiod does not say up to which revision its proxies are."""


class NoIstiod(WaitTimeout):
    """No istiod runs here."""


class Chosen:
    """Asks istiod where that helps, and else the proxies of *namespaces*."""

    def __init__(self, api: Api, namespaces: Sequence[str]) -> None:
        self._api, self._namespaces = api, namespaces
        self._strategy: Strategy = AskIstiod(api)

    def wait(self, revision: str, timeout: float) -> tuple[ProxyState, ...]:
        try:
            return self._strategy.wait(revision, timeout)
        except (NoRevisions, NoIstiod, ApiRefused, ConnectionLost) as error:
            if not isinstance(self._strategy, AskIstiod) or not self._may_change(error):
                raise
        from labkit.kube.ask_proxies import AskProxies

        self._strategy = AskProxies(self._api, self._namespaces)
        return self._strategy.wait(revision, timeout)

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        return self._strategy.faults

    def _may_change(self, error: Exception) -> bool:
        """A refusal of the book's own istiod passes: it is being restarted."""
        return self._api.shared or isinstance(error, NoRevisions)

    def close(self) -> None:
        """Nothing is held."""


def strategy_for(api: Api, namespaces: Sequence[str] = ("",)) -> Strategy:
    """The way to find out on this cluster; one for each connection.

    namespaces: where proxies are of interest, as whoever asks first says.
    """
    return api.keep("convergence", lambda: Chosen(api, namespaces))


class AskIstiod:
    """Long polls of istiod's ``/debug/syncz``."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._path = ""
        self._faults: tuple[ObjectFault, ...] = ()

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        return self._faults

    def wait(self, revision: str, timeout: float) -> tuple[ProxyState, ...]:
        deadline = time.monotonic() + timeout
        revision = revision or current_revision(self._api)
        while True:
            left = max(0.0, deadline - time.monotonic())
            report = self._ask(revision, left)
            if report.get("converged"):
                self._faults = _faults(report)
                return _states(report)
            if time.monotonic() >= deadline:
                raise WaitTimeout(laggards(_states(report), timeout))

    def _ask(self, revision: str, seconds: float) -> Obj:
        query = {"revision": revision, "timeout": f"{seconds:.3f}"}
        patience = urllib3.Timeout(connect=5.0, read=seconds + 10.0)
        for attempt in ("the pod known", "a fresh look"):
            path = self._path or self._find()
            try:
                return _report(self._api.request("GET", path, query=query, timeout=patience))
            except ApiRefused:
                self._path = ""  # istiod may have been restarted, with another name
                if attempt == "a fresh look":
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _find(self) -> str:
        namespace, selector = ISTIOD
        pods = self._api.items(PODS.path(namespace), labelSelector=selector)
        running = [pod for pod in pods if is_serving(pod)]
        if not running:
            raise NoIstiod("istiod is not running, so no proxy learns of the change. See lab.pods().")
        pod = PODS.path(namespace, f"{running[0]['metadata']['name']}:{_DEBUG_PORT}")
        self._path = f"{pod}/proxy/debug/syncz"
        return self._path


def wait_for_proxies(
    api: Api, revision: str = "", *, strategy: Strategy | None = None, timeout: float = 30.0
) -> Acknowledgement:
    """Wait until every proxy has answered everything up to *revision* (default: all there is now)."""
    started = time.perf_counter()
    strategy = strategy or strategy_for(api)
    proxies = strategy.wait(revision, timeout)
    return Acknowledgement(proxies, time.perf_counter() - started, strategy.faults)


def current_revision(api: Api) -> str:
    """The newest resourceVersion of the cluster."""
    return str(api.get(NAMESPACES.path(), limit=1)["metadata"]["resourceVersion"])


def _report(reply: Reply) -> Obj:
    try:
        report = reply.object
    except ValueError:
        report = {}
    if not isinstance(report, dict) or "converged" not in report:  # a real one sends a list
        raise NoRevisions("istiod does not say which revision its proxies have.")
    return report


def _states(report: Mapping[str, Any]) -> tuple[ProxyState, ...]:
    entries = report.get("proxies") or []
    return tuple(ProxyState(entry["proxy"], entry["state"], entry.get("error") or "") for entry in entries)


def _faults(report: Mapping[str, Any]) -> tuple[ObjectFault, ...]:
    names = [field.name for field in fields(ObjectFault)]
    found = report.get("objects") or []
    return tuple(ObjectFault(**{name: str(entry.get(name, "")) for name in names}) for entry in found)


def laggards(proxies: tuple[ProxyState, ...], timeout: float) -> str:
    """Who has not answered, in a sentence."""
    late = [p for p in proxies if p.state not in ("SYNCED", "NACK", "ERROR", NOT_ASKED)]
    names = "; ".join(f"{p.proxy} is {p.state}{f' ({p.error})' if p.error else ''}" for p in late)
    return f"After {timeout:.0f} s not every proxy has answered: {names or 'istiod is still at work'}."


def _proxies(count: int) -> str:
    return "proxy" if count == 1 else "proxies"
