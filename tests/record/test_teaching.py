"""What TEACHING.md says of a gradebook is so."""

import csv
import re
from pathlib import Path

import pandas as pd

from labkit.cli.records.making import _rows

from .made import check, document

TEACHING = (Path(__file__).parents[2] / "TEACHING.md").read_text(encoding="utf-8")


def example(language, containing):
    return next(
        text for text in re.findall(rf"```{language}\n(.*?)```", TEACHING, re.DOTALL) if containing in text
    )


def book_of(*documents):
    """With the steps 0 and 1 alone, as the example has it."""
    for each in documents:
        each["steps"] = each["steps"][:2]
    return _rows(documents)


def test_the_rows_are_as_they_are_shown():
    heads, row = csv.reader(example("csv", "learner,").splitlines())
    written, *_ = csv.reader(book_of(document()).splitlines())
    assert heads == written
    assert len(row) == len(heads)


def test_the_lines_that_read_them_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    acts = [check(1, 0, False), check(2, 0, True), check(3, 1, True), check(4, 1, True, kind="task")]
    Path("gradebook.csv").write_text(book_of(document("anna", acts), document("boris", [])))
    names: dict[str, pd.Series] = {}
    exec(example("python", "gradebook.csv"), names)
    assert names["points"].to_dict() == {"anna": 3, "boris": 0}
