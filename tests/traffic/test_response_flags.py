"""Envoy's response flags in words."""

import pytest

from labkit.traffic.response_flags import meaning, why


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


@pytest.mark.parametrize(
    ("flags", "route", "cluster", "words"),
    [
        (None, "default", "outbound|80||b", ""),
        ("UH", "default", "outbound|80||b", "no healthy pod"),
        (None, "block_all", None, "refuses unknown ones (REGISTRY_ONLY)"),
        (None, None, "BlackHoleCluster", "closes such connections"),
        (None, "allow_any", "PassthroughCluster|10.0.0.1:80", "lets it pass (ALLOW_ANY)"),
    ],
)
def test_why_a_request_ended_so(flags, route, cluster, words):
    assert words in why(flags, route, cluster)
    assert bool(words) == bool(why(flags, route, cluster))
