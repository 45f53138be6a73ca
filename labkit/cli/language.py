"""``--language``: what the notebooks are written in and the lab speaks."""

from __future__ import annotations

from typing import Any

import click

from labkit.language import chosen, speak


def _choose(context: click.Context, parameter: click.Parameter, asked: str | None) -> Any:
    language = chosen(asked)
    speak(language)
    return language


_HELP = "The language of the book, such as ru; default: LABKIT_LANGUAGE, else the locale's, else English."
option = click.option("--language", callback=_choose, help=_HELP)
speaking = click.option("--language", callback=_choose, expose_value=False, is_eager=True, help=_HELP)
"""For what only speaks it: the command need not know which it is."""


def environment(language: str) -> dict[str, str]:
    """What kernels are told of it."""
    return {"LABKIT_LANGUAGE": language}
