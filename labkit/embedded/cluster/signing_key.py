"""The key that signs the tokens of ServiceAccounts: made when the first is wanted, and kept in the home."""

from __future__ import annotations

import logging
from pathlib import Path

from labkit.embedded.api.access.keys import SigningKey, is_key, new_key
from labkit.embedded.cluster.files import write_private

NAME = "sa.key"

log = logging.getLogger("labkit.embedded.cluster")


def of(folder: Path) -> SigningKey:
    """The key kept in *folder*; a new one where there is none, or none that can be read."""
    return SigningKey(lambda: _kept(folder / NAME))


def _kept(path: Path) -> str:
    try:
        kept = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        kept = ""
    if is_key(kept):
        return kept
    if path.exists():
        log.warning("%s held no key; there is a new one, and tokens issued so far are not accepted", path)
    made = new_key()
    write_private(path, made)
    return made
