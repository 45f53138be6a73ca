"""Envoy's response flags in words."""

import pytest

from labkit.traffic.response_flags import meaning


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("NR", "no route fits this host and path"),
        ("UF,URX", "no connection to the service could be made; all retries are used up"),
        ("XYZ", "flag XYZ"),
        ("-", ""),
        (None, ""),
        (float("nan"), ""),
    ],
)
def test_words(flags, words):
    assert meaning(flags) == words
