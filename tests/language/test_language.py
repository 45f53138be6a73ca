"""Which language is spoken, and how a message is said in it."""

import subprocess
import sys

import pytest

from labkit.errors import UsageError
from labkit.language import chosen, gettext, known, ngettext, speak, spoken
from labkit.scenario.quizzes import find_quiz

LOCALE = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LABKIT_LANGUAGE")


@pytest.fixture
def environment(monkeypatch):
    """An environment with just these variables about languages."""

    def have(**variables):
        for name in LOCALE:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return have


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ru_UA.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "C", "LANGUAGE": "ru"}, "en"),  # as GNU's gettext has it: not where there is no locale
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fy:ru:en"}, "ru"),
        ({"LANG": "sr_RS@latin"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LABKIT_LANGUAGE": "en"}, "en"),
        ({"LABKIT_LANGUAGE": "ru-RU"}, "ru"),
        ({"LABKIT_LANGUAGE": "RU"}, "ru"),
        ({"LABKIT_LANGUAGE": "", "LANG": "ru"}, "ru"),
    ],
)
def test_the_environment_says_it(environment, variables, spoken):
    environment(**variables)
    assert chosen() == spoken


def test_what_is_asked_for_comes_first(environment):
    environment(LABKIT_LANGUAGE="ru", LANG="ru_RU.UTF-8")
    assert chosen("en") == "en"


def test_one_that_is_asked_for_and_not_there_is_told_of(environment):
    environment(LABKIT_LANGUAGE="tlh")
    with pytest.raises(UsageError, match=r"LABKIT_LANGUAGE is 'tlh'.* it has en, .*ru"):
        chosen()
    with pytest.raises(UsageError, match=r"language is '\.\./ru'"):
        chosen("../ru")


def test_a_locale_that_is_not_there_is_english(environment):
    environment(LANG="tlh_XX.UTF-8")
    assert chosen() == "en"


def test_what_no_catalogue_has_is_said_in_english(speak):
    speak("ru")
    assert gettext("Nobody ever translates {this}.", this="it") == "Nobody ever translates it."
    assert ngettext("{number} oddity", "{number} oddities", 3) == "3 oddities"


def test_braces_stand_where_nothing_is_filled_in():
    assert gettext("a {brace}") == "a {brace}"


def test_what_was_said_before_is_said_anew(speak):
    """Nothing of a text is kept from the time when another language was spoken."""
    english = find_quiz(0)
    speak("ru")
    assert find_quiz(0).question != english.question
    speak("en")
    assert find_quiz(0) == english


def test_nothing_is_read_before_somebody_begins():
    """Neither the environment nor a catalogue, when labkit is imported; nor a catalogue for English."""
    code = (
        "import sys; from labkit.language import spoken, speak; import labkit.scenario.quizzes as q;"
        "assert spoken() == 'en'; speak('en'); q.find_quiz(0); assert 'babel' not in sys.modules"
    )
    environment = {"LABKIT_LANGUAGE": "ru", "LANG": "ru_RU.UTF-8"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_tests_speak_english():
    assert spoken() == "en"
    assert "ru" in known()
    speak("en")
