"""Save what can be read of a damaged database: every row, from the pages of its file.

SQLite itself ends a scan at the first damaged page, and what stands behind it is out of reach. But each
page of the one B-tree that holds the objects says itself what rows it has, so all pages are looked at by
themselves, as ``sqlite3``'s ``.recover`` does it. Format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

from labkit.embedded.store.rows import Row

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HEADER = 100  # bytes, on the first page
_INTERIOR, _LEAF = 2, 10  # pages of an index's B-tree, which a table WITHOUT ROWID is
_COLUMNS = 4
_FIRST_TEXT = 12  # serial types from here on are BLOBs (even) and TEXTs (odd), their length in them


def is_damage(error: sqlite3.Error) -> bool:
    """Whether *error* is about the file's content, not about the disk or a lock."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGED


def check(connection: sqlite3.Connection) -> None:
    """Raise the error that SQLite would raise some day when it meets a damaged page."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found and bytes(found[0]) != b"ok":
        error = sqlite3.DatabaseError(bytes(found[0]).decode(errors="replace").replace("\n", " "))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def read(path: Path) -> list[Row]:
    """Every row that one of the file's pages holds whole."""
    pages = _Pages(path.read_bytes())
    return [row for number in pages.used() for row in pages.rows(number)]


class _Pages:
    """The file, page by page; the first has number 1."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        size: int = struct.unpack_from(">H", content.ljust(_HEADER, b"\0"), 16)[0]
        self._size = size if 512 <= size <= 32768 and not size & (size - 1) else 4096
        self._count = len(content) // self._size
        self._largest = (self._size - 12) * 64 // 255 - 23
        self._smallest = (self._size - 12) * 32 // 255 - 23

    def used(self) -> Iterator[int]:
        """All but those on the list of free pages, which still hold what was deleted."""
        free = self._free()
        return (number for number in range(2, self._count + 1) if number not in free)

    def rows(self, number: int) -> Iterator[Row]:
        """The rows that page *number* holds, if it is one of the objects' tree."""
        page = self._page(number)
        head = {_INTERIOR: 12, _LEAF: 8}.get(page[0])
        if head is None:
            return
        count: int = struct.unpack_from(">H", page, 3)[0]
        if head + 2 * count > self._size:
            return
        for at in struct.unpack_from(f">{count}H", page, head):
            try:
                yield self._row(page, at + (4 if page[0] == _INTERIOR else 0))
            except (LookupError, ValueError, struct.error):
                continue  # this cell is damaged; the others may be whole

    def _page(self, number: int) -> bytes:
        if not 1 <= number <= self._count:
            raise ValueError("no such page")
        return self._content[(number - 1) * self._size : number * self._size]

    def _free(self) -> set[int]:
        found: set[int] = set()
        trunk: int = struct.unpack_from(">I", self._content.ljust(_HEADER, b"\0"), 32)[0]
        while 1 < trunk <= self._count and trunk not in found:
            found.add(trunk)
            page = self._page(trunk)
            trunk, count = struct.unpack_from(">II", page)
            found.update(struct.unpack_from(f">{min(count, self._size // 4 - 2)}I", page, 8))
        return found

    def _row(self, page: bytes, at: int) -> Row:
        length, at = _varint(page, at)
        if length > len(self._content):
            raise ValueError("longer than the file")
        return _record(self._payload(page, at, length))

    def _payload(self, page: bytes, at: int, length: int) -> bytes:
        """What a cell holds, collected from the pages it spills over to."""
        if length <= self._largest:
            return page[at : at + length]
        here = self._smallest + (length - self._smallest) % (self._size - 4)
        here = here if here <= self._largest else self._smallest
        found = bytearray(page[at : at + here])
        following: int = struct.unpack_from(">I", page, at + here)[0]
        while len(found) < length:
            rest = self._page(following)
            following = struct.unpack_from(">I", rest)[0]
            found += rest[4 : 4 + length - len(found)]
        return bytes(found)


def _record(payload: bytes) -> Row:
    """A record of four texts."""
    head, at = _varint(payload, 0)
    lengths = []
    while at < head:
        kind, at = _varint(payload, at)
        if kind < _FIRST_TEXT:
            raise ValueError("neither text nor bytes")
        lengths.append((kind - _FIRST_TEXT) // 2)
    if len(lengths) != _COLUMNS or head + sum(lengths) != len(payload):
        raise ValueError("no row of ours")
    ends = [head + sum(lengths[: count + 1]) for count in range(_COLUMNS)]
    return Row(*(payload[end - length : end] for end, length in zip(ends, lengths, strict=True)))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at *at*, big-endian in groups of seven bits, and where it ends."""
    value = 0
    for count in range(9):
        byte = data[at + count]
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    raise AssertionError("the ninth byte returns")
