"""What a container leaves for its status: the file ``terminationMessagePath``, or the end of its log."""

from __future__ import annotations

from pathlib import Path

from labkit.embedded.interfaces import LogOptions
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.logs import log_reader
from labkit.embedded.objects import Obj

FILE = "termination-log"
DEFAULT_PATH = "/dev/termination-log"
_LONGEST, _LONGEST_OF_LOG, _LINES_OF_LOG = 4096, 2048, 80


def mount(container: Obj, folder: Path) -> Mount:
    """The file, new and empty, in the container's *folder*, where the container is to find it."""
    place = folder / FILE
    place.touch()
    place.chmod(0o666)  # whatever account it runs as
    return Mount(str(place), str(container.get("terminationMessagePath") or DEFAULT_PATH))


def has_own_path(container: Obj) -> bool:
    """Whether its message is to be at a place of its own choice."""
    return bool(container.get("terminationMessagePath", DEFAULT_PATH) != DEFAULT_PATH)


async def read(container: Obj, folder: Path, log: Path, code: int) -> str:
    """The end of the file; where that is empty, the container failed and it wants so, of what it said."""
    said = _end_of(folder / FILE)
    if not said and code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        options = LogOptions(tail_lines=_LINES_OF_LOG)
        chunks = [chunk async for chunk in log_reader.read(log, options)]
        said = b"".join(chunks)[-_LONGEST_OF_LOG:]
    return said.decode(errors="replace")


def _end_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(size - _LONGEST, 0))
            return opened.read()
    except OSError:
        return b""
