"""200 weight changes while requests come steadily: none fails, and every proxy has a change at once."""

import collections
import statistics
import threading
import time

import pytest

from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.convergence.ask_istiod import AskIstiod
from labkit.traffic import answers

pytestmark = pytest.mark.slow

CHANGES = 200
WEIGHTS = (50, 90, 100, 0, 10, 100, 50, 0)
"""ServiceB's, in turn: there are the cut-overs to 100 % and back, from either side."""

RULE = VIRTUAL_SERVICES.path("dev-service-mesh", "producer-internal-host-vs")


class Load:
    """Requests without a pause, from ``with`` to its end; ``answers`` counts (status, body)."""

    def __init__(self, url, concurrency):
        self.url, self.concurrency = url, concurrency
        self.answers = collections.Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _ask(self):
        while not self._over.is_set():
            frame = answers.send(self.url, requests=200, concurrency=self.concurrency)
            seen = zip(frame["status"].fillna(0), frame["body"].astype("str"), strict=True)
            self.answers.update((int(status), body or "") for status, body in seen)


def test_no_request_fails(lab, split_rule, capsys):
    lab.goto(4)
    lab.apply(split_rule(50, 50))
    seconds, strategy = [], AskIstiod(lab.api)
    with Load(lab.gateway.url("/service-a"), concurrency=4) as load:
        for turn in range(CHANGES):
            seconds.append(_change(lab, strategy, WEIGHTS[turn % len(WEIGHTS)]))
    with capsys.disabled():
        print(f"\n{CHANGES} changes under {sum(load.answers.values())} requests: {_summary(seconds)}")
    _none_failed(load)
    assert statistics.median(seconds) < 0.5


def test_all_ways_to_change(lab, split_rule):
    """`apply` of the whole object, as a learner does it, is as harmless as a patch."""
    lab.goto(4)
    with Load(lab.gateway.url("/service-a"), concurrency=4) as load:
        for b in (50, 0, 100, 50, 100, 0):
            lab.apply(split_rule(b, 100 - b))
    _none_failed(load)


def _change(lab, strategy, b):
    """Patch the weights; seconds until every proxy has acknowledged them."""
    hosts = {"producer-internal-host": b, "service-c-srv": 100 - b}
    route = [
        {"destination": {"host": host, "port": {"number": 80}}, "weight": weight}
        for host, weight in hosts.items()
    ]
    began = time.perf_counter()
    reply = lab.api.request(
        "PATCH", RULE, body={"spec": {"http": [{"route": route}]}}, content_type=MERGE_PATCH
    )
    acknowledged = strategy.wait(reply.object["metadata"]["resourceVersion"], timeout=10)
    seconds = time.perf_counter() - began
    assert {proxy.state for proxy in acknowledged} == {"SYNCED"}
    return seconds


def _none_failed(load):
    assert sum(load.answers.values()) > 100
    assert {status for status, _ in load.answers} == {200}, load.answers
    endings = {body.partition("(http://producer-internal-host): ")[2] for _, body in load.answers}
    c = "Hello from ServiceC! Calling master system API... 404 Not Found: [no body]"
    assert endings == {"Hello from ServiceB!", c}


def _summary(seconds):
    median, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    return f"applied → acknowledged by all proxies: median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
