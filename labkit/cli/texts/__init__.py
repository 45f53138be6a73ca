"""``labkit texts``, for who writes the book: what there is to translate, and other languages' notebooks."""

from __future__ import annotations

import click

from labkit.cli.scenario import option as scenario_option
from labkit.language import ENGLISH, known
from labkit.scenario.data import Scenario


@click.command()
@click.argument("languages", nargs=-1)
@scenario_option
def texts(languages: tuple[str, ...], scenario: Scenario) -> None:
    """Bring the catalogues of LANGUAGES (default: all there are) up to date, and make their notebooks.

    For whoever writes the book, or another scenario: the words of its data are then in a catalogue beside
    them. Naming a new language begins it.
    """
    from labkit.cli.texts.messages import collect, collect_own
    from labkit.cli.texts.notebooks import make_notebooks
    from labkit.scenario.reading import the_book

    for language in languages or [one for one in known() if one != ENGLISH]:
        if scenario is not the_book():
            print(collect_own(scenario, language))
            continue
        for line in collect(language):
            print(line)
        for made in make_notebooks(language):
            print(made)
