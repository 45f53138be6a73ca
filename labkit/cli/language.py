"""``--language``: what the notebooks are written in and the lab speaks, for what opens or runs them."""

from __future__ import annotations

from typing import Any

import click

from labkit.language import chosen, speak


def _choose(context: click.Context, parameter: click.Parameter, asked: str | None) -> Any:
    language = chosen(asked)
    speak(language)
    return language


option = click.option(
    "--language",
    callback=_choose,
    help="The language of the book, such as ru; default: LABKIT_LANGUAGE, else the locale's, else English.",
)


def environment(language: str) -> dict[str, str]:
    """What kernels are told of it."""
    return {"LABKIT_LANGUAGE": language}
