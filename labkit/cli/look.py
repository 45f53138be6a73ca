"""``labkit look``: a first look at a cluster of somebody's, and the learner's word that it may be used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.cli.language import speaking
from labkit.cli.scenario import option as scenario_option
from labkit.language import gettext

if TYPE_CHECKING:
    from labkit.kube.api.api import Api
    from labkit.scenario.data import Scenario
    from labkit.scenario.learner import Learner


@click.command()
@click.option("--context", help="A context of the kubeconfig, or `in-cluster`; default: LABKIT_CONTEXT.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Another kubeconfig than kubectl's.")
@click.option("--yes", "-y", is_flag=True, help="Say that the lab may make and change its objects there.")
@click.option("--production", is_flag=True, help="Say so of a cluster that looks like production, too.")
@click.option(
    "--roles",
    metavar="USER",
    help="Print a learner's namespaces and the least rights there, for `kubectl apply`.",
)
@speaking
@scenario_option
def look(
    context: str | None,
    kubeconfig: Path | None,
    yes: bool,
    production: bool,
    roles: str | None,
    scenario: Scenario,
) -> None:
    """Say what a cluster has and lacks, and change nothing."""
    from labkit.kube.connecting.connect import connect
    from labkit.kube.connecting.first_look import first_look
    from labkit.scenario.given import given, namespaces_of_the_book, without_proxies
    from labkit.scenario.learner import Learner
    from labkit.scenario.recorded import record_namespace

    if roles:
        print(given(roles, _named(roles, scenario)), end="")
        return
    learner = Learner.here(scenario=scenario)
    api = connect(kubeconfig=kubeconfig, context=context)
    names = [namespace["metadata"]["name"] for namespace in namespaces_of_the_book(learner)]
    plain, record = without_proxies(learner), record_namespace(learner)
    print(first_look(api, names, plain=plain, labs=learner.of_labs, record=record))
    if api.shared:
        agree_or_say_how(api, learner, yes=yes, production=production)


def _named(user: str, scenario: Scenario) -> Learner:
    """Where LABKIT_USER says nothing, the learner is called as the cluster calls the *user*.

    ``LABKIT_USER=`` is an answer, too: one learner alone, with the manifests' own names. UsageError where
    nothing is said and what the cluster calls the user (``system:serviceaccount:…``) can't be in a name.
    """
    from labkit.errors import UsageError
    from labkit.scenario.learner import Learner

    if (said := os.environ.get("LABKIT_USER")) is not None:
        return Learner.here(said, scenario=scenario)
    try:
        return Learner.here(user, scenario=scenario)
    except UsageError as error:
        raise UsageError(
            gettext(
                "{user} is too long a name, or has other signs than small letters, digits and dashes, for "
                "the learner's namespaces. Say which is to stand in them, too: "
                "`LABKIT_USER=anna labkit look --roles {user}`.",
                user=user,
            )
        ) from error


def agree_or_say_how(api: Api, learner: Learner, *, yes: bool, production: bool) -> None:
    """Note the learner's yes; ask on a terminal; else say how to give it."""
    from labkit.errors import NotAgreed
    from labkit.kube.connecting.agreement import agree, is_agreed, signs_of_production

    if is_agreed(api):
        print("\n" + gettext("It was agreed that the lab may use this cluster."))
        return
    signs = signs_of_production(api, learner.of_labs)
    if yes and signs and not production:
        raise NotAgreed(
            gettext("This cluster may be in use: {signs}. Sure? Add `--production`.", signs="; ".join(signs))
        )
    if not yes and not (sys.stdin.isatty() and _asked(api, bool(signs))):
        print("\n" + gettext("Nothing was changed. `--yes` says that the lab may use this cluster."))
        return
    agree(api)
    agreed = gettext(
        "Agreed: the lab may change what is its own, in the namespaces {names}.",
        names=", ".join(learner.namespaces),
    )
    print(f"\n{agreed}")


def _asked(api: Api, looks_like_production: bool) -> bool:
    if not looks_like_production:
        return click.confirm("\n" + gettext("May the lab make and change its objects there?"))
    name = api.context or api.host
    asked = gettext("It looks like production. Type {name} to use it all the same", name=name)
    answer = click.prompt(f"\n{asked}", default="")
    return bool(answer == name)
