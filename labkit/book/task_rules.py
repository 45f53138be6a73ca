"""What a learner has made of the tasks about rules: doors from outside, and shares."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.book import wanted
from labkit.book.checks import SERVICE_A, SERVICE_B, SERVICE_C, SERVICE_EXT
from labkit.book.tasks import EXAMPLE
from labkit.kube.api.api import Obj
from labkit.kube.mesh.destinations import full_host
from labkit.language import gettext
from labkit.release.finding import Calls, find_rule
from labkit.scenario.hints.doors import Door, door_troubles, rules_of_learner, takers
from labkit.scenario.hints.look import Fault, Look, nothing_yet
from labkit.scenario.hints.routing import MESH, WantedRule, rule_faults, subset_troubles
from labkit.scenario.hints.weights import rule_shares, shares_in_words, shares_of
from labkit.scenario.tasks import own_host_of

_QUARTER = {SERVICE_B.hosts[0]: 75.0, SERVICE_C.hosts[0]: 25.0}
_BEFORE = {SERVICE_B.hosts[0]: 50.0, SERVICE_C.hosts[0]: 50.0}
"""Shares of 100 that the task of step 3 asks for, and those that the step leaves behind."""


def second_door(look: Look) -> Iterator[Fault]:
    rule = wanted.rule_of_a(look.learner)
    door = Door(rule.host, "/hello", rule.gateways[0], look.learner.home, SERVICE_A, "/hello")
    nothing = nothing_yet(
        gettext("No rule takes {path} yet.", path=door.path),
        gettext("Add it to the list under `match` in {name}, and apply that.", name=rule.name),
    )
    yield from (Fault(text, 1, about="new") for text in door_troubles(look, door, nothing))
    yield from (Fault(one.text, 1, about="old") for one in rule_faults(look, rule, 1))
    for taker in takers(look, rule.host, "/nobody-serves-this"):
        text = gettext(
            "{taker} takes every path, as a `prefix: /` or an entry without `match` does: write "
            "`exact: {path}`.",
            taker=taker,
            path=door.path,
        )
        yield Fault(text, 1, about="others")


def own_host(look: Look) -> Iterator[Fault]:
    rule, host = wanted.external_rule(look.learner), own_host_of(EXAMPLE, look.learner)
    door = Door(host, "/", rule.gateways[0], look.learner.own(SERVICE_EXT.namespace), SERVICE_EXT, host)
    nothing = nothing_yet(
        gettext("No rule speaks for {host} yet.", host=host),
        gettext(
            "Make a VirtualService in {namespace} with that name under `hosts` and {gateway} under "
            "`gateways`.",
            namespace=door.namespace,
            gateway=door.gateway,
        ),
    )
    yield from (Fault(text, 4, about="new") for text in door_troubles(look, door, nothing))
    for taker in takers(look, rule.host, "/"):
        text = gettext(
            "{taker} takes / for any host (`*`): write `{host}` under its `hosts`.", taker=taker, host=host
        )
        yield Fault(text, 4, about="others")
    yield from (Fault(one.text, 4, about="old") for one in rule_faults(look, rule, 4))


# --------------------------------------------------------------------------------------------- shares


def one_in_four(look: Look) -> Iterator[Fault]:
    yield from (Fault(text, 3) for text in _quarter(look))
    yield from rule_faults(look, wanted.split_rule(look.learner, 3), 3)


def _quarter(look: Look) -> Iterator[str]:
    rule = wanted.split_rule(look.learner, 3)
    acting = find_rule(look.api, Calls(rule.host, rule.namespace))
    shares = shares_of(acting) if acting else {}
    if acting and shares == _QUARTER:
        yield from subset_troubles(look, acting.object)
        return
    name = acting.name if acting else rule.name
    other = next((one for one in rules_of_learner(look) if rule_shares(one) == _QUARTER), None)
    if other is not None and (acting is None or other["metadata"]["uid"] != acting.object["metadata"]["uid"]):
        yield _does_not_act(other, name, rule)
    elif shares == _BEFORE:
        yield nothing_yet(
            gettext("{name} still sends one half each, as the step left it.", name=name),
            gettext("Write the weights 75 and 25 into it, and apply it."),
        )
    elif {host: 100 - share for host, share in shares.items()} == _QUARTER:
        yield gettext(
            "{name} has it the other way round, {shares}: change the two weights with each other.",
            name=name,
            shares=shares_in_words(shares, look.learner),
        )
    elif shares:
        yield gettext(
            "{name} sends {shares}; asked for is {wanted}. A share is a weight divided by the sum of all "
            "weights.",
            name=name,
            shares=shares_in_words(shares, look.learner),
            wanted=shares_in_words(_QUARTER, look.learner),
        )


def _does_not_act(other: Obj, acting: str, rule: WantedRule) -> str:
    """Why *other*, which has the right weights, is not the one that is asked."""
    name, namespace = other["metadata"]["name"], other["metadata"]["namespace"]
    hosts = [full_host(str(host), namespace) for host in other["spec"].get("hosts") or []]
    right, gateways = full_host(rule.host, rule.namespace), other["spec"].get("gateways") or [MESH]
    if MESH not in gateways:
        return gettext(
            "{name} in {namespace} has the right weights, and speaks for {gateways}, not for `mesh`: the "
            "sidecars, which make these calls, do not have it.",
            name=name,
            namespace=namespace,
            gateways=", ".join(map(str, gateways)),
        )
    if right not in hosts:
        return gettext(
            "{name} in {namespace} has the right weights for {hosts}, and ServiceA calls {right}. Take that "
            "host, and the namespace {wanted}.",
            name=name,
            namespace=namespace,
            hosts=", ".join(hosts),
            right=right,
            wanted=rule.namespace,
        )
    return gettext(
        "{name} in {namespace} has the right weights, but {acting} is the rule that acts for this host. "
        "Write the weights into {acting}, and delete the other: `kubectl delete virtualservice {name} "
        "-n {namespace}`.",
        name=name,
        namespace=namespace,
        acting=acting,
    )
