"""What a learner has made of the task about the two legs of a call that leaves the mesh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.book import wanted
from labkit.book.checks import SERVICE_C
from labkit.book.tasks import HALF_A_SECOND
from labkit.kube.api.api import Obj
from labkit.kube.mesh.virtual_services import entries
from labkit.language import gettext
from labkit.release.finding import Calls, find_rule
from labkit.scenario.cast import EGRESS
from labkit.scenario.hints.doors import rules_of_learner
from labkit.scenario.hints.look import Fault, Look, nothing_yet
from labkit.scenario.hints.routing import MESH, rule_faults
from labkit.scenario.personal import INGRESS_HOST

_TWO_SECONDS = 2000.0
"""Milliseconds for which the egress gateway is to hold a call back."""


def slow_outside(look: Look) -> Iterator[Fault]:
    inner, outer = _inner_leg(look), _outer_leg(look)
    if inner is None or outer is None:
        yield from rule_faults(look, wanted.egress_rule(look.learner), 5)
        missing = MESH if inner is None else EGRESS.name
        text = gettext(
            "No rule in {home} takes the calls at {missing} any more. Take both legs from "
            "outbound-srv-c-to-service-ext-vs.yml, and add to them.",
            home=look.learner.home,
            missing=missing,
        )
        yield Fault(text, 5)
        return
    timeout, delay = list(_timeout(inner, outer)), list(_delay(inner, outer))
    yield from (Fault(text, 5, about="delay") for text in delay)
    yield from (Fault(text, 5) for text in (*timeout, *delay))


def _inner_leg(look: Look) -> Obj | None:
    """What ServiceC's own sidecar does with its calls."""
    home = look.learner.home
    found = find_rule(look.api, Calls(INGRESS_HOST, home, labels=lambda: {"app": SERVICE_C.app}))
    return entries(found.object)[found.route] if found else None


def _outer_leg(look: Look) -> Obj | None:
    """What the egress gateway does with them."""
    name, home = EGRESS.name, look.learner.home
    hosts = {INGRESS_HOST, look.learner.host}
    for rule in rules_of_learner(look):
        gateways = [one.removeprefix(f"{home}/") for one in rule["spec"].get("gateways") or []]
        if name in gateways and hosts & set(rule["spec"].get("hosts") or []):
            for http in entries(rule):
                if any(name in (match.get("gateways") or gateways) for match in http.get("match") or [{}]):
                    return http
    return None


def _timeout(inner: Obj, outer: Obj) -> Iterator[str]:
    given = inner.get("timeout")
    if given is None and outer.get("timeout"):
        yield gettext(
            "`timeout` stands in the rule of the egress gateway; it is the caller that shall give up: put it "
            "into the rule that matches `mesh`."
        )
    elif given is None:
        yield nothing_yet(
            gettext("The rule that matches `mesh` has no `timeout` yet: callers wait as long as it takes."),
            gettext("Write `timeout: 0.5s` into it."),
        )
    elif milliseconds(str(given)) != HALF_A_SECOND:
        yield gettext(
            "The rule that matches `mesh` has `timeout: {given}`, and 0.5s was asked for.", given=given
        )


def _delay(inner: Obj, outer: Obj) -> Iterator[str]:
    fault = outer.get("fault") or {}
    delay = fault.get("delay")
    if (inner.get("fault") or {}).get("delay"):
        yield gettext(
            "`fault.delay` stands in the rule that matches `mesh`: then the sidecar holds the call back "
            "itself, before its `timeout` counts. Put it into the rule of the egress gateway."
        )
    elif "abort" in fault and not delay:
        yield gettext(
            "The rule of the egress gateway has `fault.abort`, which answers at once: holding back is "
            "`fault.delay`."
        )
    elif not delay:
        yield nothing_yet(
            gettext("The rule of the egress gateway has no `fault.delay` yet: it passes every call on."),
            gettext("Write one into it, with `fixedDelay: 2s` and `percentage.value` 100."),
        )
    else:
        yield from _held_back(delay)


def _held_back(delay: Mapping[str, Any]) -> Iterator[str]:
    share = (delay.get("percentage") or {}).get("value") or delay.get("percent") or 0
    if float(share) < 100:
        yield gettext(
            "`fault.delay` holds {share:g} of 100 calls back, and every one is asked for: `percentage.value` "
            "100. (Without `percentage` it is none.)",
            share=float(share),
        )
    if milliseconds(str(delay.get("fixedDelay"))) != _TWO_SECONDS:
        yield gettext(
            "`fault.delay` has `fixedDelay: {given}`, and 2s was asked for.", given=delay.get("fixedDelay")
        )


def milliseconds(duration: str) -> float:
    """A duration as Istio writes it: ``1m0.5s``, ``500ms``. What is none is 0."""
    units = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", duration)
    return sum(float(number) * units[unit] for number, unit in parts)
