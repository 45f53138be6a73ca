"""``labkit doctor``: whether the lab can run on this machine; what is missing, each with what to do about it.

First what can be read off the machine, then a proof: a real request through the sidecars of a cluster
that is thrown away afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labkit.cli.doctor.machine import MACHINE
from labkit.cli.doctor.surroundings import SURROUNDINGS
from labkit.cli.language import speaking
from labkit.cli.progress import progress
from labkit.cli.scenario import option as scenario_option
from labkit.language import gettext

if TYPE_CHECKING:
    from labkit.scenario.data import Scenario


@click.command()
@click.option("--proof/--no-proof", default=True, help="Send a request through a throw-away cluster.")
@speaking
@scenario_option
def doctor(proof: bool, scenario: Scenario) -> None:
    """Look whether the lab can run here, and prove it by a request through a throw-away cluster."""
    with progress() as shown:
        findings = [finding for check in (*MACHINE, *SURROUNDINGS) for finding in check()]
        for finding in findings:
            shown.line(finding.line)
        stopped = any(finding.stops for finding in findings)
        if proof and not stopped:
            from labkit.cli.doctor.proof import prove

            proved = prove(shown, scenario)
            shown.line(proved.line)
            stopped = proved.stops
    if stopped:
        raise SystemExit(1)
    print(gettext("The lab can run here."))
