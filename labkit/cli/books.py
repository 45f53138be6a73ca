"""The notebooks of one ``labkit run``, looked at before anything runs: what they are, what goes where.

Whatever is wrong with a notebook, a parameter or a place to write to is said here, in a sentence that names
it, and not after minutes by a copy that was never made.
"""

from __future__ import annotations

import ast
import difflib
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import UsageError

_UNKNOWN = object()
"""A default that is no literal: any value may take its place."""


@dataclass(frozen=True)
class Book:
    """One notebook to execute."""

    source: Path
    copy: Path
    """Where the executed one goes; its page lies beside it."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Its parameters, by name."""

    def chosen(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the *given* parameters that it has."""
        return {name: value for name, value in given.items() if name in self.defaults}


def plan(notebooks: Sequence[Path], output: Path, *, in_place: bool) -> list[Book]:
    """*notebooks*, each once, and where each one's copy goes.

    Raises UsageError for what is no notebook of Python's and for places that can't be written to.
    """
    sources = list(dict.fromkeys(_existing(notebook) for notebook in notebooks))
    books = [Book(source, copy, _defaults(source)) for source, copy in _copies(sources, output).items()]
    for book in books:
        _can_be_written(book, in_place=in_place)
    return books


def judge(books: Iterable[Book], given: Mapping[str, Any]) -> None:
    """UsageError for a parameter that no notebook has, or whose value is of another type than its default."""
    asked = list(books)
    known = sorted({name for book in asked for name in book.defaults})
    for name, value in given.items():
        if name not in known:
            raise UsageError(_no_such(name, known))
        for book in asked:
            if name in book.defaults and not _fits(value, book.defaults[name]):
                raise UsageError(
                    f"--parameter {name}={value!r} is {_kind(value)}; {book.source.name} has "
                    f"{_kind(book.defaults[name])} there ({book.defaults[name]!r})."
                )


def _no_such(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"None of the notebooks has a parameter {name}.{meant} They have: {', '.join(known) or 'none'}."


def _existing(notebook: Path) -> Path:
    if not notebook.is_file():
        raise UsageError(f"There is no notebook {notebook}.")
    return notebook.absolute()


def _copies(sources: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Each one's copy by its name; where names are the same, below the folders that tell them apart."""
    counts = Counter(source.name for source in sources)
    twins = [source for source in sources if counts[source.name] > 1]
    above = Path(os.path.commonpath([twin.parent for twin in twins])) if twins else Path()
    return {
        source: output / (source.relative_to(above) if source in twins else source.name) for source in sources
    }


def _can_be_written(book: Book, *, in_place: bool) -> None:
    if book.copy.resolve() == book.source.resolve():
        raise UsageError(
            f"The executed copy of {book.source} would take its place: choose another folder with -o, or "
            "write the outputs back with --in-place."
        )
    folder = book.copy.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{folder} can't be used for the executed notebooks: {error.strerror}.") from error
    for file in (book.copy, book.copy.with_suffix(".html"), *([book.source] if in_place else [])):
        if file.is_dir() or (file.exists() and not os.access(file, os.W_OK)):
            raise UsageError(f"{file} can't be written; move it away, or change its permissions.")


def _defaults(notebook: Path) -> dict[str, Any]:
    """The names that the cell tagged ``parameters`` gives values to."""
    cells = _read(notebook).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return _assigned(tagged[0].source) if tagged else {}


def _read(notebook: Path) -> Any:
    import json

    import nbformat

    try:
        text = notebook.read_text(encoding="utf-8")
        json.loads(text)  # says where it is broken, which nbformat keeps to itself
        book = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise UsageError(f"{notebook} can't be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{notebook} is no notebook: {error}.") from error
    except Exception as error:  # nbformat's own, for JSON of another shape
        why = str(error).partition("\n")[0]
        raise UsageError(f"{notebook} is no notebook: {why}.") from error
    language = _language(book)
    if language not in ("", "python"):
        raise UsageError(f"{notebook} is written in {language}: only notebooks in Python are run.")
    return book


def _language(book: Any) -> str:
    """What its code is written in, as far as it says."""
    spec, info = book.metadata.get("kernelspec", {}), book.metadata.get("language_info", {})
    return str(spec.get("language") or info.get("name") or "").lower()


def _assigned(code: str) -> dict[str, Any]:
    try:
        statements = ast.parse(code).body
    except SyntaxError:
        return {}  # the run will say so, with the cell
    found: dict[str, Any] = {}
    for statement in statements:
        match statement:
            case ast.Assign(targets=targets, value=value):
                found |= {name.id: _literal(value) for name in targets if isinstance(name, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = _literal(value)
    return found


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return _UNKNOWN


def _fits(value: Any, default: Any) -> bool:
    if default is _UNKNOWN or default is None or value is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default)) or (isinstance(default, tuple) and isinstance(value, list))


def _kind(value: Any) -> str:
    kinds = {bool: "yes or no", int: "a whole number", float: "a number", str: "a text", list: "a list"}
    return kinds.get(type(value), type(value).__name__)
