"""Other languages' notebooks are made of the English ones and a catalogue, and stand as they are made."""

import re

import nbformat
import pytest

from labkit.cli.texts.notebooks import notebook
from labkit.cli.texts.prose import in_other_words, pieces

from ..the_book import BOOK
from .english import english

SPEAK = ("goto(", "guide(", "quiz(", "task(", "check(", "verify(", "plot_", "graph(", "shift(", "split(")
"""Calls of the lab's after which it speaks by itself; after others kubectl, curl, Envoy and services do."""
NAMES = r"Hello from[^\n]*|\b(?:ingress|egress) gateway\b|\b\S+\.(?:istio|k8s)\.io/\S+"
CHAPTERS = [str(path.relative_to(BOOK.notebooks)) for path in [*BOOK.chapters(), *BOOK.beyond()]]


@pytest.fixture(params=CHAPTERS)
def chapter(request):
    return request.param


def read(path):
    return nbformat.read(path, as_version=4)


def without_outputs(made):
    return [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in made.cells]


def test_each_is_there(other):
    there = [*BOOK.chapters(other), *BOOK.beyond(other)]
    assert [str(path.relative_to(BOOK.notebooks / other)) for path in there] == CHAPTERS


def test_it_is_as_it_would_be_made(other, chapter):
    committed = read(BOOK.notebooks / other / chapter)
    made = notebook(BOOK.notebooks / chapter, other)
    assert without_outputs(committed) == without_outputs(made), "`labkit texts` makes it anew"


def test_no_english_is_left(other, chapter):
    found = [english(words) for _, words in pieces(read(BOOK.notebooks / other / chapter))]
    assert [words for words in found if words] == []


def test_it_gave_no_english(other, chapter):
    """These outputs are what it gives today: tests/notebooks executes it."""
    cells = [cell for cell in read(BOOK.notebooks / other / chapter).cells if cell.cell_type == "code"]
    spoken = [
        cell
        for cell in cells
        if any(f"lab.{call}" in cell.source for call in SPEAK)
        and not any(others in cell.source for others in ("lab.apply(", "if robot"))
    ]
    found = {cell.id: english(re.sub(NAMES, " ", "\n".join(plain(cell)))) for cell in spoken}
    assert spoken
    assert {cell: words for cell, words in found.items() if words} == {}


def plain(cell):
    """What a cell gave, as plain text."""
    for output in cell.outputs:
        yield output.get("text") or output.get("data", {}).get("text/plain", "")


def test_code_is_the_same(other, chapter):
    """But for comments and what is stated: each of them the same length of nothing, both are one program."""

    def bare(path):
        made = read(path)
        in_other_words(made, lambda cell, words: "…")
        return [cell.source for cell in made.cells if cell.cell_type == "code"]

    assert bare(BOOK.notebooks / other / chapter) == bare(BOOK.notebooks / chapter)


def test_statements_are_prose_and_other_texts_are_not():
    cells = [
        nbformat.v4.new_code_cell(
            '# one\nlab.verify("two", x == "three")  # four\nlab.verify(\n    "fünf",\n    y)'
        ),
        nbformat.v4.new_code_cell("%%bash\nls  # 'quote"),
        nbformat.v4.new_markdown_cell("six"),
    ]
    made = nbformat.v4.new_notebook(cells=cells)
    assert [words for _, words in pieces(made)] == ["one", "two", "four", "fünf", "six"]
    in_other_words(made, lambda cell, words: words.upper() * 2)
    assert made.cells[0].source == (
        '# ONEONE\nlab.verify("TWOTWO", x == "three")  # FOURFOUR\nlab.verify(\n    "FÜNFFÜNF",\n    y)'
    )
    assert made.cells[1].source == "%%bash\nls  # 'quote"
    assert made.cells[2].source == "SIXSIX"
