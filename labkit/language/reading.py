"""A catalogue as people write it (``.po``), for the standard library's gettext."""

from __future__ import annotations

import gettext
import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


def read_catalogue(file: Path, language: str) -> Catalog:
    """The catalogue in *file*, which is in *language*."""
    with file.open("rb") as text:
        return read_po(text, locale=language)


def translations(file: Path, language: str) -> gettext.GNUTranslations:
    """What is translated in *file*; a message whose English has changed since (``fuzzy``) is not."""
    compiled = io.BytesIO()
    write_mo(compiled, read_catalogue(file, language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
