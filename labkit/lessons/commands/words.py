"""A command's words, as getopt_long reads them: ``-sSo FILE``, ``--output FILE``, ``--output=FILE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class UnknownOptionError(Exception):
    """A word that begins with a dash and is no option here; ``str()`` is that word."""


@dataclass
class Words:
    """What was typed, sorted."""

    flags: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def last(self, name: str, default: str = "") -> str:
        """The value of option *name* that was typed last."""
        return self.values.get(name, [default])[-1]

    def all(self, name: str) -> list[str]:
        """All values of option *name*, as they were typed."""
        return self.values.get(name, [])


def read(words: Sequence[str], flags: Mapping[str, str], valued: Mapping[str, str]) -> Words:
    """Sort *words*; both tables have the name that counts by each spelling (``s``, ``silent``)."""
    found, left = Words(), list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            found.rest += left
            break
        if word.startswith("--"):
            _long(found, word, left, flags, valued)
        elif word.startswith("-") and len(word) > 1:
            _short(found, word, left, flags, valued)
        else:
            found.rest.append(word)
    return found


def _long(
    found: Words, word: str, left: list[str], flags: Mapping[str, str], valued: Mapping[str, str]
) -> None:
    name, equals, value = word[2:].partition("=")
    if name in flags and not equals:
        found.flags.add(flags[name])
    elif name in valued and (equals or left):
        found.values.setdefault(valued[name], []).append(value if equals else left.pop(0))
    else:
        raise UnknownOptionError(word)


def _short(
    found: Words, word: str, left: list[str], flags: Mapping[str, str], valued: Mapping[str, str]
) -> None:
    for place, letter in enumerate(word[1:], 2):
        if letter in flags:
            found.flags.add(flags[letter])
        elif letter in valued and (word[place:] or left):
            found.values.setdefault(valued[letter], []).append(word[place:] or left.pop(0))
            return
        else:
            raise UnknownOptionError(f"-{letter}")
