"""What is known of the proxies: what each answered to what it was sent, and what nobody could be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from labkit.kube.mesh.ways import RuleName
from labkit.language import gettext, ngettext

NOT_ASKED = "NOT ASKED"


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
        lines += [gettext("not in force: {fault}", fault=fault) for fault in self.faults]
        if unasked:
            lines.append(
                ngettext(
                    "not known of {number} proxy: {error}",
                    "not known of {number} proxies: {error}",
                    len(unasked),
                    error=unasked[0].error,
                )
            )
        lines += [
            gettext("refused by {proxy}: {error}", proxy=proxy.proxy, error=proxy.error)
            for proxy in self.refusals
        ]
        return "\n".join(lines)

    def _headline(self, fine: int) -> str:
        if not self.proxies:
            return gettext(
                "no proxy uses it: none is connected, for no pod has a sidecar and no gateway runs"
            )
        if not fine:
            return gettext("no proxy has acknowledged it")
        return ngettext(
            "acknowledged by {number} proxy in {ms:.0f} ms",
            "acknowledged by {number} proxies in {ms:.0f} ms",
            fine,
            ms=1000 * self.seconds,
        )

    def __repr__(self) -> str:
        return str(self)


class Strategy(Protocol):
    """A way to find out what the proxies use."""

    def wait(self, revision: str, timeout: float, rules: Collection[RuleName] = ()) -> tuple[ProxyState, ...]:
        """The proxies, once all have answered everything up to *revision* (empty: all there is now).

        rules: the VirtualServices that were changed, where nothing else was: a proxy shows those.
        WaitTimeout after *timeout* seconds, naming those that have not.
        """

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        """What the last answer said of objects that had to be left out."""


def laggards(proxies: tuple[ProxyState, ...], timeout: float) -> str:
    """Who has not answered, in a sentence."""
    late = [p for p in proxies if p.state not in ("SYNCED", "NACK", "ERROR", NOT_ASKED)]
    names = "; ".join(
        gettext("{proxy} is {state}", proxy=p.proxy, state=p.state) + (f" ({p.error})" if p.error else "")
        for p in late
    )
    return gettext(
        "After {timeout:.0f} s not every proxy has answered: {names}.",
        timeout=timeout,
        names=names or gettext("istiod is still at work"),
    )


def _proxies(count: int) -> str:
    return "proxy" if count == 1 else "proxies"
