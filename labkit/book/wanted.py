"""The VirtualServices that hints for the book's tasks look for, as they are for one learner."""

from __future__ import annotations

from labkit.scenario.hints.of_manifests import rules_of
from labkit.scenario.hints.routing import WantedRule
from labkit.scenario.learner import Learner


def rule_of_a(learner: Learner) -> WantedRule:
    """Step 1: leads requests to ServiceA."""
    return _rule("inbound-to-service-a-vs", learner, 1)


def split_rule(learner: Learner, step: int) -> WantedRule:
    """The newest version up to *step* of the rule that shares out ServiceA's calls."""
    return _rule("producer-internal-host-vs", learner, step)


def external_rule(learner: Learner) -> WantedRule:
    """Step 4: leads requests to the external service."""
    return _rule("inbound-to-service-ext-vs", learner, 4)


def egress_rule(learner: Learner) -> WantedRule:
    """Step 5: leads ServiceC's calls out; that of a learner with a name has its two legs in two objects."""
    return _rule("outbound-srv-c-to-external-srv-vs", learner, 5)


def _rule(name: str, learner: Learner, step: int) -> WantedRule:
    return next(rule for rule in rules_of(learner, step) if rule.name == name)
