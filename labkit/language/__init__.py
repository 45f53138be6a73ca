"""The language that this process speaks to whoever learns: English, or one that has a folder here.

A message stands in the code in English and is looked up when it is said::

    gettext("There is no Gateway {name}.", name=name)
    ngettext("{number} line", "{number} lines", count)

So a message that no catalogue has is said in English. A folder ``LANGUAGE/`` beside this file is all that a
language needs: ``messages.po`` for what the code says, ``notebooks.po`` for the notebooks' prose
(``labkit texts`` writes both, with empty places for what is to be translated, and makes the notebooks).

Nothing is read before :func:`speak` is called, by whoever begins: a Lab or a command. What is chosen there
holds for the whole process, like a locale: what is said comes from threads, tasks and callbacks of widgets,
and one process has one learner at its screen.
"""

from __future__ import annotations

import gettext as standard
from functools import cache
from pathlib import Path

from labkit.language.choice import ENGLISH, chosen, known

__all__ = [
    "ENGLISH",
    "catalogue_file",
    "chosen",
    "gettext",
    "gettext_noop",
    "gettext_of",
    "known",
    "ngettext",
    "speak",
    "spoken",
]

_FOLDER = Path(__file__).parent


class _Process:
    language = ENGLISH


def speak(language: str) -> None:
    """Say everything in *language* from now on, one of :func:`known`."""
    _messages(language)
    _Process.language = language


def spoken() -> str:
    """The language that is spoken."""
    return _Process.language


def gettext(message: str, /, **values: object) -> str:
    """*message* in the language that is spoken, with *values* in its ``{places}``, if any are given."""
    return _filled(_messages(spoken()).gettext(message), values)


def gettext_of(catalogue: Path, message: str) -> str:
    """*message* as *catalogue*, of somebody's own data, has it; where it has not, as the book says it."""
    own = _translations(catalogue, spoken()).gettext(message) if catalogue.is_file() else message
    return own if own != message else gettext(message)


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """The message that fits *number*, which is one of its ``{places}``; some languages have three forms."""
    return _filled(_messages(spoken()).ngettext(one, many, number), {"number": number, **values})


def gettext_noop(message: str) -> str:
    """*message* as it is: a constant that is looked up where it is said."""
    return message


def catalogue_file(language: str, name: str) -> Path:
    """The catalogue *name* (``messages``, ``notebooks``) of *language*."""
    return _FOLDER / language / f"{name}.po"


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format_map(values) if values else text


@cache
def _messages(language: str) -> standard.NullTranslations:
    """What the code says, in *language*.

    Read from the catalogue as people write it: there is no compiled one that could be missing or old.
    """
    if language == ENGLISH:
        return standard.NullTranslations()
    return _translations(catalogue_file(language, "messages"), language)


@cache
def _translations(file: Path, language: str) -> standard.NullTranslations:
    from labkit.language.reading import translations

    return translations(file, language)
