"""Errors are sentences, in a notebook too."""

import inspect

import pytest

from labkit import errors

CLASSES = [
    found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.LabkitError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_notebook_shows_the_sentence_alone(kind, capsys):
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    shell.push({"kind": kind})
    shell.run_cell("raise kind('serviceA-gw.yml, line 3: so it is.')")

    shown = capsys.readouterr().out
    assert shown.strip() == f"{kind.__name__}: serviceA-gw.yml, line 3: so it is."


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_in_the_docstring_is_whole(kind):
    assert kind.__name__ in errors.__doc__


def test_everything_is_a_labkit_error():
    defined = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]

    assert set(defined) == set(CLASSES)
