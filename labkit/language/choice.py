"""Which language is spoken: the one that is asked for, else the environment's."""

from __future__ import annotations

import os
from pathlib import Path

from labkit.errors import UsageError

ENGLISH = "en"
_FOLDER = Path(__file__).parent
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set says it, as everywhere in POSIX; ``C`` says nothing."""


def known() -> tuple[str, ...]:
    """The languages that the book has: English, and every folder of texts."""
    return (ENGLISH, *sorted(file.parent.name for file in _FOLDER.glob("*/messages.po")))


def chosen(language: str | None = None) -> str:
    """*language*, else that of ``LABKIT_LANGUAGE``, else the locale's if the book has it, else English.

    UsageError for one that was asked for by name and that the book does not have.
    """
    for who, asked in (("language", language), ("LABKIT_LANGUAGE", os.environ.get("LABKIT_LANGUAGE"))):
        if asked:
            return _found(asked) or _unknown(who, asked)
    return _of_locale() or ENGLISH


def _of_locale() -> str:
    setting = next(filter(None, map(os.environ.get, _LOCALE)), "")
    if setting.partition(".")[0] in ("", "C", "POSIX"):
        return ""
    asked = [*os.environ.get("LANGUAGE", "").split(":"), setting]  # GNU's list of wishes comes first
    return next(filter(None, map(_found, asked)), "")


def _found(asked: str) -> str:
    """``ru`` for ``ru_RU.UTF-8``, where there is a ``ru``; empty where there is none."""
    name = asked.partition(".")[0].partition("@")[0].replace("-", "_")
    nearest = {one.casefold(): one for one in known()}
    whole, short = name.casefold(), name.partition("_")[0].casefold()
    return nearest.get(whole) or nearest.get(short) or ""


def _unknown(who: str, asked: str) -> str:
    raise UsageError(f"{who} is {asked!r}, and the book has no such language; it has {', '.join(known())}.")
