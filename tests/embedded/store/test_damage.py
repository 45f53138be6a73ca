"""What a disk, a power cut or a hand may do to the database, and what it costs."""

import json
import os
import random
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.objects import stored
from labkit.embedded.store import Store, database
from labkit.embedded.store.aside import FOLDER, Aside

CHECK = partial(stored.check, catalogue.registry())
PAGE = 4096
NAMES = [f"c{number:03d}" for number in range(300)]


def config_map(name: str, **data: str) -> dict:
    meta = {"name": name, "namespace": "default", "uid": name, "creationTimestamp": "2026-11-30T00:00:00Z"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed database with 300 ConfigMaps, some of them larger than a page."""
    found = tmp_path / "cluster.db"
    with closing(Store(found)) as store:
        for number, name in enumerate(NAMES):
            store.put("configmaps", config_map(name, text="x" * (10_000 if number % 50 == 0 else 200)))
    return found


def names_in(store: Store) -> set[str]:
    return {each["metadata"]["name"] for each in store.objects("configmaps")}


def spoil(path: Path, name: str, body: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE objects SET body = ? WHERE name = ?", (body, name))


def without(obj: dict, key: str) -> str:
    meta = {name: value for name, value in obj["metadata"].items() if name != key}
    return json.dumps({**obj, "metadata": {**meta, "resourceVersion": "7"}})


def at_seven(**changes: object) -> str:
    obj = config_map("c007")
    return json.dumps({**obj, "metadata": {**obj["metadata"], "resourceVersion": "7"}, **changes})


BROKEN = {
    "cut off": '{"metadata": {"name": "c0',
    "nothing": "",
    "a list": "[]",
    "no UTF-8": b'{"metadata": "\xff\xfe"}',
    "a number": 12,
    "NaN": at_seven().replace('"data": {}', '"data": NaN'),
    "a lone surrogate": at_seven(data={"text": "\ud800"}),
    "nested too deeply": "[" * 100_000,
    "no metadata": '{"kind": "ConfigMap"}',
    "another's name": at_seven().replace("c007", "c008"),
    "no revision": at_seven().replace('"7"', '"seven"'),
    "a revision beyond all numbers": at_seven().replace('"7"', f'"{"9" * 400}"'),
    "another kind": at_seven(kind="Secret"),
    "a wrong type": at_seven(data=[1, 2]),
    "labels that are none": without(config_map("c007"), "").replace('"uid"', '"labels": 5, "uid"'),
    "no uid": without(config_map("c007"), "uid"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_one_unreadable_row_costs_that_row(path: Path, what: str):
    """It is kept as it was, in a file that is told; everything else is there, and so it is the next time."""
    spoil(path, "c007", BROKEN[what])
    with closing(Store(path, CHECK)) as store:
        assert names_in(store) == set(NAMES) - {"c007"}
        (note,) = store.notes
        store.put("configmaps", config_map("c007"))
    (kept,) = (each for each in (path.parent / FOLDER).iterdir() if each.suffix == ".json")
    assert "configmaps default/c007" in note
    assert str(kept) in note
    body = BROKEN[what]
    assert kept.read_bytes() == (body if isinstance(body, bytes) else str(body).encode())
    assert Aside(path.parent).kept()[0].startswith(f"{kept.name}: configmaps default/c007: ")
    with closing(Store(path, CHECK)) as again:
        assert names_in(again) == set(NAMES)
        assert again.notes == []


def test_a_kind_that_is_not_known_is_kept_aside(path: Path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE objects SET resource = 'widgets.example.com' WHERE name = 'c007'")
    with closing(Store(path, CHECK)) as store:
        assert "there is no resource type widgets.example.com" in store.notes[0]


def test_what_cannot_be_kept_aside_stays_in_the_database(path: Path):
    spoil(path, "c007", "{")
    (path.parent / FOLDER).write_text("in the way")
    for _ in range(2):
        with closing(Store(path, CHECK)) as store:
            assert names_in(store) == set(NAMES) - {"c007"}
            assert "nor kept aside" in store.notes[0]


@pytest.mark.parametrize("seed", range(8))
def test_of_a_damaged_file_the_rest_is_saved(path: Path, seed: int):
    """One to three pages of noise anywhere but in the file's head; the damaged file is kept as it was."""
    noise = random.Random(seed)
    content = bytearray(path.read_bytes())
    for page in noise.sample(range(1, len(content) // PAGE), 1 + seed % 3):
        content[page * PAGE : (page + 1) * PAGE] = noise.randbytes(PAGE)
    path.write_bytes(content)
    with closing(Store(path, CHECK)) as store:
        lost = set(NAMES) - names_in(store)
        assert len(lost) < 100
        assert store.revision >= len(NAMES)
        assert not lost or store.notes
        newest = int(store.put("configmaps", config_map("later"))["metadata"]["resourceVersion"])
        assert newest > len(NAMES)
    for note in store.notes[:1]:
        assert f"{path} was damaged" in note
        assert any(each.read_bytes() == content for each in (path.parent / FOLDER).glob("*cluster.db"))
    with closing(Store(path, CHECK)) as again:
        assert names_in(again) == set(NAMES) - lost | {"later"}
        assert again.notes == []


@pytest.mark.parametrize("content", [b"not a database" * 1000, os.urandom(PAGE * 3)])
def test_a_file_that_is_no_database_is_kept_aside(path: Path, content: bytes):
    path.write_bytes(content)
    with closing(Store(path)) as store:
        assert "0 objects were saved" in store.notes[0]
        assert names_in(store) == set()
    assert [each.read_bytes() for each in (path.parent / FOLDER).glob("*cluster.db")] == [content]


def test_a_truncated_file_gives_what_is_left(path: Path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 // PAGE * PAGE])
    with closing(Store(path)) as store:
        assert names_in(store)
        assert "was damaged" in store.notes[0]


def test_a_rescue_that_was_killed_is_finished(path: Path):
    """Between the two renames there is no database by its name, but a new one beside."""
    path.rename(path.with_name("cluster.db.new"))
    with closing(Store(path)) as store:
        assert names_in(store) == set(NAMES)


@pytest.mark.parametrize("value", [None, 0, "text"])
def test_a_lost_revision_is_found_again(path: Path, value: object):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE revision")
        connection.execute("CREATE TABLE revision (id INTEGER PRIMARY KEY, value)")
        if value is not None:
            connection.execute("INSERT INTO revision VALUES (1, ?)", (value,))
    with closing(Store(path)) as store:
        assert store.revision == len(NAMES)


def test_after_a_power_cut_no_revision_is_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The log of a machine that went down may end early: what was given since is left out."""
    boot = tmp_path / "boot"
    monkeypatch.setattr(database, "_BOOT", boot)
    boot.write_text("monday")
    with closing(Store(tmp_path / "cluster.db")) as store:
        for name in NAMES[:5]:
            store.put("configmaps", config_map(name))
        for each in tmp_path.glob("cluster.db*"):
            (tmp_path / f"cut-{each.name}").write_bytes(each.read_bytes())
    cut, clean = tmp_path / "cut-cluster.db", tmp_path / "cluster.db"
    boot.write_text("tuesday")
    with closing(Store(cut)) as after, closing(Store(clean)) as ended:
        assert after.revision == 5 + database.JUMP
        assert ended.revision == 5


def test_a_kill_alone_moves_no_revision(path: Path):
    with closing(Store(path)) as store:
        store.put("configmaps", config_map("one"))
        copy = path.with_name("copy.db")
        for ending in ("", "-wal"):
            copy.with_name(copy.name + ending).write_bytes(path.with_name(path.name + ending).read_bytes())
        with closing(Store(copy)) as killed:
            assert killed.revision == store.revision
