"""``labkit clean``: remove all that labkit ever left, by its own records."""

from __future__ import annotations

import click

from labkit.cli.progress import progress
from labkit.errors import LabkitError


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def clean(yes: bool) -> None:
    """Stop every cluster of yours and remove its files."""
    from labkit.kube import embedded
    from labkit.kube.connecting import agreement

    if agreement.forget_all():
        print("Forgot which clusters of others the lab may use.")
    homes = embedded.known_homes()
    if not homes:
        print("Nothing to clean.")
        return
    for path, runs in homes.items():
        print(f"{path}{' (runs)' if runs else ''}")
    question = "Stop what runs and remove these, with everything applied in them?"
    if not yes and not click.confirm(question):
        raise SystemExit(1)
    left = 0
    with progress() as shown:
        for path in homes:
            shown.doing(f"removing {path}")
            try:
                embedded.remove(path)
                shown.done(f"Removed {path}")
            except (LabkitError, OSError) as error:  # the others go all the same
                left += 1
                shown.failed(f"{path} stays: {error}")
    if left:
        raise SystemExit(1)
