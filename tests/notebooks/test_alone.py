"""Each notebook stands alone: backwards, from a fresh cluster, with other numbers than the committed ones.

In two languages at the same time: the code is the same (tests/language), and so is what holds.
"""

import concurrent.futures
import re
from pathlib import Path

import nbformat
import pytest

from labkit.language import ENGLISH, known
from labkit.scenario.reading import the_book

BOOK = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))

pytestmark = pytest.mark.slow


def run(bench, notebooks, out, language):
    """papermill over *notebooks*, on a cluster of their own."""
    options = ["-o", out, "-p", "requests=50", "-p", "concurrency=2", "--language", language]
    return bench.labkit("run", *notebooks, *options, timeout=240)


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.timeout(300)
def test_backwards_with_other_parameters(bench):
    """6, 4, 2, 0 and 5, 3, 1, side by side: no notebook finds what the one before it would have made."""
    other = next(language for language in known() if language != ENGLISH)
    translated = the_book().chapters(other)
    committed = {path: path.read_bytes() for path in (*NOTEBOOKS, *translated)}
    out = bench.root / "out"
    halves = {ENGLISH: NOTEBOOKS[6::-2], other: translated[5::-2]}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = pool.map(lambda each: run(bench, halves[each], out, each), halves)
        for half, done in zip(halves.values(), runs, strict=True):
            assert re.findall(r"\d+", done.stdout.splitlines()[-1])[:2] == [str(len(half))] * 2
            assert done.stderr == "", "a kernel's chatter"
    for path in NOTEBOOKS:
        assert any("requests = 50\nconcurrency = 2" in source for source in sources(out / path.name))
        assert (out / path.name).with_suffix(".html").stat().st_size > 100_000
    assert {path: path.read_bytes() for path in committed} == committed, "the book itself stays as it is"


def test_a_broken_notebook_is_told_and_kept(bench):
    book = nbformat.read(NOTEBOOKS[1], as_version=4)
    place = next(n for n, cell in enumerate(book.cells) if "lab.verify(" in cell.source)
    book.cells[place].source = 'lab.verify("it is too early", answer.text.endswith("Hello from ServiceB!"))'
    broken = bench.root / NOTEBOOKS[1].name
    nbformat.write(book, broken)
    (bench.root / "manifests").symlink_to(BOOK.parent / "manifests")
    done = bench.labkit("run", broken, "-o", bench.root / "out", check=False)
    assert done.returncode == 1
    assert "it is too early" in done.stdout
    assert "0 of 1 notebooks passed" in done.stdout
    kept = bench.root / "out" / broken.name
    assert any("UnknownHostException" in str(cell.get("outputs")) for cell in nbformat.read(kept, 4).cells)
    assert "it is too early" in kept.with_suffix(".html").read_text()
