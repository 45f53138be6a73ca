"""``labkit report`` and ``labkit class``: what learners did, for themselves and for their teacher."""

from __future__ import annotations

from pathlib import Path

import click

from labkit.cli.language import option as language_option
from labkit.cli.scenario import option as scenario_option
from labkit.scenario.data import Scenario

_context = click.option(
    "--context", help="A context of the kubeconfig; default: LABKIT_CONTEXT, else your own cluster."
)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    *("--output", "-o"),
    type=click.Path(path_type=Path),
    help="Where it goes: a file; a folder for a class's.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON instead of a page.")
@click.option("--csv", "as_csv", is_flag=True, help="As rows for a gradebook, one a learner.")
@click.option("--class", "of_class", is_flag=True, help="Everybody's, for who may read them all.")
@click.option("--verify", is_flag=True, help="Say of each of FILES whether it is as it was signed.")
@click.option("--key", "keys", multiple=True, metavar="FINGERPRINT", help="Verify by this key, too.")
@click.option("--fingerprint", is_flag=True, help="Print the fingerprints of the cluster's keys.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of a report.")
@_context
@language_option
@scenario_option
def report(
    files: tuple[Path, ...],
    output: Path | None,
    as_json: bool,
    as_csv: bool,
    of_class: bool,
    verify: bool,
    keys: tuple[str, ...],
    fingerprint: bool,
    schema: bool,
    context: str | None,
    language: str,
    scenario: Scenario,
) -> None:
    """Write what a learner did as one page (default: labkit-report.html), or verify FILES.

    The file is signed by the cluster. --verify ends with 0 where all of FILES are intact and of this
    cluster, 3 where one is another cluster's, 4 unsigned, 5 changed, 6 no report.
    """
    from labkit.cli.records.making import Form
    from labkit.errors import UsageError

    if bool(files) != verify:
        raise UsageError("Files are what --verify looks at: `labkit report --verify FILE…`.")
    if as_json and as_csv:
        raise UsageError("Either --json or --csv.")
    if schema:
        from labkit.record.report import SCHEMA_FILE

        print(SCHEMA_FILE.read_text(encoding="utf-8"), end="")
    elif fingerprint:
        from labkit.cli.records.verifying import print_fingerprints

        print_fingerprints(context)
    elif verify:
        from labkit.cli.records.verifying import verify_all

        raise SystemExit(verify_all(files, context, keys))
    else:
        from labkit.cli.records.making import make_class_report, make_report

        form = Form.JSON if as_json else Form.CSV if as_csv else Form.PAGE
        (make_class_report if of_class else make_report)(context, form, output, scenario)


@click.command("class")
@click.option("--once", is_flag=True, help="Print it once.")
@_context
@language_option
@scenario_option
def class_(once: bool, context: str | None, language: str, scenario: Scenario) -> None:
    """Show who of a class is at which step, and stuck at what for how long, until Ctrl-C."""
    from labkit.cli.records.wall import show

    show(context, scenario, once=once)
