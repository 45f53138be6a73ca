"""What is wrong with a notebook, a parameter or a place is said before anything runs."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from labkit.cli.books import judge, plan
from labkit.errors import UsageError

OF_R = '{"cells": [], "metadata": {"language_info": {"name": "R"}}, "nbformat": 4, "nbformat_minor": 4}'
PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def write(path: Path, code: str = "requests = 20", metadata=PYTHON) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = new_code_cell(code, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell], metadata=metadata), path)
    return path


def test_the_same_name_in_several_folders(tmp_path):
    a, b, c = write(tmp_path / "t/a/x.ipynb"), write(tmp_path / "t/b/x.ipynb"), write(tmp_path / "c/y.ipynb")

    books = plan([a, b, c, a], tmp_path / "out", in_place=True)

    copies = {book.source: book.copy.relative_to(tmp_path) for book in books}
    assert copies == {a: Path("out/a/x.ipynb"), b: Path("out/b/x.ipynb"), c: Path("out/y.ipynb")}
    assert all(book.copy.parent.is_dir() for book in books)


def test_the_same_name_above_and_below(tmp_path):
    above, below = write(tmp_path / "x.ipynb"), write(tmp_path / "b/x.ipynb")

    copies = [
        book.copy.relative_to(tmp_path) for book in plan([above, below], tmp_path / "out", in_place=False)
    ]

    assert copies == [Path("out/x.ipynb"), Path("out/b/x.ipynb")]


def test_a_notebook_that_does_not_say_its_language_is_pythons(tmp_path):
    assert plan([write(tmp_path / "x.ipynb", metadata={})], tmp_path / "out", in_place=False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", r"x\.ipynb is no notebook: Expecting property name"),
        ("", r"x\.ipynb is no notebook"),
        ("[]", r"x\.ipynb is no notebook"),
        ('{"a": 1}', r"x\.ipynb is no notebook"),
        (b"\xff\xfe", r"x\.ipynb is no notebook"),
        (OF_R, "written in r"),
    ],
)
def test_what_is_no_notebook_is_named_itself(tmp_path, content, reason):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(UsageError, match=reason) as raised:
        plan([path], tmp_path / "out", in_place=False)
    assert "out" not in str(raised.value)


def test_places_that_can_not_be_written(tmp_path):
    path = write(tmp_path / "x.ipynb")
    (tmp_path / "file").write_text("")
    (tmp_path / "there/x.html").mkdir(parents=True)

    with pytest.raises(UsageError, match=r"file can't be used for the executed notebooks: "):
        plan([path], tmp_path / "file", in_place=False)
    with pytest.raises(UsageError, match=r"/proc/nowhere can't be used"):
        plan([path], Path("/proc/nowhere"), in_place=False)
    with pytest.raises(UsageError, match="would take its place: choose another folder"):
        plan([path], tmp_path, in_place=False)
    with pytest.raises(UsageError, match=r"x\.html can't be written"):
        plan([path], tmp_path / "there", in_place=False)


GIVEN = (
    "requests = 20\nrate: float = 2.5\nname = 'x'\nalso = other = [1]\nwhen = now()\nno = None\nyes = True"
)


@pytest.fixture
def books(tmp_path):
    bare = write(tmp_path / "bare.ipynb", "requests = 1")
    return plan([write(tmp_path / "x.ipynb", GIVEN), bare], tmp_path / "out", in_place=False)


@pytest.mark.parametrize(
    "given",
    [{}, {"requests": 1, "rate": 3}, {"name": "y", "other": []}, {"when": 7, "no": "x"}, {"yes": False}],
)
def test_parameters_that_fit(books, given):
    judge(books, given)

    assert books[0].chosen(given) == given
    assert set(books[1].chosen(given)) == set(given) & {"requests"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"request": 1}, "None of the notebooks has a parameter request. Did you mean requests?"),
        ({"unknown": 1}, "They have: also, name, no, other, rate, requests, when, yes."),
        ({"requests": "many"}, "requests='many' is a text; x.ipynb has a whole number there"),
        ({"requests": 2.5}, "is a number; x.ipynb has a whole number"),
        ({"requests": True}, "is yes or no"),
        ({"yes": 1}, "is a whole number; x.ipynb has yes or no"),
        ({"name": 5}, "is a whole number; x.ipynb has a text"),
    ],
)
def test_parameters_that_do_not(books, given, reason):
    with pytest.raises(UsageError) as raised:
        judge(books, given)
    assert reason in str(raised.value)
