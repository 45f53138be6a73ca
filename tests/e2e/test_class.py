"""Class mode: two learners at once on one cluster, which is reached by its kubeconfig alone."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

LEARNERS = ("anna", "boris")
SESSION = """
import json, sys
from labkit import Lab

lab = Lab(context="labkit")
failed = []
for step in range(7):
    lab.goto(step, finished=True)
    report = lab.check(step)
    failed += [] if report else [str(report)]
lab.quiz(6).answer(1)
mine = lab.send("/service-a", requests=100, concurrency=4)
frames = {name: lab.access_log(name) for name in ("istio-ingressgateway", "istio-egressgateway", "service-a")}
found = {
    "failed": failed,
    "authorities": sorted({str(a) for frame in frames.values() for a in frame["authority"].dropna()}),
    "pods": sorted({pod for frame in frames.values() for pod in frame["pod"]}),
    "arrived": int(lab.access_log("service-ext", of=mine).shape[0]),
}
json.dump(found, open(sys.argv[1], "w"))
"""


@pytest.fixture
def shared(bench, tmp_path):
    """A cluster with both learners' yes to it."""
    bench.labkit("up")
    mine = {"KUBECONFIG": shutil.copy(bench.kubeconfig, tmp_path / "given")}
    env = {key: value for key, value in os.environ.items() if not key.startswith("LABKIT_")} | mine
    bench.labkit("look", "--context", "labkit", "--yes", env=env)
    return env


@pytest.mark.timeout(300)
def test_two_learners_at_once(bench, shared, tmp_path):
    sessions = {
        name: subprocess.Popen(
            [sys.executable, "-c", SESSION, str(tmp_path / f"{name}.json")],
            env=shared | {"LABKIT_USER": name},
            stderr=subprocess.PIPE,
        )
        for name in LEARNERS
    }
    for session in sessions.values():
        _, errors = session.communicate(timeout=200)
        assert session.returncode == 0, errors.decode()
    found = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in LEARNERS}

    assert [each["failed"] for each in found.values()] == [[], []]
    assert [each["arrived"] for each in found.values()] == [100, 100]
    for name, other in (LEARNERS, LEARNERS[::-1]):
        assert f"{name}.lab.test" in " ".join(found[name]["authorities"])
        assert other not in " ".join(found[name]["authorities"])
    _the_teacher_sees_both(bench, shared, tmp_path)
    _reset_removes_only_ones_own(bench, shared)


def _the_teacher_sees_both(bench, shared, tmp_path):
    """On the wall, in a gradebook, and in reports that are signed; also after the cluster was stopped."""
    wall = bench.labkit("class", "--once", env=shared | {"LABKIT_CONTEXT": "labkit"}).stdout
    for name in LEARNERS:
        assert [name, "6", "●●●●●●●"] == [cell.strip() for cell in _row(wall, name)[1:4]]
    bench.labkit("down")
    bench.labkit("up")
    folder = tmp_path / "class"
    bench.labkit("report", "--class", "-o", folder)

    with (folder / "gradebook.csv").open(newline="", encoding="utf-8") as rows:
        grades = {row["learner"]: row for row in csv.DictReader(rows)}
    assert list(grades) == list(LEARNERS)
    for row in grades.values():
        assert (row["step"], row["steps_done"], row["check_6"]) == ("6", "7", "1")
        assert int(row["quiz_6"]) in (0, 1)
    told = json.loads((folder / "class.json").read_text(encoding="utf-8"))
    assert [one["about"]["learner"] for one in told["learners"]] == list(LEARNERS)
    reports = [folder / "learners" / f"{name}.{kind}" for name in LEARNERS for kind in ("html", "json")]
    for name, file in zip(("anna", "anna", "boris", "boris"), reports, strict=True):
        assert f"for {name} (key " in bench.labkit("report", "--verify", file).stdout
    forged = (folder / "learners" / "anna.json").read_text(encoding="utf-8").replace('"anna"', '"boris"')
    (tmp_path / "forged.json").write_text(forged, encoding="utf-8")
    done = bench.labkit("report", "--verify", *reports, tmp_path / "forged.json", check=False)
    assert done.returncode == 5
    assert done.stdout.count(" intact: as the cluster at ") == 4
    assert "forged.json: changed since it was signed, in 1 part: about." in done.stdout


def _row(wall, name):
    return next(line.split("│") for line in wall.splitlines() if f" {name} " in line)


def _reset_removes_only_ones_own(bench, shared):
    done = bench.labkit("reset", "--context", "labkit", "--yes", env=shared | {"LABKIT_USER": "anna"})

    assert "Removed namespace/dev-service-mesh-anna" in done.stdout
    left = {namespace["metadata"]["name"] for namespace in bench.get("namespaces")["items"]}
    assert {name for name in left if "-anna" in name} == {"labkit-record-anna"}, "which is what reset says"
    assert "namespace/labkit-record-anna stays, with the record of what you did" in done.stdout
    assert {"dev-service-mesh-boris", "external-cluster-boris", "istio-system"} <= left


def test_a_name_that_can_not_be_part_of_a_namespaces_is_refused(bench):
    done = bench.labkit("reset", env=bench.env | {"LABKIT_USER": "Anna Smith"}, check=False)

    assert done.returncode == 1
    assert "small letters" in done.stderr
