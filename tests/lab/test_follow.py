"""Following logs: several pods, new ones, a container that starts anew, and nothing left."""

import itertools
import threading
import time

import pytest

from labkit.errors import ApiRefused
from labkit.kube.api.follow import Following

pytestmark = pytest.mark.slow
B = {"app": "service-b-app"}


@pytest.fixture
def following(lab):
    lab.goto(2, finished=True)
    with Following(lab.api, B, "dev-service-mesh", "istio-proxy") as found:
        yield found
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("follow")]


def inbound(following, seconds):
    """What tells of requests to ServiceB."""
    return (line for line in following.until(time.monotonic() + seconds) if "inbound|8082||" in line.text)


def lines_of(following, lab, pods, seconds=30.0):
    """Send requests until each of so many *pods* has written a line; the names of those pods."""
    seen = {}
    deadline = time.monotonic() + seconds
    while len(seen) < pods:
        lab.send("/service-a", requests=10)
        for line in following.until(min(deadline, time.monotonic() + 0.3)):
            if "inbound|8082||" in line.text:
                seen.setdefault(line.pod, []).append(line)
        assert time.monotonic() < deadline, f"only {list(seen)} have written"
    return seen


def test_only_what_is_new_comes_and_each_line_once(following, lab):
    lab.send("/service-a", requests=20)
    lines = list(itertools.islice(inbound(following, seconds=30), 20))
    lines += inbound(following, seconds=1)  # nothing comes a second time

    assert len(lines) == 20
    assert [line.time for line in lines] == sorted(line.time for line in lines)


def test_a_log_that_opens_late_misses_nothing(lab, monkeypatch):
    lab.goto(2, finished=True)
    stream, opened = lab.api.stream, []

    def late(path, **options):
        if path.endswith("/log"):
            time.sleep(2)  # as on a busy machine
            opened.append(path)
        return stream(path, **options)

    monkeypatch.setattr(lab.api, "stream", late)
    with Following(lab.api, B, "dev-service-mesh", "istio-proxy") as found:
        assert opened
        lab.send("/service-a", requests=5)
        assert len(list(itertools.islice(inbound(found, seconds=30), 5))) == 5


def test_a_log_that_breaks_off_before_its_first_line_brings_nothing_old(lab, monkeypatch):
    lab.goto(2, finished=True)
    lab.send("/service-a", requests=5)
    stream, broken, again = lab.api.stream, [], threading.Event()
    sent = int(time.time())
    while int(time.time()) <= sent:  # the API counts in whole seconds
        time.sleep(0.05)

    def breaks_off(path, **options):
        reply = stream(path, **options)
        if path.endswith("/log") and not broken:
            broken.append(path)
            reply.shutdown()
        elif path.endswith("/log"):
            again.set()
        return reply

    monkeypatch.setattr(lab.api, "stream", breaks_off)
    with Following(lab.api, B, "dev-service-mesh", "istio-proxy") as found:
        assert again.wait(30)
        lab.send("/service-a", requests=3)
        lines = list(itertools.islice(inbound(found, seconds=30), 3))
        assert list(inbound(found, seconds=1)) == []
    assert broken
    assert int(lines[0].time[17:19]) != sent % 60


def test_pods_that_come_later_join(following, lab, cluster):
    cluster.kubectl("scale", "deployment", "service-b-deployment", "-n", "dev-service-mesh", "--replicas=2")
    lab.wait()

    assert len(lines_of(following, lab, pods=2)) == 2


def test_a_container_that_starts_anew_goes_on(following, lab, cluster):
    (pod,) = lines_of(following, lab, pods=1)
    kill = ("exec", pod, "-n", "dev-service-mesh", "-c", "istio-proxy", "--")
    cluster.run("kubectl", *kill, "pilot-agent", "request", "POST", "quitquitquit", check=False)
    lab.api.get("/version")
    deadline = time.monotonic() + 30
    while restarts(cluster, pod) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lab.wait()

    assert list(lines_of(following, lab, pods=1)) == [pod]


def restarts(cluster, pod):
    found = cluster.get("pod", pod, "-n", "dev-service-mesh")
    statuses = {each["name"]: each for each in found["status"]["containerStatuses"]}
    proxy = statuses["istio-proxy"]
    return proxy["restartCount"] if proxy["ready"] else 0


def test_pods_that_write_nothing_are_let_go_at_once(lab):
    lab.goto(2, finished=True)
    with Following(lab.api, B, "dev-service-mesh", "istio-proxy") as quiet:
        list(quiet.until(time.monotonic() + 1))
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("follow")]


def test_pods_that_cannot_be_watched_are_an_error_at_once(lab):
    begin = time.monotonic()
    with pytest.raises(ApiRefused), Following(lab.api, B, "no/where", "istio-proxy"):
        pass
    assert time.monotonic() - begin < 5


def test_the_lab_follows_for_a_while(lab):
    lab.goto(2, finished=True)
    lines = lab.follow("b", seconds=30)
    sender = threading.Timer(1.0, lambda: lab.send("/service-a", requests=3))
    sender.start()
    found = list(itertools.islice((line for line in lines if "inbound|8082||" in line.text), 3))
    sender.join()
    lines.close()

    assert len(found) == 3
    assert list(lab.follow("b", seconds=0.5)) == [], "and no longer"
    assert str(found[0]).startswith("service-b-deployment-")
