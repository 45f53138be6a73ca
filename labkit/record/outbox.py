"""Entries on their way to the cluster, one file each: two notebooks, or a crash, can lose none.

Where the cluster does not take them they stay, and are the record. The folder is the learner's alone, by
the cluster's identity: another cluster at the same address has another.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labkit import state
from labkit.kube.api.api import Api
from labkit.kube.connecting.agreement import identity
from labkit.record.entries import Entry, in_order, read
from labkit.scenario.learner import Learner

FOLDER = "record"
_TOLD = "told"


class Outbox:
    """A folder of entries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, api: Api, learner: Learner) -> Outbox:
        """*learner*'s for this cluster; in an embedded cluster's home, else in the state folder."""
        own = api.kubeconfig.parent if api.kubeconfig and not api.shared else None
        name = "-".join(filter(None, (identity(api).replace("/", "-"), learner.name)))
        return cls((own or state.folder()) / FOLDER / name)

    def put(self, entry: Entry) -> None:
        """Keep *entry*. OSError where there is no room."""
        path = self._path(entry)
        half = path.with_suffix(".half")  # who looks meanwhile sees none or all of it
        state.write(half, entry.text())
        half.rename(path)

    def entries(self) -> list[Entry]:
        """All that are here."""
        found = (self._read(path) for path in self.folder.glob("*.json"))
        return in_order(entry for entry in found if entry)

    def remove(self, entries: Iterable[Entry]) -> None:
        """Forget *entries*: they are elsewhere now."""
        for entry in entries:
            self._path(entry).unlink(missing_ok=True)

    def once(self) -> bool:
        """Whether this is asked for the first time, ever: what is to be said once is said then."""
        first = not (self.folder / _TOLD).exists()
        if first:
            state.write(self.folder / _TOLD, "")
        return first

    def _path(self, entry: Entry) -> Path:
        return self.folder / f"{entry.id}.json"

    @staticmethod
    def _read(path: Path) -> Entry | None:
        try:
            return read(path.stem, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):  # somebody else has just brought it away
            return None
