"""The store: revisions, history, and what survives."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError
from labkit.embedded.store import Change, Store
from labkit.embedded.store.history import KEPT_PER_RESOURCE
from labkit.errors import StartFailed


def config_map(name: str, **data: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


@pytest.fixture
def store(tmp_path: Path):
    with_file = Store(tmp_path / "state.db")
    yield with_file
    with_file.close()


def test_every_write_raises_the_revision(store: Store):
    first = store.put("configmaps", config_map("a"))
    second = store.put("configmaps", config_map("a", key="value"))
    removed = store.remove("configmaps", second)
    versions = [each["metadata"]["resourceVersion"] for each in (first, second, removed)]
    assert versions == ["1", "2", "3"]
    assert store.revision == 3


def test_objects_are_listed_by_namespace_and_name(store: Store):
    for name in ("b", "a"):
        store.put("configmaps", config_map(name))
    other = {"metadata": {"name": "z", "namespace": "alpha"}}
    store.put("configmaps", other)
    assert [each["metadata"]["name"] for each in store.objects("configmaps")] == ["z", "a", "b"]
    assert [each["metadata"]["name"] for each in store.objects("configmaps", "default")] == ["a", "b"]


def test_a_reader_shares_the_stored_object(store: Store):
    stored = store.put("configmaps", config_map("a"))
    assert store.get("configmaps", "a", "default") is stored


def test_listeners_hear_every_change_until_they_stop(store: Store):
    heard: list[Change] = []
    stop = store.subscribe(["configmaps"], heard.append)
    store.put("configmaps", config_map("a"))
    store.put("secrets", config_map("not-mine"))
    store.remove("configmaps", store.put("configmaps", config_map("a", key="value")))
    stop()
    store.put("configmaps", config_map("later"))
    assert [change.type for change in heard] == ["ADDED", "MODIFIED", "DELETED"]
    assert heard[1].previous is heard[0].object


def test_history_resumes_and_then_forgets(store: Store):
    for number in range(KEPT_PER_RESOURCE + 5):
        store.put("configmaps", config_map("a", number=str(number)))
    recent = store.changes("configmaps", store.revision - 2)
    assert [change.revision for change in recent] == [store.revision - 1, store.revision]
    with pytest.raises(ApiError) as refused:
        store.changes("configmaps", 1)
    assert refused.value.code == 410


def test_a_restart_keeps_objects_and_revision_but_not_history(tmp_path: Path):
    before = Store(tmp_path / "state.db")
    before.put("configmaps", config_map("a"))
    before.remove("configmaps", before.put("configmaps", config_map("b")))
    before.close()
    after = Store(tmp_path / "state.db")
    assert [each["metadata"]["name"] for each in after.objects("configmaps")] == ["a"]
    assert after.revision == 3
    assert after.changes("configmaps", 3) == []
    with pytest.raises(ApiError):
        after.changes("configmaps", 2)
    after.close()


def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path):
    program = """
        import sys
        from pathlib import Path
        from labkit.embedded.store import Store
        store = Store(Path(sys.argv[1]))
        for number in range(100000):
            store.put("configmaps", {"metadata": {"name": f"c{number}", "namespace": "default"}})
            print(store.revision, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "state.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        acknowledged = [writer.stdout.readline() for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    survived = Store(tmp_path / "state.db")
    newest = int([line for line in acknowledged if line.endswith("\n")][-1])
    assert survived.revision >= newest
    assert len(survived.objects("configmaps")) == survived.revision
    survived.close()


def test_a_full_disk_changes_nothing(tmp_path: Path):
    program = """
        import resource, sys
        from pathlib import Path
        from labkit.embedded.status import ApiError
        from labkit.embedded.store import Store
        store = Store(Path(sys.argv[1]))
        small = {"metadata": {"name": "a", "namespace": "default"}}
        store.put("configmaps", small)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        heard = []
        store.subscribe(["configmaps"], heard.append)
        try:
            store.put("configmaps", {**small, "data": {"key": "x" * 1_000_000}})
        except ApiError as refused:
            print(refused.code, refused.message)
        print(store.revision, heard, store.get("configmaps", "a", "default").get("data"))
        print(store.put("configmaps", {**small, "data": {"key": "fits"}})["metadata"]["resourceVersion"])
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "state.db")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0].startswith(("507 nothing was changed", "500 nothing was changed"))
    assert lines[1:] == ["1 [] None", "2"]
    after = Store(tmp_path / "state.db")
    assert after.objects("configmaps")[0]["data"] == {"key": "fits"}
    after.close()


def test_a_database_that_reached_its_limit_answers_507(store: Store):
    store.put("configmaps", config_map("a"))
    pages = store._database._connection.execute("PRAGMA page_count").fetchone()[0]
    store._database._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(ApiError, match=r"disk .* is full") as refused:
        store.put("configmaps", config_map("big", key="x" * 100_000))
    assert refused.value.code == 507
    assert (store.revision, len(store.objects("configmaps"))) == (1, 1)


def test_a_second_daemon_is_refused(tmp_path: Path, store: Store):
    with pytest.raises(StartFailed, match="in use by another labkit daemon"):
        Store(tmp_path / "state.db")


UNKEEPABLE = {
    "half a surrogate pair": "\ud800",
    "half of one in a key": {"\udfff": "x"},
    "no number": float("nan"),
    "endless": float("inf"),
    "too large": "x" * 2_000_000,
}


@pytest.mark.parametrize("value", UNKEEPABLE.values(), ids=UNKEEPABLE)
def test_what_cannot_be_kept_is_refused_and_nobody_else_notices(tmp_path: Path, value: object):
    store = Store(tmp_path / "state.db")
    before = store.put("configmaps", config_map("a"))
    with pytest.raises(ApiError) as refused:
        store.put("configmaps", {**config_map("a"), "data": {"key": value}})
    assert refused.value.code in (400, 413)
    assert store.get("configmaps", "a", "default") is before
    assert int(store.put("configmaps", config_map("b"))["metadata"]["resourceVersion"]) == store.revision
    store.close()
    assert sorted(
        each["metadata"]["name"] for each in Store(tmp_path / "state.db").objects("configmaps")
    ) == [
        "a",
        "b",
    ]


class Failing:
    """A connection that fails at the nth statement, in one way or another."""

    def __init__(self, connection: Any, statement: int, error: BaseException) -> None:
        self._connection, self._left, self._error = connection, statement, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            raise self._error
        return self._connection.execute(sql, *parameters)


@pytest.mark.parametrize("statement", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("disk I/O error"),
        sqlite3.InterfaceError("type"),
        OverflowError(),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_however_a_write_fails_the_next_one_finds_no_open_transaction(tmp_path, statement, error):
    store = Store(tmp_path / "state.db")
    store.put("configmaps", config_map("a"))
    database = store._database
    sound = database._connection
    database._connection = Failing(sound, statement, error)
    with pytest.raises((ApiError, type(error))):
        store.put("configmaps", config_map("b"))
    database._connection = sound
    assert not sound.in_transaction
    assert [each["metadata"]["name"] for each in store.objects("configmaps")] == ["a"]
    store.put("configmaps", config_map("c"))
    store.close()
    kept = Store(tmp_path / "state.db")
    assert [each["metadata"]["name"] for each in kept.objects("configmaps")] == ["a", "c"]
    assert kept.revision == 2
