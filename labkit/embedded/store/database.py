"""The SQLite file under the store.

Write-ahead logging with ``synchronous=NORMAL``: a commit is one write into the log, no fsync.
That survives ``kill -9`` of the daemon whole (the log is in the kernel's hands) and leaves a
consistent, at most some seconds older, state after a power cut. Measured for a 3 kB object on a
virtual disk: NORMAL 23 µs at the median, FULL 100 µs with 10 ms at the 99th percentile; those
milliseconds would stand still the event loop that also pushes to the proxies.

The file is locked exclusively, so a second daemon on the same state is refused, not corrupting.

One row that can't be read costs that row: it is moved aside (see :mod:`.aside`). Of a damaged file what
can be read is saved into a new one, and the old one moved aside. :attr:`Database.notes` tells of both.
After a power cut the newest moments may be missing, so the revision jumps: none is ever given twice.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, bad_request
from labkit.embedded.store import salvage
from labkit.embedded.store.aside import Aside
from labkit.embedded.store.rows import Check, Row
from labkit.errors import StartFailed

LARGEST_OBJECT = 1536 * 1024
"""Bytes of one object, as etcd (``--max-request-bytes``)."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
INSERT OR IGNORE INTO revision VALUES (1, 0);
CREATE TABLE IF NOT EXISTS boot (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
"""
_PUT = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)"
_REMOVE = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
_REMOVE_BYTES = (
    "DELETE FROM objects WHERE CAST(resource AS BLOB) = ? AND CAST(namespace AS BLOB) = ? "
    "AND CAST(name AS BLOB) = ?"
)
_ADVANCE = "UPDATE revision SET value = ?"


JUMP = 10_000
"""Revisions left out where some may have been given and forgotten."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Database:
    """One file with every object's JSON and the newest revision; each write is one transaction."""

    def __init__(self, path: Path) -> None:
        self._path, self._aside = path, Aside(path.parent)
        self.notes: list[str] = []
        """What was wrong with the file and what became of it, a sentence each."""
        try:
            self._connection = self._opened()
        except sqlite3.Error as error:
            raise StartFailed(_why_not_opened(path, error)) from error

    def revision(self) -> int:
        """The newest revision ever written; 0 where the file does not say."""
        found = self._connection.execute("SELECT value FROM revision").fetchone()
        return found[0] if found and isinstance(found[0], int) else 0

    def objects(self, check: Check, first: Sequence[str] = ()) -> Iterator[tuple[str, Obj]]:
        """Every (resource, object), those of *first* before the others.

        Rows that can't be read, or that *check* refuses, are moved aside.
        """
        broken: list[tuple[Row, ValueError]] = []
        for columns in chain(self._rows("IN", first), self._rows("NOT IN", first)):
            row = Row.of(columns)
            try:
                yield row.object(check)
            except ValueError as error:
                broken.append((row, error))
        for row, why in broken:
            self._move_aside(row, why)

    def _rows(self, which: str, resources: Sequence[str]) -> Iterator[tuple[bytes, ...]]:
        marks = ", ".join("?" for _ in resources)
        statement = f"SELECT resource, namespace, name, body FROM objects WHERE resource {which} ({marks})"
        return self._connection.execute(statement, tuple(resources))

    def jump(self, revision: int) -> int:
        """The revision to go on from: *revision*, or a later one after a power cut."""
        boot = _boot_id()
        known = self._connection.execute("SELECT value FROM boot").fetchone()
        if known and known[0].decode() == boot:
            return revision
        later = revision + JUMP if known and self._was_cut_off else revision
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO boot VALUES (1, ?)", (boot,))
            connection.execute(_ADVANCE, (later,))
        return later

    def put(self, resource: str, obj: Obj, revision: int) -> None:
        """Write *obj* and *revision*, or leave the file as it was.

        ApiError 507/500 where the file can't be written, 413/400 for what can't be kept.
        """
        row = (resource, namespace_of(obj), name_of(obj), _body(obj))
        with self._transaction() as connection:
            connection.execute(_PUT, row)
            connection.execute(_ADVANCE, (revision,))

    def remove(self, resource: str, obj: Obj, revision: int) -> None:
        """Drop *obj* and write *revision*, or raise ApiError 507/500 and leave the file as it was."""
        with self._transaction() as connection:
            connection.execute(_REMOVE, (resource, namespace_of(obj), name_of(obj)))
            connection.execute(_ADVANCE, (revision,))

    def close(self) -> None:
        """Let go of the file, and of its lock."""
        self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        """The file, whole; what could be saved of it where it was damaged."""
        new = _beside(self._path, ".new")
        if new.exists() and not self._path.exists():
            new.rename(self._path)  # killed in the middle of a rescue
        self._was_cut_off = _beside(self._path, "-wal").exists()  # a clean end leaves none
        try:
            return _open(self._path)
        except sqlite3.Error as error:
            if not salvage.is_damage(error):
                raise
            self._rescue(new, error)
            return _open(self._path)

    def _rescue(self, new: Path, error: sqlite3.Error) -> None:
        new.unlink(missing_ok=True)
        rows = salvage.read(self._path)
        _write_new(new, rows)
        why = f"damaged ({error}); {len(rows)} objects were saved from it"
        if (log := _beside(self._path, "-wal")).exists():  # not even its head could be read
            self._aside.move(log, why)
        kept = self._aside.move(self._path, why)
        new.rename(self._path)
        self._was_cut_off = True
        self.notes.append(
            f"{self._path} was damaged ({error}): {_objects(len(rows))} saved from it, anything else it held "
            f"is lost. The damaged file is kept as {kept}."
        )

    def _move_aside(self, row: Row, why: ValueError) -> None:
        try:
            kept = self._aside.write(f"{row.title}.json", row.body, f"{row.title}: {why}")
            with self._transaction() as connection:
                connection.execute(_REMOVE_BYTES, (row.resource, row.namespace, row.name))
        except (OSError, ApiError) as error:  # it stays where it is, and is told again next time
            self.notes.append(
                f"{row.title} can't be read from {self._path} ({why}), nor kept aside ({error})."
            )
        else:
            self.notes.append(f"{row.title} can't be read from {self._path} ({why}); it is kept as {kept}.")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise _write_failed(self._path, error) from error
        except BaseException:  # whatever it was: the next write must find no open transaction
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _body(obj: Obj) -> str:
    """*obj* as it is kept; ApiError for what no reader could be shown again."""
    try:
        body = json.dumps(obj, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        size = len(body.encode())
    except (ValueError, RecursionError) as error:  # half a surrogate pair, NaN, endless nesting
        raise bad_request(f"nothing was changed: the object can't be kept ({error})") from error
    if size > LARGEST_OBJECT:
        raise ApiError(413, "RequestEntityTooLarge", "etcdserver: request is too large")
    return body


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0.5)
    connection.text_factory = bytes  # text that is none must not end the reading
    try:
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_SCHEMA)
        salvage.check(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _write_new(path: Path, rows: list[Row]) -> None:
    """A database of *rows* at *path*, on disk when this returns; its revision is the objects' newest."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR REPLACE INTO objects "
            "VALUES (CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
            [(row.resource, row.namespace, row.name, row.body) for row in rows],
        )
        connection.execute("INSERT OR REPLACE INTO boot VALUES (1, 'unknown')")
        connection.execute("COMMIT")


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _objects(count: int) -> str:
    return "1 object was" if count == 1 else f"{count} objects were"


def _boot_id() -> str:
    """What tells this start of the machine from every other."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return "unknown"


def _why_not_opened(path: Path, error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return (
            f"{path} is in use by another labkit daemon; see `labkit status`, or stop it with `labkit down`."
        )
    if isinstance(error, sqlite3.OperationalError):
        return f"{path} can't be opened ({error}); check the folder's permissions and its free space."
    return f"{path} can't be used ({error}); move it away, then `labkit up --fresh` begins an empty cluster."


def _write_failed(path: Path, error: sqlite3.Error) -> ApiError:
    """The refusal a client reads; nothing was changed."""
    if "full" in str(error):
        message = (
            f"nothing was changed: the disk that holds {path.parent} is full; free some space and try again"
        )
        return ApiError(507, "InsufficientStorage", message)
    message = f"nothing was changed: {path} can't be written ({error}); check the disk that holds it"
    return ApiError(500, "InternalError", message)
