"""The controller beside a notebook: found where it is, and said how to get it where it is not."""

import stat

import pytest

from labkit.errors import UsageError
from labkit.release.argo_rollouts import CONTROLLER, PLUGIN, VARIABLE, Robot, find_programs


class Cluster:
    """As much of an API as a controller's start needs."""

    kubeconfig, context, shared = "/kubeconfig", "labkit", False

    def __init__(self, defined=True):
        self.defined = defined

    def find(self, path):
        return {} if self.defined else None


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Two programs that say what they were called with; the first one stays."""

    def make(folder=tmp_path, said="", ends=0):
        for name, end in ((CONTROLLER, "exec sleep 60"), (PLUGIN, f"exit {ends}")):
            file = folder / name
            lines = ("#!/bin/sh", f'echo "called: $*" >> {tmp_path}/{name}.log', f'echo "{said}"', end)
            file.write_text("\n".join(lines))
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv(VARIABLE, str(folder))

    return make


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))


def test_without_one_it_says_how_to_get_it_and_does_nothing(nowhere, capsys):
    robot = Robot(Cluster(), "shop")

    assert not robot
    assert "go mod download -json github.com/argoproj/argo-rollouts@v" in repr(robot)
    robot("promote", "web")
    assert capsys.readouterr().out == (
        "$ kubectl argo rollouts -n shop promote web\n(not done: there is no controller here)\n"
    )
    robot.close()


def test_it_is_found_on_path_as_well(programs, monkeypatch, tmp_path):
    programs()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert find_programs().controller == str(tmp_path / CONTROLLER)


def test_it_runs_for_one_namespace_and_ends_with_the_next_one(programs, tmp_path, capsys):
    programs(said="Healthy")
    first = Robot(Cluster(), "shop")
    second = Robot(Cluster(), "shop")
    try:
        assert first._process.poll() is not None, "one at a time"
        assert second._process.poll() is None
        assert repr(second) == "An Argo Rollouts controller drives the Rollouts of shop."
        second("status", "web")
        assert capsys.readouterr().out.splitlines()[1] == "Healthy"
        said = (tmp_path / f"{PLUGIN}.log").read_text()
        assert said == "called: -n shop status web --kubeconfig=/kubeconfig --context=labkit\n"
    finally:
        second.close()
    assert second._process.poll() is not None


def test_without_definitions_it_is_said_where_they_go(programs):
    programs()
    with pytest.raises(UsageError, match="has no definitions beside it"):
        Robot(Cluster(defined=False), "shop")
