"""The book in other languages, executed: it holds there as well, and speaks that language."""

import re

import nbformat
import pytest

from labkit import language

from ..language.english import english

OTHERS = [one for one in language.known() if one != language.ENGLISH]
SPEAK = (
    "lab.goto(",
    "lab.guide(",
    "lab.quiz(",
    "lab.task(",
    "lab.check(",
    "lab.verify(",
    "lab.plot_",
    "lab.graph(",
)
"""Cells in which the book speaks by itself; in others kubectl, curl, Envoy and the services do, too."""
NAMES = r"Hello from[^\n]*|\b(?:ingress|egress) gateway\b|\b\S+\.(?:istio|k8s)\.io/\S+"

pytestmark = pytest.mark.slow


def plain(cell):
    """What a cell says as plain text."""
    for output in cell.outputs:
        yield output.get("text") or output.get("data", {}).get("text/plain", "")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("other", OTHERS)
def test_it_holds_and_is_said_in_that_language(bench, other):
    out = bench.root / "out"
    done = bench.labkit(
        "run", "--language", other, "-o", out, "-p", "requests=50", "-p", "concurrency=2", timeout=280
    )
    assert "7 of 7 notebooks passed" in done.stdout
    found = {}
    for path in sorted(out.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and any(call in cell.source for call in SPEAK):
                said = re.sub(NAMES, " ", "\n".join(plain(cell)))
                if "lab.apply(" not in cell.source and english(said):
                    found[path.name, cell.id] = english(said)
    assert found == {}, "English words, by notebook and cell"
