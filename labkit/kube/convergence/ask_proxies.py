"""Who uses what was applied, asked of the proxies themselves: works with any istiod, and with none in sight.

A real istiod says of each proxy whether what it sent was acknowledged, not whether it has sent what was
applied a moment ago (its versions and nonces name a push, not what is in it). So each proxy is asked for
what it uses, over a connection that is kept, all at once:
:class:`labkit.kube.proxies.proxy_view.ProxyView` reads what has changed, :class:`.evidence.Evidence` says
when that is everything. In a mesh of hundreds of Services one proxy is read for all that have as many
routes, see :class:`.leading.Led`.

A listener that a proxy refused stands beside what it uses, with the reason (``error_state``). Of other
things it refuses only its silence tells, and when time is up the sentence says what it has not.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from labkit.errors import ApiRefused, LabkitError, WaitTimeout
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.convergence.acknowledgement import NOT_ASKED, ObjectFault, ProxyState, laggards
from labkit.kube.convergence.evidence import Evidence
from labkit.kube.convergence.leading import Led
from labkit.kube.convergence.pushes import Pushes
from labkit.kube.mesh.ways import RuleName, Wanted, wanted_by
from labkit.kube.proxies.proxies import Proxy, find_proxies
from labkit.kube.proxies.proxy_admin import AdminRefused, ask_with_size
from labkit.kube.proxies.proxy_view import Allowance, ProxyView

_UNASKED = 3.0  # seconds that are waited where no proxy may be asked
_PAUSE = 0.015  # between two looks; as long as a look takes where that is longer
_REFRESH = 0.5  # seconds after which pods and VirtualServices are looked up again
_AT_ONCE = 16


@dataclass(frozen=True)
class _Seen:
    """One proxy at one look."""

    state: ProxyState
    fingerprint: object = None
    wrong: frozenset[RuleName] = frozenset()
    is_read: bool = True


class AskProxies:
    """Looks at every proxy of *namespaces* (by default of all) until each has everything."""

    def __init__(self, api: Api, namespaces: Sequence[str] = ("",)) -> None:
        self._api, self._namespaces = api, namespaces
        self._views: dict[Proxy, ProxyView] = {}
        self._pushes = Pushes(api)

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        """None: a proxy does not know what it was not told."""
        return ()

    def wait(self, revision: str, timeout: float, rules: Collection[RuleName] = ()) -> tuple[ProxyState, ...]:
        """See :class:`.acknowledgement.Strategy`; a *revision* means nothing to a proxy."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return self._wait(threads, timeout, rules)

    def _wait(
        self, threads: ThreadPoolExecutor, timeout: float, rules: Collection[RuleName]
    ) -> tuple[ProxyState, ...]:
        started = refreshed = time.monotonic()
        wanted, evidence = self._refresh(), Evidence(rules, started)
        led = self._led(rules)
        known = [view for proxy, view in self._views.items() if led.tells(proxy)]
        evidence.remember(_all(threads.map(partial(_faults, wanted=wanted), known)))
        while True:
            began = time.monotonic()
            seen = self._look(threads, wanted, led, endpoints=not rules)
            states = tuple(each.state for each in seen.values())
            evidence.add(_fingerprints(seen), _wrong(seen), time.monotonic(), telling=_wrong(seen, led))
            if _is_over(seen.values(), evidence, began, began - started) and led.have_what_it_has(seen):
                return states
            if began - started >= timeout:
                raise WaitTimeout(laggards(states, timeout))
            if all(each.is_read for each in seen.values()):
                time.sleep(max(_PAUSE, time.monotonic() - began))
            if began - refreshed >= _REFRESH:
                refreshed, wanted = began, self._refresh()

    def _refresh(self) -> Wanted:
        """The proxies that are there now, and what the VirtualServices say now."""
        found = find_proxies(self._api, self._namespaces)
        found.sort(key=lambda proxy: (proxy.namespace, proxy.pod))
        self._views = {proxy: self._views.get(proxy) or self._view(proxy) for proxy in found}
        return self._wanted()

    def _view(self, proxy: Proxy) -> ProxyView:
        return ProxyView(partial(ask_with_size, self._api, proxy), self._namespaces)

    def _look(
        self, threads: ThreadPoolExecutor, wanted: Wanted, led: Led, *, endpoints: bool
    ) -> dict[Proxy, _Seen]:
        """Every proxy, all at once; those whose pod went away meanwhile are no longer of interest."""
        views, allowance = dict(self._views), Allowance()
        look = partial(_look_at, led=led, wanted=wanted, allowance=allowance, endpoints=endpoints)
        found = threads.map(look, views, views.values())
        return {proxy: seen for proxy, seen in zip(views, found, strict=True) if seen is not None}

    def _led(self, rules: Collection[RuleName]) -> Led:
        """Who is read for whom, where *rules* alone were changed."""
        sizes = {proxy: _size(view, rules) for proxy, view in self._views.items()} if rules else {}
        return Led(sizes, self._pushes)

    def _wanted(self) -> Wanted:
        """What the VirtualServices say of each namespace whose VirtualServices may be read."""
        objects: list[Obj] = []
        known: list[str] = []
        for namespace in self._namespaces:
            try:
                found = self._api.items(VIRTUAL_SERVICES.path(namespace))
            except ApiRefused as error:
                if error.code != 403:
                    raise
                continue
            known.append(namespace)
            objects += found
        return wanted_by(objects, known)


