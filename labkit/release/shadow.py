"""The shadow phase: before anybody is exposed, the rule mirrors requests to the newcomer.

Its answers go nowhere, so nobody is hurt by them; errors and latency of the copies are judged by the same
tests and limits as those of the requests later on (:mod:`labkit.release.copies`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from labkit.errors import UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.mesh.backends import pods_behind
from labkit.kube.mesh.destinations import Destination
from labkit.kube.proxies.proxies import find_proxies
from labkit.language import gettext
from labkit.release.rule import Rule
from labkit.traffic.numbers import number


@dataclass(frozen=True)
class Shadow:
    """How requests are copied while the phase lasts."""

    share: float
    """Of the requests, 0 to 1."""
    fields: Obj | None
    """What the rule says of copies meanwhile (:attr:`Rule.mirroring`); None where its own mirror does it."""

    @property
    def percent(self) -> float:
        """The share as ``mirrorPercentage`` has it."""
        return round(100 * self.share, 4)


def share_asked(shadow: bool | float) -> float | None:
    """*shadow* as a share of the requests, 0 to 1: True for all of them, else so many per cent; or None.

    Raises UsageError for what is no share.
    """
    if isinstance(shadow, bool):
        return 1.0 if shadow else None
    percent = number("shadow", shadow)
    if not 0 < percent <= 100:
        raise UsageError(
            gettext(
                "shadow= is the share of requests that are copied, more than 0 and at most 100, not "
                "{percent:g}.",
                percent=percent,
            )
        )
    return percent / 100


def planned(rule: Rule, to: Destination, written: Obj, share: float, *, title: str) -> Shadow:
    """How *rule* copies that *share* of its requests to its destination *to*, which it writes as *written*.

    Raises UsageError where it can't, or where it would make no sense.
    """
    weights = dict(zip(rule.destinations, rule.shares, strict=True))
    if weights.get(to):
        raise UsageError(
            gettext(
                "{title} gets {weight:.0f} of 100 requests already, so it is too late for a shadow phase: "
                "leave out shadow=, or take its weight away first.",
                title=title,
                weight=100 * weights[to],
            )
        )
    if own := next((share for one, share in rule.mirrors.items() if share and one.takes(to)), None):
        return Shadow(own, None)
    fields, percentage = dict(rule.mirroring), {"value": round(100 * share, 4)}
    if rule.mirroring.get("mirrors"):
        copied = {"destination": written, "percentage": percentage}
        return Shadow(share, fields | {"mirrors": [*fields["mirrors"], copied]})
    if rule.mirroring.get("mirror"):
        (other,) = rule.mirrors
        raise UsageError(
            gettext(
                "{rule} mirrors its requests to {other} already, and `mirror` has room for one: "
                "write it as `mirrors`, a list, and there is room for the shadow phase, too; or "
                "leave out shadow=.",
                rule=rule.name,
                other=other,
            )
        )
    return Shadow(share, {"mirror": written, "mirrorPercentage": percentage})


def check_that_copies_are_seen(
    api: Api, to: Destination, caller: str, namespaces: Collection[str], *, title: str
) -> None:
    """Raise UsageError where no proxy would write of copies that the namespace *caller* sends to *to*."""
    pods = pods_behind(api, to, caller)
    if pods is None:
        raise UsageError(
            gettext(
                "{title} ({to}) is no Service with pods of its own, so no proxy here sees the "
                "copies, and nothing could be judged by them: leave out shadow=.",
                title=title,
                to=to,
            )
        )
    proxies = {(proxy.namespace, proxy.pod) for proxy in find_proxies(api, list(namespaces))}
    names = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
    if names and not names & proxies:
        raise UsageError(
            gettext(
                "No pod of {title} has a sidecar whose log is read here, so nobody would see the "
                "copies: give it one (label its namespace istio-injection=enabled, make its pods "
                "anew), or leave out shadow=.",
                title=title,
            )
        )
