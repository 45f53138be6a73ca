"""Where the lab book's own files are: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from labkit.errors import LabkitError
from labkit.language import ENGLISH

_PACKAGE = Path(__file__).parent


def notebooks() -> Path:
    """The folder of the notebooks ``00-…`` to ``06-…``; those of another language are in one below it."""
    return _folder("notebooks")


def chapters(language: str = ENGLISH) -> list[Path]:
    """The notebooks in *language*, in order; LabkitError where there are none."""
    folder = notebooks() if language == ENGLISH else notebooks() / language
    found = sorted(folder.glob("[0-9][0-9]-*.ipynb"))
    if not found:
        raise LabkitError(f"There are no notebooks in {folder}.")
    return found


def manifests() -> Path:
    """The folder of the manifests, a folder per step."""
    return _folder("manifests")


def _folder(name: str) -> Path:
    for parent in (_PACKAGE / "book_files", _PACKAGE.parent):  # beside an installed package may be anybody's
        if (parent / name).is_dir():
            return parent / name
    raise LabkitError(f"This installation of labkit has no {name}; install it again from its repository.")
