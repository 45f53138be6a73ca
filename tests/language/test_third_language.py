"""Another language is a folder and no code: one is begun, translated and spoken, in a copy of the book."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.cli.texts.messages import CATALOGUES, messages, written
from labkit.language.reading import read_catalogue

ROOT = Path(__file__).parents[2]
ESPERANTO = "eo"
MARK = " §"
"""What each translation ends with; the rest is English."""

pytestmark = pytest.mark.slow


@pytest.fixture
def typed(bench, tmp_path):
    """Type a `labkit` command in a copy of the checkout that may be written into; what it printed."""
    for name in ("labkit", "notebooks", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("ru"))

    def run(*words):
        environment = {**bench.env, "PYTHONPATH": str(tmp_path)}
        environment.pop("LABKIT_LANGUAGE")
        command = [sys.executable, "-m", "labkit.cli", *words]
        return bench.run(*command, env=environment, cwd=tmp_path).stdout

    return run


def translate(file):
    catalogue = read_catalogue(file, ESPERANTO)
    for message in messages(catalogue):
        one = isinstance(message.id, str)
        message.string = f"{message.id}{MARK}" if one else tuple(f"{form}{MARK}" for form in message.id)
    file.write_text(written(catalogue), encoding="utf-8")


def test_it_is_begun_filled_in_and_spoken(typed, tmp_path):
    begun = typed("texts", ESPERANTO)
    assert begun.count(" to translate.") == len(CATALOGUES)
    assert ": 0 of " not in begun
    for name in CATALOGUES:
        translate(tmp_path / "labkit" / "language" / ESPERANTO / f"{name}.po")
    assert typed("texts", ESPERANTO).count(": 0 of ") == len(CATALOGUES)

    made = tmp_path / "notebooks" / ESPERANTO / "00-prepare.ipynb"
    first = nbformat.read(made, as_version=4).cells[0].source
    assert first.startswith("# 0 · Prepare")
    assert first.endswith(MARK)

    assert "1 of 1 notebooks passed" in typed("run", "--language", ESPERANTO, made, "-o", tmp_path / "out")
    cells = nbformat.read(tmp_path / "out" / made.name, as_version=4).cells
    quiz = next(cell for cell in cells if cell.source.startswith("lab.quiz("))
    assert quiz.outputs[0].data["text/plain"].count(MARK) > 3, "a question, its answers, what to do"
