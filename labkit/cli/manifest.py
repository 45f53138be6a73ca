"""``labkit manifest``: where a manifest is, for ``kubectl apply -f $(labkit manifest NAME)``."""

from __future__ import annotations

import click

from labkit.cli.scenario import option as scenario_option
from labkit.scenario.data import Scenario


@click.command()
@click.argument("name")
@scenario_option
def manifest(name: str, scenario: Scenario) -> None:
    """Print the path of the manifest NAME; with LABKIT_USER, of that learner's own version of it."""
    from labkit.scenario.learner import Learner
    from labkit.scenario.steps import typed_manifest

    print(typed_manifest(name, Learner.here(scenario=scenario)))
