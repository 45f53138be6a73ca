"""``--scenario``: the folder of what is worked through, for what opens or runs it."""

from __future__ import annotations

from typing import Any

import click

from labkit.scenario.data import Scenario
from labkit.scenario.reading import chosen_scenario, the_book


def _read(context: click.Context, parameter: click.Parameter, asked: str | None) -> Any:
    return chosen_scenario(asked)


option = click.option(
    "--scenario",
    metavar="FOLDER",
    callback=_read,
    help="Another scenario than the book (default: LABKIT_SCENARIO, else the book); `labkit new` makes one.",
)


def environment(scenario: Scenario) -> dict[str, str]:
    """What kernels and terminals are told of it."""
    return {} if scenario is the_book() else {"LABKIT_SCENARIO": str(scenario.folder)}
