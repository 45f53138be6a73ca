"""``labkit run``: real notebooks, a real cluster, and nothing of it left."""

import os
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from labkit.cli.run import run
from labkit.scenario.reading import the_book

pytestmark = pytest.mark.slow


@pytest.fixture
def notebook(bench):
    def write(name, *cells, parameters=""):
        first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        path = bench.root / name
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=[first, *map(new_code_cell, cells)], metadata=kernel), path)
        return path

    return write


def _outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []))


def test_a_notebook_gets_a_cluster_of_its_own(bench, notebook):
    path = notebook("good.ipynb", "from labkit import Lab\nprint(Lab(), requests)", parameters="requests = 1")
    out = bench.root / "out"
    done = bench.labkit("run", path, "--output", out, "-p", "requests=77")
    assert "1 of 1 notebooks passed" in done.stdout
    assert "77" in _outputs(out / "good.ipynb")
    page = (out / "good.html").read_text()
    assert "<html" in page
    assert (
        re.findall(r"<script[^>]* src=|<link[^>]* href=|\bimport[( ]|@import|url\(['\"]?https?:", page) == []
    )
    assert bench.running is None
    assert not bench.home.root.exists()
    assert not list((bench.root / "state").glob("labkit-homes/*"))


def test_a_failure_is_told_and_the_others_still_run(bench, notebook):
    bad = notebook("bad.ipynb", "print('so far so good')", "assert 1 == 2, 'not equal'", "print('never')")
    bare = notebook("bare.ipynb", "print('fine')\nassert 1 == 2\nprint('never')")
    good = notebook("good.ipynb", "print('fine')")
    out = bench.root / "out"
    done = bench.labkit("run", bad, bare, good, "-o", out, check=False)
    assert done.returncode == 1
    assert "not equal" in done.stdout
    assert "cell 1: AssertionError: assert 1 == 2" in done.stdout
    assert "1 of 3 notebooks passed" in done.stdout
    assert "Traceback" not in done.stderr
    assert "so far so good" in _outputs(out / "bad.ipynb")
    assert (out / "bad.html").exists()
    assert "fine" in _outputs(out / "good.ipynb")


def test_two_of_one_name_and_one_without_a_kernel(bench, notebook):
    """Each gets its own outputs back, and a notebook that names no kernel is one of Python's."""
    (bench.root / "a").mkdir()
    (bench.root / "b").mkdir()
    first, second = notebook("a/x.ipynb", "print('this is a')"), notebook("b/x.ipynb", "print('this is b')")
    bare = nbformat.read(second, as_version=4)
    bare.metadata = {}
    nbformat.write(bare, second)

    done = bench.labkit("run", first, second, "--in-place", "-o", bench.root / "out")

    assert "2 of 2 notebooks passed" in done.stdout
    assert (_outputs(first), _outputs(second)) == ("this is a\n", "this is b\n")
    assert "print('this is b')" in second.read_text()
    assert (bench.root / "out/b/x.html").exists()


def test_the_environment_it_is_called_in_stays_as_it_was(bench, notebook, monkeypatch):
    for name in os.environ.keys() - bench.env.keys():
        monkeypatch.delenv(name)
    for name, value in bench.env.items():
        monkeypatch.setenv(name, value)
    path = notebook("place.ipynb", "import os\nprint(os.environ['LABKIT_HOME'], os.environ['LABKIT_IMAGES'])")
    out, before = bench.root / "out", dict(os.environ)
    run.callback((path,), out, (), None, "registry.example/", "en", the_book(), in_place=False)
    assert dict(os.environ) == before
    home, images = _outputs(out / "place.ipynb").split()
    assert home != str(bench.home.root)
    assert images == "registry.example/"