def _look_at(
    proxy: Proxy, view: ProxyView, *, led: Led, wanted: Wanted, allowance: Allowance, endpoints: bool
) -> _Seen | None:
    name = f"{proxy.pod}.{proxy.namespace}"
    try:
        with view.lock:
            if proxy in led.others:
                view.listen()
                return _heard(name, view)
            view.look(allowance, endpoints=endpoints)
            return _seen(name, view, view.faults(wanted))
    except LabkitError as error:
        gone = isinstance(error, AdminRefused) and error.is_gone
        return None if gone else _Seen(ProxyState(name, NOT_ASKED, str(error)))


def _heard(name: str, view: ProxyView) -> _Seen:
    """One that is not read: whether it has all, its leader and istiod say."""
    refusals = "; ".join(view.refusals())
    return _Seen(ProxyState(name, "NACK" if refusals else "SYNCED", refusals), view.heard)


def _seen(name: str, view: ProxyView, wrong: dict[RuleName, str]) -> _Seen:
    state, why = "SYNCED", ""
    if refusals := view.refusals():
        state, why = "NACK", "; ".join(refusals)
    elif wrong or not view.is_read:
        state, why = "STALE", next(iter(wrong.values()), "not all of its routes were read yet")
    return _Seen(ProxyState(name, state, why), view.fingerprint, frozenset(wrong), view.is_read)


def _size(view: ProxyView, rules: Collection[RuleName]) -> int:
    with view.lock:
        return view.size_of(rules)


def _faults(view: ProxyView, wanted: Wanted) -> frozenset[RuleName]:
    """What was wrong with it by *wanted* when it was last seen, as far as that is known."""
    try:
        with view.lock:
            return frozenset(view.faults(wanted))
    except LabkitError:
        return frozenset()


def _wrong(seen: Mapping[Proxy, _Seen], led: Led | None = None) -> frozenset[RuleName]:
    """What some of *seen* do not follow; with *led*, some that tell it."""
    return _all(each.wrong for proxy, each in seen.items() if led is None or led.tells(proxy))


def _all(some: Iterable[frozenset[RuleName]]) -> frozenset[RuleName]:
    return frozenset().union(*some)


def _fingerprints(seen: Mapping[Proxy, _Seen]) -> object:
    return {proxy: each.fingerprint for proxy, each in seen.items()}


def _is_over(seen: Collection[_Seen], evidence: Evidence, began: float, waited: float) -> bool:
    """Whether nobody is late and nothing is to come; longer is waited where one can only hope."""
    states = {each.state.state for each in seen}
    if not all(each.is_read for each in seen) or (NOT_ASKED in states and waited < _UNASKED):
        return False
    return evidence.is_decisive or ("STALE" not in states and evidence.is_settled(began))
