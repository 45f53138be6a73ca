"""Copies are found in the log of who gets them, and judged by it."""

import pandas as pd
import pytest

from labkit.kube.mesh.destinations import Destination
from labkit.kube.proxies.proxies import Proxy
from labkit.release.copies import copies_of
from labkit.release.limits import Limits

B, C = Destination("b.shop", port=80), Destination("c.shop", port=80)
IP = {"front": "10.0.0.1", "a": "10.0.0.2", "b": "10.0.0.3", "c": "10.0.0.4", "ext": "10.0.0.5"}
PROXIES = [Proxy("shop", pod, ip, pod, pod == "front") for pod, ip in IP.items()]
NOON = pd.Timestamp("2026-01-01T12:00:00Z")


def out(pod, number, to, *, code=200, at=1):
    """*pod* called the service *to*."""
    cluster = f"outbound|80||{to}.shop.svc.cluster.local"
    return line(pod, number, cluster, upstream_host=f"{IP[to]}:8082", code=code, at=at)


def into(pod, number, *, authority="b", code=200, ms=5, at=2):
    """A request came to *pod*."""
    host = f"{IP[pod]}:8082"
    return line(pod, number, "inbound|8082||", authority, upstream_host=host, code=code, ms=ms, at=at)


def line(pod, number, cluster, authority="b", *, upstream_host, code=200, ms=5, at=1):
    return {
        "pod": pod,
        "request": f"id{number}",
        "start_time": NOON + pd.Timedelta(milliseconds=100 * number + at),
        "upstream_cluster": cluster,
        "upstream_host": upstream_host,
        "downstream_local_address": upstream_host if cluster.startswith("inbound") else "10.1.0.1:80",
        "authority": authority,
        "path": "/",
        "response_code": code,
        "response_flags": None,
        "duration": ms,
    }


def asked(number):
    """A request that A's sidecar sent to B, as it is without any copy."""
    return [out("a", number, "b"), into("b", number)]


def copies(lines, *, due=(0, 1, 2), of_all=True, slow_ms=1000):
    ids = {f"id{number}" for number in due}
    frame = pd.DataFrame(lines)
    return copies_of(frame, PROXIES, [B, C], ["c"], ids, name="C (copies)", of_all=of_all, slow_ms=slow_ms)


@pytest.mark.parametrize("authority", ["b", "b-shadow", "b-shadow:80"])
def test_a_copy_is_a_line_that_nobody_sent_there(authority):
    found = copies(
        [*asked(0), into("c", 0, authority=authority), *asked(1), into("c", 1, authority=authority)]
    )

    assert (found.health.requests, found.health.errors) == (2, 0)
    assert (found.due, found.missing) == (2, 0)
    assert found.health.p95_ms == 5


def test_what_was_sent_there_is_no_copy():
    """The request itself came to C; and B calls C in its turn for another."""
    sent = [out("a", 0, "c"), into("c", 0), *asked(1), out("b", 1, "c", at=3), into("c", 1, at=4)]

    found = copies(sent, due=(0, 1))
    assert (found.health.requests, found.health.errors, found.missing) == (2, 2, 2)

    found = copies([*sent, into("c", 1, authority="b-shadow", code=500, at=3)], due=(1,))
    assert (found.health.requests, found.health.errors, found.missing) == (1, 1, 0)


def test_it_fails_by_its_own_line_or_by_a_call_made_for_it():
    lines = [
        *[*asked(0), into("c", 0, code=503)],
        *[*asked(1), into("c", 1), out("c", 1, "ext", code=404, at=3)],
        *[*asked(2), into("c", 2, ms=1500)],
    ]

    found = copies(lines)
    assert (found.health.requests, found.health.errors, found.health.slow) == (3, 2, 1)
    assert "404" in found.health.example


def test_what_should_have_come_and_did_not_has_failed():
    lines = [*asked(0), into("c", 0), *asked(1), *asked(2)]

    found = copies(lines, due=(0, 1))
    assert (found.health.requests, found.health.errors, found.missing) == (2, 1, 1)
    assert "no proxy there has a line of it" in found.health.example
    some = copies(lines, due=(0, 1), of_all=False)
    assert (some.health.requests, some.health.errors, some.missing) == (1, 0, 1), "nobody knows which"


def test_what_came_to_nobody_has_no_copy():
    lost = out("a", 0, "b", code=503) | {"upstream_cluster": None, "upstream_host": None}

    assert copies([lost, *asked(1), into("c", 1)], due=(0, 1)).missing == 0


def test_half_as_many_as_there_should_be_are_too_few():
    every, few = [row for n in range(200) for row in asked(n)], [into("c", n) for n in range(0, 200, 20)]
    due = range(200)

    found = copies([*every, *few], due=due, of_all=False)
    assert "of 200 requests 10 came to C (copies), where it should be about 50" in Limits().broken_by_copies(
        found, 0.5
    )
    assert Limits().broken_by_copies(found, 0.05) is None
    assert "of 200 requests 0 came" in Limits().broken_by_copies(copies(every, due=due, of_all=False), 0.1)
