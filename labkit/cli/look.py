"""``labkit look``: a first look at a cluster of somebody's, and the learner's word that it may be used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.cli.scenario import option as scenario_option

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
            f"{user} is too long a name, or has other signs than small letters, digits and dashes, for the "
            "learner's namespaces. Say which is to stand in them, too: "
            f"`LABKIT_USER=anna labkit look --roles {user}`."
        ) from error


def agree_or_say_how(api: Api, learner: Learner, *, yes: bool, production: bool) -> None:
    """Note the learner's yes; ask on a terminal; else say how to give it."""
    from labkit.errors import NotAgreed
    from labkit.kube.connecting.agreement import agree, is_agreed, signs_of_production

    if is_agreed(api):
        print("\nIt was agreed that the lab may use this cluster.")
        return
    signs = signs_of_production(api, learner.of_labs)
    if yes and signs and not production:
        raise NotAgreed(f"This cluster may be in use: {'; '.join(signs)}. Sure? Add --production.")
    if not yes and not (sys.stdin.isatty() and _asked(api, bool(signs))):
        print("\nNothing was changed. `--yes` says that the lab may use this cluster.")
        return
    agree(api)
    print(f"\nAgreed: the lab may change what is its own, in the namespaces {', '.join(learner.namespaces)}.")


def _asked(api: Api, looks_like_production: bool) -> bool:
    if not looks_like_production:
        return click.confirm("\nMay the lab make and change its objects there?")
    name = api.context or api.host
    answer = click.prompt(f"\nIt looks like production. Type {name} to use it all the same", default="")
    return bool(answer == name)
