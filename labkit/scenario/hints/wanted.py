"""The Gateways and VirtualServices that hints look for, as they are for one learner."""

from __future__ import annotations

from labkit.scenario import cast
from labkit.scenario.hints.routing import MESH, WantedGateway, WantedRule
from labkit.scenario.learner import Learner
from labkit.scenario.personal import INGRESS_HOST
from labkit.scenario.splitting import HOST

_SPLIT_FILES = {
    2: "producer-internal-host-vs.yml",
    3: "producer-internal-host-50-c-vs.yml",
    6: "producer-internal-host-100-c-vs.yml",
}


def _host(learner: Learner) -> str:
    """Whose requests the gateways of the manifests take: the learner's, or all."""
    return learner.host or "*"


def gateway_of_a(learner: Learner) -> WantedGateway:
    """Step 1: lets requests in."""
    return WantedGateway("service-a-gw", learner.home, "serviceA-gw.yml", cast.INGRESS, _host(learner))


def rule_of_a(learner: Learner) -> WantedRule:
    """Step 1: leads them to ServiceA."""
    return WantedRule(
        "inbound-to-service-a-vs",
        learner.home,
        "inbound-to-serviceA-vs.yml",
        ("service-a-gw",),
        _host(learner),
        "/service-a",
    )


def split_rule(learner: Learner, step: int) -> WantedRule:
    """The newest version up to *step* of the rule that shares out ServiceA's calls."""
    file = _SPLIT_FILES[max(number for number in _SPLIT_FILES if number <= step)]
    return WantedRule("producer-internal-host-vs", learner.home, file, (MESH,), HOST)


def external_gateway(learner: Learner) -> WantedGateway:
    """Step 4: lets requests in to the external cluster."""
    return WantedGateway(
        "service-ext-gw", learner.external, "service-ext-gw.yml", cast.INGRESS, _host(learner)
    )


def external_rule(learner: Learner) -> WantedRule:
    """Step 4: leads them to the external service."""
    return WantedRule(
        "inbound-to-service-ext-vs",
        learner.external,
        "inbound-to-service-ext-vs.yml",
        ("service-ext-gw",),
        _host(learner),
        "/service-ext",
    )


def egress_gateway(learner: Learner) -> WantedGateway:
    """Step 5: lets calls out."""
    return WantedGateway(
        "istio-egressgateway",
        learner.home,
        "service-ext-outbound-gw.yml",
        cast.EGRESS,
        learner.host or INGRESS_HOST,
    )


def egress_rule(learner: Learner) -> WantedRule:
    """Step 5: leads ServiceC's calls out; that of a learner with a name has its two legs in two objects."""
    return WantedRule(
        "outbound-srv-c-to-external-srv-vs",
        learner.home,
        "outbound-srv-c-to-service-ext-vs.yml",
        (MESH,) if learner.name else (MESH, "istio-egressgateway"),
        INGRESS_HOST,
    )


def rules(learner: Learner, step: int) -> list[WantedRule]:
    """All those that there are when *step* is done."""
    of_step = {
        1: rule_of_a(learner),
        2: split_rule(learner, max(step, 2)),
        4: external_rule(learner),
        5: egress_rule(learner),
    }
    return [rule for number, rule in of_step.items() if number <= step]
