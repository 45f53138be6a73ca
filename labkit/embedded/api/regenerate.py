"""Makes the generated data again: ``python -m labkit.embedded.api.regenerate``.

For after a new kind, or a new version in :mod:`.generated.versions`. It needs ``go``, the Python package
kubernetes-validate, and the network where a Go module has not been fetched yet.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from labkit.embedded.api.generated import MESSAGES, SCHEMAS, messages, schemas
from labkit.embedded.api.kinds import catalogue

SERVED = list(catalogue.registry().values())


def text_of_schemas() -> bytes:
    """The content of the file of schemas, as JSON."""
    return json.dumps(schemas.content(SERVED), separators=(",", ":"), ensure_ascii=False).encode()


def text_of_messages() -> bytes:
    """The content of the file of messages, as JSON."""
    content: dict[str, Any] = messages.content(SERVED)
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


def write(text: bytes, target: Path) -> None:
    """Write *text*, so that what is equal gives equal bytes."""
    target.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    write(text_of_schemas(), SCHEMAS)
    write(text_of_messages(), MESSAGES)
