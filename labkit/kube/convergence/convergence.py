"""Wait until every proxy uses what was applied, and see which one refused it.

How to find out is a :class:`.acknowledgement.Strategy`. The control plane is asked first
(:class:`.ask_istiod.AskIstiod`). An istiod that can't say which revision its proxies have, or
may not be asked (since 1.27 it asks for a token), leads to the proxies themselves
(:class:`.ask_proxies.AskProxies`). :func:`strategy_for` finds out which.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from labkit.errors import ApiRefused, ConnectionLost
from labkit.kube.api.api import Api
from labkit.kube.convergence.acknowledgement import Acknowledgement, ObjectFault, ProxyState, Strategy
from labkit.kube.convergence.ask_istiod import AskIstiod, NoIstiod, NoRevisions
from labkit.kube.convergence.ask_proxies import AskProxies
from labkit.kube.mesh.ways import RuleName


class Chosen:
    """Asks istiod where that helps, and else the proxies of *namespaces*."""

    def __init__(self, api: Api, namespaces: Sequence[str]) -> None:
        self._api, self._namespaces = api, namespaces
        self._strategy: Strategy = AskIstiod(api)

    def wait(self, revision: str, timeout: float, rules: Collection[RuleName] = ()) -> tuple[ProxyState, ...]:
        try:
            return self._strategy.wait(revision, timeout, rules)
        except (NoRevisions, NoIstiod, ApiRefused, ConnectionLost) as error:
            if not isinstance(self._strategy, AskIstiod) or not self._may_change(error):
                raise
        self._strategy = AskProxies(self._api, self._namespaces)
        return self._strategy.wait(revision, timeout, rules)

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


def wait_for_proxies(
    api: Api,
    revision: str = "",
    *,
    rules: Collection[RuleName] = (),
    strategy: Strategy | None = None,
    timeout: float = 30.0,
) -> Acknowledgement:
    """Wait until every proxy has answered everything up to *revision* (default: all there is now).

    rules: name and namespace of the VirtualServices that were changed, where nothing else was.
    """
    started = time.perf_counter()
    strategy = strategy or strategy_for(api)
    proxies = strategy.wait(revision, timeout, rules)
    return Acknowledgement(proxies, time.perf_counter() - started, strategy.faults)
