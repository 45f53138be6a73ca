"""The committed outputs are what the notebooks give today (nbval), but for what ``sanitize.cfg`` names.

In each language that the book has, so each is executed and holds there.

Not compared, by the tag ``nbval-ignore-output``: what shows random traffic or measured time as a picture,
and six single answers of which each may come from B or from C. The asserts in the notebooks judge those.
"""

import copy
import uuid
from pathlib import Path

import nbformat
import pytest

from labkit.language import known
from labkit.scenario.reading import the_book

BOOK = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
PICTURES = ("lab.plot_", "lab.graph(", "lab.trace(", "lab.split_panel(", "lab.shift(")

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", known())
def test_every_cell_gives_what_was_committed(bench, nbval, language):
    bench.labkit("up")
    chapters = the_book().chapters(language)
    found = nbval(*chapters, language=language)
    code = [cell for path in chapters for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert not found.failed, found.text
    assert len(found.cells) == len(code)


def test_few_cells_are_left_out():
    cells = [cell for path in NOTEBOOKS for cell in nbformat.read(path, 4).cells]
    tagged = [cell for cell in cells if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    pictures = [cell for cell in tagged if any(call in cell.source for call in PICTURES)]
    assert len(tagged) - len(pictures) <= 1


def cell_of(notebook, source):
    """A copy of the committed cell that does *source*, with its outputs."""
    cells = nbformat.read(notebook, as_version=4).cells
    return copy.deepcopy(next(cell for cell in cells if cell.cell_type == "code" and source in cell.source))


def expecting(cell, old, new):
    """A copy of *cell* whose committed output says *new* instead of *old*."""
    other = copy.deepcopy(cell)
    other.id = uuid.uuid4().hex
    output = other.outputs[0]
    holder, key = (output, "text") if output.output_type == "stream" else (output.data, "text/html")
    assert old in holder[key]
    holder[key] = holder[key].replace(old, new)
    return other


def test_a_wrong_answer_is_noticed(bench, nbval):
    """A comparison that lets everything pass would fail here."""
    nodes, begin = cell_of(NOTEBOOKS[0], "lab.nodes()"), cell_of(NOTEBOOKS[2], "lab.goto(2)")
    answer = cell_of(NOTEBOOKS[2], 'print(lab.curl("/service-a").text)')
    book = nbformat.read(NOTEBOOKS[2], as_version=4)
    book.cells = [
        begin,
        nodes,
        expecting(nodes, "s</td>", "7s</td>"),  # 3 s, 37 s: a sanitizer is for that
        expecting(nodes, ">Ready</td>", ">NotReady</td>"),
        answer,
        expecting(answer, "UnknownHostException", "ConnectException"),
        expecting(answer, "producer-internal-host", "another-host"),
    ]
    copied = bench.root / "copy.ipynb"
    nbformat.write(book, copied)
    bench.labkit("up")
    found = nbval(copied)
    assert [name.rpartition(" ")[2] for name in found.failed] == ["3", "5", "6"], found.text
