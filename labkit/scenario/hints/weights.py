"""Shares of a rule, as hints speak of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labkit.kube.api.api import Obj
from labkit.language import gettext
from labkit.release.finding import Calls, find_rule, rule_of
from labkit.release.rule import Rule
from labkit.scenario.hints.look import Fault, Look
from labkit.scenario.hints.routing import WantedRule
from labkit.scenario.learner import Learner


def weight_faults(look: Look, wanted: Mapping[str, float], rule: WantedRule, step: int) -> Iterator[Fault]:
    """Where the rule that acts for *rule*'s host, whatever it is called, has other weights than *wanted*.

    wanted: shares of 100, by host.
    """
    acting = find_rule(look.api, Calls(rule.host, rule.namespace))
    if acting is None:
        return
    shares = shares_of(acting)
    if shares != dict(wanted):
        cure = (
            gettext("Apply {file}.", file=rule.file)
            if acting.name == rule.name
            else gettext("Set these weights in it.")
        )
        yield Fault(
            gettext(
                "{acting} sends {shares}; this step has {wanted}. {cure}",
                acting=acting.name,
                shares=shares_in_words(shares, look.learner),
                wanted=shares_in_words(wanted, look.learner),
                cure=cure,
            ),
            step,
        )


def shares_of(rule: Rule) -> dict[str, float]:
    """Each destination's share of 100, by the short name of its host."""
    shares: dict[str, float] = {}
    for destination, share in zip(rule.destinations, rule.shares, strict=True):
        host = destination.host.partition(".")[0]
        shares[host] = shares.get(host, 0.0) + 100 * share
    return {host: round(share, 1) for host, share in shares.items() if share}


def rule_shares(virtual_service: Obj) -> dict[str, float]:
    """Those of the default route of *virtual_service*."""
    rule = rule_of(virtual_service)
    return shares_of(rule) if rule else {}


def shares_in_words(weights: Mapping[str, float], learner: Learner) -> str:
    """``50 of 100 to Catalogue and 50 of 100 to Newcomer``."""
    titles = learner.scenario.titles
    parts = [
        gettext("{share:g} of 100 to {name}", share=share, name=titles.get(host, host))
        for host, share in weights.items()
    ]
    return gettext(" and ").join(parts) or gettext("nothing anywhere")
