"""The state folder: where it is, and that what is in it is its owner's alone."""

import os
import stat

from labkit import state


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("LABKIT_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state.folder() == tmp_path / "labkit"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state.folder() == tmp_path / ".local" / "state" / "labkit"
    monkeypatch.setenv("LABKIT_HOME", "~/lab")
    assert state.folder() == tmp_path / "lab"


def test_what_is_written_is_its_owners_alone_whatever_the_umask(tmp_path):
    file = tmp_path / "home" / "manifests" / "a.yml"
    before = os.umask(0)
    try:
        state.write(file, "a")
        state.write(file, "b")
    finally:
        os.umask(before)

    assert file.read_text() == "b"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(one.stat().st_mode) for one in (file.parent, file.parent.parent)} == {0o700}
