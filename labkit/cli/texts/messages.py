"""What there is to translate, and what of it a language's catalogues have.

A message is what the code hands to gettext, a text of the book's ``scenario.yaml`` and ``texts``, what a
manifest says of itself, or a piece of a notebook's prose.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

import labkit
from labkit.cli.texts.prose import pieces
from labkit.language import catalogue_file
from labkit.language.reading import read_catalogue
from labkit.scenario.data import Scenario
from labkit.scenario.reading import NAME, the_book
from labkit.scenario.wording import remark, wordings

CATALOGUES = ("messages", "notebooks")
_METHODS = [("embedded/**", "ignore"), ("services/**", "ignore"), ("**.py", "python")]
"""The cluster and its services know no learner: what they say is Kubernetes' and Istio's."""
_KEYWORDS = {"gettext": None, "ngettext": (1, 2), "gettext_noop": None}
_NOTHING_SAID = tuple(
    f'"{name}: '
    for name in (
        "Project-Id-Version",
        "Report-Msgid-Bugs-To",
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Last-Translator",
        "Language-Team",
        "Generated-By",
    )
)
"""Lines of a catalogue's head."""
_PACKAGE = Path(labkit.__file__).parent


def template(name: str) -> Catalog:
    """Every message of the catalogue *name*, untranslated."""
    made = Catalog(project="labkit", charset="utf-8")
    for place, message, context in {"messages": _of_code, "notebooks": _of_notebooks}[name]():
        made.add(message, locations=[(place, 0)], context=context)
    return made


def _of_code() -> Iterator[tuple[str, str | tuple[str, ...], None]]:
    found = extract_from_dir(_PACKAGE, _METHODS, keywords=_KEYWORDS)
    for place, _, message, _, _ in found:
        yield f"labkit/{place}", message, None
    yield from of_scenario(the_book(), "labkit/book/")


def of_scenario(scenario: Scenario, place: str = "") -> Iterator[tuple[str, str, None]]:
    """What the data of a scenario say, each after the file it stands in; *place* is before its name."""
    for words in scenario.wordings():
        yield f"{place}{NAME}", words, None
    for file in sorted((scenario.folder / "texts").glob("*.yml")):
        for words in wordings(yaml.safe_load(file.read_text(encoding="utf-8"))):
            yield f"{place}texts/{file.name}", words, None
    for file in sorted(scenario.manifests.rglob("*.yml")):
        if words := remark(file.read_text(encoding="utf-8")):
            yield f"manifests/{file.relative_to(scenario.manifests)}", words, None


def _of_notebooks() -> Iterator[tuple[str, str, str]]:
    book = the_book()
    for file in [*book.chapters(), *book.beyond()]:
        for cell, words in pieces(nbformat.read(file, as_version=4)):  # type: ignore[no-untyped-call]
            yield f"notebooks/{file.relative_to(book.notebooks)}", words, cell


def collect(language: str) -> Iterator[str]:
    """Bring both catalogues of *language* up to date; yields what is left to do in each, in words.

    A message whose English was changed keeps its translation, marked ``fuzzy``: it is not shown before
    somebody has looked at it and taken the mark away. One that nobody says any more goes.
    """
    for name in CATALOGUES:
        file = catalogue_file(language, name)
        catalogue = read_catalogue(file, language) if file.exists() else Catalog(locale=language)
        catalogue.update(template(name), no_fuzzy_matching=name == "messages")
        file.parent.mkdir(exist_ok=True)
        file.write_text(written(catalogue), encoding="utf-8")
        yield f"{file}: {left_to_do(catalogue)} of {len(catalogue)} to translate."


def collect_own(scenario: Scenario, language: str) -> str:
    """Bring the catalogue of *scenario*'s own words up to date, beside its data; says what is left to do."""
    file = scenario.catalogue_file(language)
    catalogue = read_catalogue(file, language) if file.exists() else Catalog(locale=language)
    made = Catalog(charset="utf-8")
    for place, message, context in of_scenario(scenario):
        made.add(message, locations=[(place, 0)], context=context)
    catalogue.update(made, no_fuzzy_matching=True)
    file.parent.mkdir(exist_ok=True)
    file.write_text(written(catalogue), encoding="utf-8")
    return f"{file}: {left_to_do(catalogue)} of {len(catalogue)} to translate."


def left_to_do(catalogue: Catalog) -> int:
    """How many of its messages are not translated, or were and have changed since."""
    return sum(not is_translated(message) for message in messages(catalogue))


def is_translated(message: Message) -> bool:
    """Whether a message is said in every form that it needs, and its English is what it was."""
    said = message.string or ""
    forms = (said,) if isinstance(said, str) else tuple(said)
    return all(forms) and not message.fuzzy


def messages(catalogue: Catalog) -> Iterator[Message]:
    """Each message; the first entry of a catalogue is its head."""
    return (message for message in catalogue if message.id)


def written(catalogue: Catalog) -> str:
    """The catalogue as its file has it; without lines' numbers and times, which change with nothing said."""
    text = io.BytesIO()
    catalogue.header_comment, catalogue.fuzzy = f"# The book in {catalogue.locale_identifier}.", False
    write_po(text, catalogue, width=100, include_lineno=False, ignore_obsolete=True)
    lines = text.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_NOTHING_SAID))
