"""What must be there before the daemon begins: keys, and no rest of a daemon that was killed.

Done while the daemon imports its parts, and imported no earlier: TLS and all.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from labkit.embedded.cluster import certificates, files, keys, kubeconfig, notes
from labkit.embedded.cluster.home import Home
from labkit.embedded.node.processes.run_records import RECORDS, RunRecords
from labkit.embedded.store.aside import Aside
from labkit.errors import StartFailed


def prepare(home: Home, opened: list[str], *, fresh: bool) -> None:
    """Make *home* ready; StartFailed where its database is gone. *opened*: what is to be told besides."""
    sweep(home)
    notes.clear(home.notes)
    notes.add(home.notes, [*opened, *_check_database(home, fresh=fresh), *keys.ensure(home)])


def refresh(home: Home, server: str) -> list[str]:
    """Look after the keys of a daemon that runs: a kubeconfig that was lost or damaged leads to it again."""
    with files.explained(home.root):
        faults = keys.faults(home)
        if not home.kubeconfig.exists() and keys.is_sound(home):
            authority = certificates.Certificates.of(home.pki).authority
            token = keys.read_token(home)
            kubeconfig.update(home.kubeconfig, server=server, authority=authority, token=token)
    return faults


def sweep(home: Home) -> None:
    """Remove what only a running daemon needs; end its children where any outlived it."""
    home.record.unlink(missing_ok=True)
    run = home.run_folder()
    if run.exists():
        RunRecords(files.private_folder(run) / RECORDS).kill_all()
        shutil.rmtree(run, ignore_errors=True)


def _check_database(home: Home, *, fresh: bool) -> list[str]:
    """Refuse to begin anew in silence where a cluster's database has gone; with *fresh*, keep the old one.

    SQLite would take no file, or an empty one, for a new database, and throw its log away.
    """
    found = sorted(home.root.glob(f"{home.database.name}*"))
    is_empty = not home.database.exists() or (home.database.is_file() and home.database.stat().st_size == 0)
    if fresh:
        moved = [Aside(home.root).move(path, "labkit up --fresh") for path in found]
        return [f"The cluster begins empty; its database before is kept as {moved[0]}."] if moved else []
    rests = [path for path in found if path != home.database]
    was_there = home.settings.exists() or any(home.node.glob("logs/*")) or bool(rests)
    if is_empty and was_there and not _beside(home.database, ".new").exists():
        state = "is empty" if home.database.exists() else "is gone"
        raise StartFailed(
            f"{home.database} {state}, but a cluster was here before: nothing was started or changed. "
            "Is its disk not mounted, or was the file moved? Bring it back, then `labkit up`; "
            "`labkit up --fresh` begins an empty cluster."
        )
    return []


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
