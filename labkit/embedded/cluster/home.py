"""The state folder: one cluster's files, private to its user.

::

    LABKIT_HOME (default: $XDG_STATE_HOME/labkit, that is ~/.local/state/labkit)
      kubeconfig        context `labkit`; a learner's own changes in it are kept
      settings.json     what stays the same from start to start: address block, API port
      token, pki/       the key to the API, its certificate authority and its certificate
      cluster.db        the objects
      images.json       programs of the learner's own, by the names of images
      node/             pods: their logs
      run/              sockets (elsewhere where this path would be too long for a socket's)
      daemon.lock       held by the running daemon: the one proof that it runs
      start.notes       what the last start found wrong and mended
      aside/            what could not be used any more: unreadable objects, damaged files, with the reasons
      set-aside/        what `lab.goto` took from a learner, as manifests
      manifests/        the book's manifests as they are for a learner of a class
      contexts/         which context of the usual kubeconfig JupyterLab's terminals use
      daemon.json       what the running daemon says about itself: pid, API address, run folder
      daemon.log        JSON lines, rotated;  daemon.stderr: whatever else it printed

Every home in use is on record in ``labkit-homes`` beside the default home, so that
``labkit clean`` finds them all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from labkit import images, state
from labkit.embedded.cluster import files
from labkit.embedded.store import aside

OWNER = "LABKIT_OWNER"
"""Environment variable of a daemon: the process with which its cluster ends."""

SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path (``sockaddr_un`` less its closing NUL)."""

LONGEST_SOCKET = 64
"""What the node and the mesh put behind the run folder at most: a pod's UID, a container, a name."""


_OURS = (
    *("kubeconfig", "kubeconfig.lock", "kubeconfig.damaged", ".kubeconfig.*"),
    *("settings.json", images.FILE, ".settings.json.*", "token", "pki", "cluster.db*", "node", "run"),
    *("daemon.*", ".daemon.json.*", "start.*", aside.FOLDER, "set-aside", "record", "manifests", "contexts"),
)
"""What labkit (and kubectl, which locks the kubeconfig it edits) makes in a home."""


@dataclass(frozen=True)
class Home:
    """Where one cluster keeps everything."""

    root: Path

    @classmethod
    def current(cls) -> Home:
        """The home that ``LABKIT_HOME`` names, or the user's default one."""
        return cls(state.folder())

    @property
    def kubeconfig(self) -> Path:
        """Where kubectl finds the cluster."""
        return self.root / "kubeconfig"

    @property
    def settings(self) -> Path:
        """The block and the port it had last, see :mod:`.settings`."""
        return self.root / "settings.json"

    @property
    def token(self) -> Path:
        """What the API takes from its one user."""
        return self.root / "token"

    @property
    def pki(self) -> Path:
        """The cluster's authority and the API server's certificate."""
        return self.root / "pki"

    @property
    def database(self) -> Path:
        """All objects, see :mod:`labkit.embedded.store`."""
        return self.root / "cluster.db"

    @property
    def node(self) -> Path:
        """The logs of the pods."""
        return self.root / "node"

    @property
    def images(self) -> Path:
        """The learner's own images, see :mod:`labkit.images`."""
        return images.file(self.root)

    @property
    def lock(self) -> Path:
        """Held by the daemon for as long as it lives."""
        return self.root / "daemon.lock"

    @property
    def start_lock(self) -> Path:
        """Held while somebody starts or stops the cluster."""
        return self.root / "start.lock"

    @property
    def record(self) -> Path:
        """What a running daemon says about itself."""
        return self.root / "daemon.json"

    @property
    def notes(self) -> Path:
        """What the last start found wrong and mended, see :mod:`.notes`."""
        return self.root / "start.notes"

    @property
    def log(self) -> Path:
        """The daemon's own log."""
        return self.root / "daemon.log"

    @property
    def stderr(self) -> Path:
        """What the daemon prints: hardly ever anything."""
        return self.root / "daemon.stderr"

    @property
    def digest(self) -> str:
        """Eight characters that stand for this home's path."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]

    @property
    def entry(self) -> Path:
        """This home's line in the record of all homes."""
        return homes_folder() / f"{self.digest}.json"

    def create(self) -> list[str]:
        """Make the folder and put it on record; harmless where both are done. What it closed to others."""
        was_used, mode = self.token.exists(), files.mode_of(self.root)
        files.private_folder(self.root)
        opened = [f"{self.root} (mode {mode:04o})"] if was_used and mode & 0o077 else []
        for path in (self.token, self.kubeconfig, self.database):
            if (mode := files.mode_of(path)) & 0o077 and not path.is_symlink():
                path.chmod(0o600)
                opened.append(f"{path} (mode {mode:04o})")
        entry = {"home": str(self.root), "run": str(self.run_folder())}
        if files.read_json(self.entry) != entry:
            files.private_folder(homes_folder())
            files.write_json(self.entry, entry)
        return [
            f"{each} was open to other users of this machine; it is yours alone again." for each in opened
        ]

    def remove(self) -> None:
        """Remove what labkit made here, and nothing else: the folder itself only goes when it is empty."""
        for pattern in _OURS:
            for path in self.root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(
                    missing_ok=True
                )
        recorded = files.read_json(self.entry).get("run")
        for run in {self.run_folder(), Path(recorded) if recorded else self.run_folder()}:
            if run.exists():
                shutil.rmtree(files.private_folder(run))
        with contextlib.suppress(OSError):
            self.root.rmdir()
        self.entry.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            homes_folder().rmdir()

    def run_folder(self) -> Path:
        """Where sockets go: in the home, unless their paths would be too long there."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) + 1 + LONGEST_SOCKET <= SOCKET_PATH_LIMIT:
            return inside
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        short = Path(runtime) / f"labkit-{self.digest}"
        fits = len(os.fsencode(short)) + 1 + LONGEST_SOCKET <= SOCKET_PATH_LIMIT
        if runtime and fits and os.access(runtime, os.W_OK):
            return short
        # Short by design: $TMPDIR may be as long as the home. The mode and the owner are checked on use.
        return Path(f"/tmp/labkit-{os.getuid()}-{self.digest}")


def homes_folder() -> Path:
    """The record of every home of this user that was ever used and not cleaned away."""
    return state.users_folder() / "labkit-homes"


def known_homes() -> list[Home]:
    """Every home on record."""
    entries = sorted(homes_folder().glob("*.json"))
    return [Home(Path(path)) for entry in entries if (path := files.read_json(entry).get("home"))]
