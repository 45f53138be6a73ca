"""``labkit manifest``: where a manifest of the book is, for ``kubectl apply -f $(labkit manifest NAME)``."""

from __future__ import annotations

import click


@click.command()
@click.argument("name")
def manifest(name: str) -> None:
    """Print the path of the book's manifest NAME; with LABKIT_USER, of that learner's own version of it."""
    from labkit.scenario.learner import Learner
    from labkit.scenario.steps import typed_manifest

    print(typed_manifest(name, Learner.here()))
