"""``labkit new``: a small scenario that works, to begin one's own from."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

_TEMPLATE = Path(__file__).with_name("template")
_ITS_NAME = "my-scenario"


@click.command()
@click.argument("name", type=click.Path(path_type=Path))
def new(name: Path) -> None:
    """Write a small scenario that works into the folder NAME: two services, one split, two notebooks."""
    folder = name.expanduser().absolute()
    namespace = _namespace(folder.name)
    _refuse_what_is_there(folder)
    for source in sorted(_TEMPLATE.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            target = folder / source.relative_to(_TEMPLATE)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text(encoding="utf-8")
            target.write_text(text.replace(_ITS_NAME, namespace), encoding="utf-8")
    print(f"{folder} is a scenario of yours; README.md in it says what is what. Try it:")
    print(f"    labkit run --scenario {shlex.quote(str(name))} -o {shlex.quote(str(name / 'output'))}")


def _namespace(name: str) -> str:
    """The scenario's namespace, after its folder."""
    from labkit.errors import UsageError

    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    if not found:
        raise UsageError(f"{name!r} has no letter or digit for the name of a namespace: choose another name.")
    return found


def _refuse_what_is_there(folder: Path) -> None:
    from labkit.errors import UsageError

    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: choose a name that is not there yet.")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: choose a name that is not there yet.")
