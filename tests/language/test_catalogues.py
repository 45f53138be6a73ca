"""Every language says all that the book says, and nothing that it does not say any more."""

import re
from string import Formatter

import pytest

from labkit.cli.texts.messages import CATALOGUES, collect, is_translated, messages, written
from labkit.language import catalogue_file
from labkit.language.reading import read_catalogue

from .asked import asked_for
from .english import english


@pytest.fixture(params=CATALOGUES)
def name(request):
    return request.param


@pytest.fixture
def catalogue(other, name):
    return read_catalogue(catalogue_file(other, name), other)


def key(message):
    return message.context, message.id


def forms(said):
    return (said,) if isinstance(said, str) else tuple(said)


def places(text):
    return {field for _, field, _, _ in Formatter().parse(text) if field is not None}


def test_no_message_is_missing_and_none_is_left_over(name, catalogue):
    """A message whose English was changed is both: missing as it is now, left over as it was."""
    said, asked = set(map(key, messages(catalogue))), set(map(key, messages(asked_for(name))))
    assert asked - said == set(), "missing: `labkit texts` makes places for them"
    assert said - asked == set(), "left over: `labkit texts` takes them out"


def test_every_message_is_translated(catalogue):
    assert [message.id for message in messages(catalogue) if not is_translated(message)] == []


def test_places_are_the_same_in_both(name, catalogue):
    if name == "notebooks":
        pytest.skip("prose has no places")
    for message in messages(catalogue):
        wanted = places(forms(message.id)[-1])
        for said in forms(message.string):
            assert places(said) == wanted, message.id


def test_code_is_the_same_in_both(catalogue):
    """Commands, names and links are nobody's language. (Which stands first is up to the language.)"""
    pattern = r"```.*?```|`[^`]+`|\]\([^)]+\)"
    for message in messages(catalogue):
        wanted = sorted(re.findall(pattern, forms(message.id)[-1], re.DOTALL))
        for said in forms(message.string):
            assert sorted(re.findall(pattern, said, re.DOTALL)) == wanted, message.id


def test_no_english_is_left(catalogue):
    found = {said: english(said) for message in messages(catalogue) for said in forms(message.string)}
    assert {said: words for said, words in found.items() if words} == {}


def test_a_file_is_as_it_would_be_written(other, name, catalogue):
    """So that one message less or more is one message less or more in a diff."""
    assert catalogue_file(other, name).read_text(encoding="utf-8") == written(catalogue)


def test_a_changed_paragraph_is_to_be_translated_again(tmp_path, monkeypatch, other):
    """Its translation is kept for whoever does that, and is not shown until then."""
    file = tmp_path / other / "notebooks.po"
    file.parent.mkdir()
    text = catalogue_file(other, "notebooks").read_text(encoding="utf-8")
    file.write_text(text.replace("the node ready", "the node ready at last"), encoding="utf-8")
    monkeypatch.setattr(
        "labkit.cli.texts.messages.catalogue_file", lambda language, name: tmp_path / language / f"{name}.po"
    )
    list(collect(other))
    changed = [message for message in messages(read_catalogue(file, other)) if not is_translated(message)]
    assert [message.context for message in changed] == ["00-05"]
    assert changed[0].fuzzy
    assert changed[0].string
