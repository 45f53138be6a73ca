"""The notebooks of another language, made from the English ones and their catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from babel.messages.catalog import Catalog

from labkit.cli.texts.prose import in_other_words
from labkit.language import catalogue_file
from labkit.language.reading import read_catalogue
from labkit.scenario.reading import the_book


def make_notebooks(language: str) -> Iterator[Path]:
    """Write each notebook of *language*, with the outputs that it has where its code is still the same."""
    book = the_book()
    for source in [*book.chapters(), *book.beyond()]:
        made = notebook(source, language)
        target = book.notebooks / language / source.relative_to(book.notebooks)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            _keep_outputs(_read(target), made)
        nbformat.write(made, target)  # type: ignore[no-untyped-call]
        yield target


def notebook(source: Path, language: str) -> Any:
    """The notebook *source* in *language*, without outputs; what is not translated is English."""
    catalogue = read_catalogue(catalogue_file(language, "notebooks"), language)
    made = _read(source)
    in_other_words(made, lambda cell, words: _said(catalogue, cell, words))
    return made


def _said(catalogue: Catalog, cell: str, words: str) -> str:
    message = catalogue.get(words, cell)
    return str(message.string) if message and message.string and not message.fuzzy else words


def _keep_outputs(old: Any, new: Any) -> None:
    ran = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in new.cells:
        before = ran.get(cell.id)
        if before is not None and before.source == cell.source:
            cell.outputs, cell.execution_count = before.outputs, before.execution_count


def _read(file: Path) -> Any:
    return nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
