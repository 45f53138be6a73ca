"""``labkit texts``, for who writes the book: what there is to translate, and other languages' notebooks."""

from __future__ import annotations

import click

from labkit.language import ENGLISH, known


@click.command()
@click.argument("languages", nargs=-1)
def texts(languages: tuple[str, ...]) -> None:
    """Bring the catalogues of LANGUAGES (default: all there are) up to date, and make their notebooks.

    For whoever writes the book. Naming a new language begins it.
    """
    from labkit.cli.texts.messages import collect
    from labkit.cli.texts.notebooks import make_notebooks

    for language in languages or [one for one in known() if one != ENGLISH]:
        for line in collect(language):
            print(line)
        for made in make_notebooks(language):
            print(made)
