"""The notebooks beside the steps: their form, and that they hold where the controller is not to be found."""

import re

import nbformat
import pytest

from labkit.language import ENGLISH, known
from labkit.scenario.reading import the_book

BEYOND = the_book().beyond()
LARGEST = 100_000


def cells_of(path):
    return nbformat.read(path, as_version=4).cells


def code(path):
    return [cell for cell in cells_of(path) if cell.cell_type == "code"]


@pytest.mark.parametrize("language", known())
def test_there_is_one(language):
    assert [path.name for path in the_book().beyond(language)] == ["progressive-delivery.ipynb"]


@pytest.mark.parametrize("path", BEYOND, ids=lambda path: path.name)
def test_it_is_as_the_others(path):
    cells = cells_of(path)
    assert cells[0].source.startswith("# Beyond · ")
    assert re.search(r"^\*\*[^*]+\?\*\*$", cells[0].source, re.MULTILINE), "no question in bold"
    assert re.findall(r"^(\w+) = \d+ +# \w+", code(path)[0].source, re.MULTILINE) == [
        "requests",
        "concurrency",
    ]
    assert len(re.findall(r"^\d\. ", cells[-1].source, re.MULTILINE)) == 2, "two things to try"
    links = re.findall(r"\]\(([^)#:]+)\)", "\n".join(one.source for one in cells))
    assert links
    assert all((path.parent / link).exists() for link in links)


@pytest.mark.parametrize("language", known())
def test_its_outputs_are_a_real_controllers(language):
    (path,) = the_book().beyond(language)
    assert path.stat().st_size < LARGEST
    said = "\n".join(str(output) for cell in code(path) for output in cell.outputs)
    assert "rollouts-controller, so the lab leaves" in said or language != ENGLISH
    assert said.count("CanaryPauseStep") >= 1
    assert "RolloutAborted" in said
    assert not re.findall(r"/(?:home|root|tmp|usr|opt|work)/", said), "nothing of the machine"
    assert not [out for cell in code(path) for out in cell.outputs if out.output_type == "error"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_a_controller_it_says_how_to_get_one_and_passes(bench, nbval, monkeypatch):
    monkeypatch.delenv("LABKIT_ARGO_ROLLOUTS", raising=False)
    other = next(language for language in known() if language != ENGLISH)
    translated = the_book().beyond(other)
    bench.labkit("run", *translated, "-o", bench.root / "out", "--language", other, timeout=240)
    (executed,) = (bench.root / "out").glob("*.ipynb")
    said = str([cell.outputs for cell in code(executed)])
    assert "github.com/argoproj/argo-rollouts" in said
    bench.labkit("up")
    found = nbval(*BEYOND)
    assert not found.failed, found.text
    assert len(found.cells) == sum(len(code(path)) for path in BEYOND)
