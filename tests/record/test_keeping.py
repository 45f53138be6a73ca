"""A record on a real cluster: nothing is lost, nothing disturbs, and nobody sweeps it."""

import subprocess
import sys
import threading

import pytest

from labkit import Lab
from labkit.errors import ApiRefused, ConnectionLost
from labkit.kube.connecting.connect import connect
from labkit.record import condensing, shelf
from labkit.record.keeping import Record
from labkit.record.outbox import Outbox
from labkit.record.shelf import Shelf
from labkit.scenario.checks import Finding, Report
from labkit.scenario.learner import Learner

pytestmark = pytest.mark.slow

NOTES = """
import sys
from labkit.kube.connecting.connect import connect
from labkit.record.keeping import Record
from labkit.scenario.learner import Learner

record = Record(connect(kubeconfig=sys.argv[1]), Learner("carla"))
for number in range(40):
    record.statement(f"{sys.argv[2]} {number}", True)
"""
"""As a notebook whose kernel just ends: nobody closes anything."""


@pytest.fixture
def api(cluster):
    found = connect(kubeconfig=cluster.kubeconfig)
    yield found
    found.close()


@pytest.fixture
def learner(api, request):
    """A learner of the test's own; their record goes with the test."""
    found = Learner(f"r{abs(hash(request.node.name)) % 10**9}")
    yield found
    _remove(api, found)


def _remove(api, learner):
    path = f"/api/v1/namespaces/{Shelf(api, learner).namespace}"
    if api.find(path):
        api.request("DELETE", path)


def test_two_notebooks_at_once_lose_nothing(cluster, api):
    command = [sys.executable, "-c", NOTES, str(cluster.kubeconfig)]
    try:
        both = [subprocess.Popen([*command, name]) for name in ("one", "other")]
        assert [one.wait(60) for one in both] == [0, 0]
        kept = Shelf(api, Learner("carla")).entries()
        said = [entry.content["statement"] for entry in kept]
        assert sorted(said) == sorted(f"{name} {n}" for name in ("one", "other") for n in range(40))
        assert Outbox.of(api, Learner("carla")).entries() == []
    finally:
        _remove(api, Learner("carla"))


def test_a_cell_does_not_wait_for_it(api, learner, monkeypatch):
    """Whatever the cluster does meanwhile: all of these are noted before it has answered once."""
    answers, add = threading.Event(), Shelf.add
    monkeypatch.setattr(Shelf, "add", lambda shelf, entries: answers.wait(30) and add(shelf, entries))
    record = Record(api, learner)
    for _ in range(3):
        record.statement("x", True)
    assert len(Outbox.of(api, learner).entries()) == 3
    assert Shelf(api, learner).entries() == []
    answers.set()
    record.close()
    assert len(Shelf(api, learner).entries()) == 3


def test_where_the_cluster_takes_nothing_it_is_kept_beside_and_said_once(api, learner, monkeypatch):
    def refuse(*_):
        raise ApiRefused('configmaps is forbidden: User "anna" cannot patch\nAsk.', code=403)

    told = []
    with monkeypatch.context() as patched:
        patched.setattr(Shelf, "add", refuse)
        for _ in range(2):  # two kernels, one after the other
            record = Record(api, learner, told.append)
            record.statement("a", True)
            record.bring()
            record.statement("b", True)
            record.statement("c", True)
            record.close()
    beside = Outbox.of(api, learner)
    assert len(beside.entries()) == 6
    (words,) = told
    assert words.startswith(f"What you do is recorded in {beside.folder}, for this cluster does not take it")
    assert 'User "anna" cannot patch)' in words

    Record(api, learner).bring()  # when it does, all goes along
    assert beside.entries() == []
    assert len(Shelf(api, learner).entries()) == 6


def test_a_cluster_that_is_away_is_no_reason_to_stop(api, learner, monkeypatch):
    def away(*_):
        raise ConnectionLost("Nothing answers")

    told = []
    monkeypatch.setattr(Shelf, "add", away)
    record = Record(api, learner, told.append)
    report = Report(1, (Finding("It answers", True, "Hello"),))
    assert record.report(report) is report
    record.close()
    record.statement("after the end", True)
    assert told == []
    assert len(Outbox.of(api, learner).entries()) == 2


def test_a_full_disk_is_said_once(api, learner, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    told = []
    monkeypatch.setattr(Outbox, "put", full)
    record = Record(api, learner, told.append)
    record.statement("a", True)
    record.statement("b", True)
    assert told == ["This is not in the record of what you do: [Errno 28] No space left on device"]


def test_it_never_grows_out_of_its_place(api, learner, monkeypatch):
    """Many small ones come to the limit, and the cluster itself to its own."""
    monkeypatch.setattr(shelf, "LARGEST", 30_000)
    monkeypatch.setattr(condensing, "_AFTERWARDS", 15_000)
    record = Record(api, learner)
    for number in range(150):
        record.statement(f"{number} {'x' * 400}", True)
    record.close()
    kept = Shelf(api, learner).entries()
    assert condensing.size(kept) < 31_000
    (told,) = [entry for entry in kept if entry.kind == "condensed"]
    assert told.content["counts"]["statement"] + len(kept) - 1 == 150
    assert kept[-1].content["statement"].startswith("149 ")


def test_neither_goto_nor_reset_sweeps_it(cluster, capsys):
    with Lab(kubeconfig=cluster.kubeconfig) as lab:
        lab.goto(1)
        assert lab.check(0)
        lab.quiz(0).answer(1)
        lab.reset()
        lab.record.close()
        kinds = [entry.kind for entry in Shelf(lab.api, lab.learner).entries()]
    assert kinds[-4:] == ["goto", "check", "quiz", "goto"]
    capsys.readouterr()
    done = cluster.labkit("reset", "--yes")
    assert "namespace/labkit-record stays, with the record of what you did" in done.stdout
    assert "labkit-record" in cluster.kubectl("get", "namespaces")
