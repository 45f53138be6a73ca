"""What a start found wrong and mended: sentences for ``labkit up`` and ``labkit status``.

Whoever starts the daemon and the daemon itself write them; the next start begins with none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path


def clear(path: Path) -> None:
    """Forget those of the start before."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def add(path: Path, sentences: Iterable[str]) -> None:
    """Add *sentences*; a full disk costs them, not the start."""
    lines = [json.dumps(sentence, ensure_ascii=False) + "\n" for sentence in sentences]
    if lines:
        with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
            file.writelines(lines)


def read(path: Path) -> list[str]:
    """All sentences of the last start."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(str(json.loads(line)))
    return found
