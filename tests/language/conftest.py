"""Languages of the process: whoever speaks another one gives back what was spoken."""

import pytest

from labkit import language


@pytest.fixture
def speak():
    before = language.spoken()
    yield language.speak
    language.speak(before)


@pytest.fixture(params=[one for one in language.known() if one != language.ENGLISH])
def other(request):
    """Each language that the book has beside English."""
    return request.param
