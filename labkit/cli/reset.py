"""``labkit reset``: remove what the lab made in a cluster, and nothing else."""

from __future__ import annotations

import click

from labkit.cli.language import speaking
from labkit.cli.progress import progress
from labkit.cli.scenario import option as scenario_option
from labkit.language import gettext
from labkit.scenario.data import Scenario


@click.command()
@click.option(
    "--context", help="A context of the kubeconfig; default: LABKIT_CONTEXT, else your own cluster."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@speaking
@scenario_option
def reset(context: str | None, yes: bool, scenario: Scenario) -> None:
    """Remove the lab's namespaces and gateways; with LABKIT_USER, that learner's namespaces alone."""
    from labkit.kube.connecting.connect import connect
    from labkit.record.leaving import bring_home, comes_home, record_stays
    from labkit.scenario.learner import Learner
    from labkit.scenario.reset import belongings, remove

    learner = Learner.here(scenario=scenario)
    api = connect(context=context, start=False)
    found = belongings(api, learner)
    for one in found:
        print(one)
    goes = comes_home(api, learner)
    if told := record_stays(api, learner):
        print(told)
    if not found and not goes:
        print(gettext("Nothing of the lab is there."))
        return
    if not yes and not click.confirm(gettext("Remove these, with all that is in them?")):
        raise SystemExit(1)
    with progress() as shown:
        for one in found:
            shown.doing(gettext("removing {name}", name=one))
            remove(api, learner, one)
            shown.done(gettext("Removed {name}", name=one))
        if goes:
            shown.doing(gettext("bringing the record home"))
            shown.done(bring_home(api, learner))
