"""What a cluster keeps from start to start, so that addresses and bookmarks stay true."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.embedded.cluster.files import read_json, write_json


@dataclass(frozen=True)
class Settings:
    """Both are wishes: what is taken by then is replaced."""

    block: int | None = None
    """The address block, see :mod:`labkit.embedded.addresses`."""
    port: int | None = None
    """The API's port on 127.0.0.1."""

    @classmethod
    def load(cls, path: Path) -> Settings:
        """The settings in *path*; whatever makes no sense there counts as not set."""
        found = read_json(path)
        block, port = found.get("block"), found.get("port")
        return cls(block if isinstance(block, int) else None, port if isinstance(port, int) else None)

    @classmethod
    def problem(cls, path: Path) -> str | None:
        """A sentence where *path* is there and says nothing: old addresses are forgotten."""
        if not path.exists() or cls.load(path) != cls():
            return None
        return (
            f"{path} was damaged; the cluster has a new address block and a new port (see `labkit status`)."
        )

    def save(self, path: Path) -> None:
        """Write, where it changed."""
        if Settings.load(path) != self:
            write_json(path, asdict(self))
