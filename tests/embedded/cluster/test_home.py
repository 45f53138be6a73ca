"""The state folder and what is private about it."""

import os
import stat
from pathlib import Path

import pytest

from labkit.embedded.cluster import files
from labkit.embedded.cluster.home import LONGEST_SOCKET, SOCKET_PATH_LIMIT, Home, known_homes
from labkit.errors import ClusterError


@pytest.fixture(autouse=True)
def _own_records(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_the_default_home_is_in_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("LABKIT_HOME", raising=False)
    assert Home.current().root == tmp_path / "state" / "labkit"


def test_labkit_home_chooses_another(monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", "~/elsewhere")
    assert Home.current().root == Path.home() / "elsewhere"


def test_nobody_else_can_enter(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_a_home_is_on_record_until_it_is_removed(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    assert known_homes() == [home]
    home.remove()
    assert known_homes() == []
    assert not home.root.exists()


def test_removing_a_home_leaves_what_is_not_ours(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    (home.root / "thesis.txt").write_text("mine")
    home.token.write_text("secret")
    home.remove()
    assert [path.name for path in home.root.iterdir()] == ["thesis.txt"]


def test_sockets_fit_into_the_run_folder_of_a_deep_home(tmp_path):
    home = Home(tmp_path / ("deep" * 30))
    longest = len(os.fsencode(home.run_folder())) + 1 + LONGEST_SOCKET
    assert longest <= SOCKET_PATH_LIMIT
    assert home.run_folder() != Home(tmp_path / ("deeq" * 30)).run_folder()


def test_a_short_home_keeps_its_sockets():
    assert Home(Path("/home/ada/lab")).run_folder() == Path("/home/ada/lab/run")


def test_a_folder_somebody_planted_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "planted").symlink_to(tmp_path / "real")
    with pytest.raises(ClusterError, match="not a folder of yours"):
        files.private_folder(tmp_path / "planted")


def test_a_private_file_replaces_the_old_one_whole(tmp_path):
    path = tmp_path / "token"
    files.write_private(path, "one")
    files.write_private(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
