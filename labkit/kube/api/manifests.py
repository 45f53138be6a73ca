"""Read manifests: YAML in, objects out, and a sentence with the line where it can't be read.

PyYAML takes a key that is written twice for granted and keeps the last; Kubernetes refuses it. So do
we, because a learner who pasted a block twice would never find out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import yaml

from labkit.errors import ManifestError
from labkit.kube.api.api import Obj
from labkit.language import gettext


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = gettext('the key "{value}" is there twice', value=key.value)
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


@dataclass(frozen=True)
class Manifest:
    """One object to be applied, and where it was read."""

    object: Obj
    origin: str
    """File name, or ``YAML text``."""
    line: int

    @property
    def place(self) -> str:
        """For messages: ``serviceA-gw.yml, line 1``."""
        return gettext("{origin}, line {line}", origin=self.origin, line=self.line)


@dataclass(frozen=True, repr=False)
class Source:
    """What the caller named: the text, and the file it stands in, if it stands in one.

    Shows itself as the YAML it is.
    """

    text: str
    path: Path | None = None
    typed: str = ""
    """What names the file in a shell, in whichever folder that is; else it is the path."""

    @property
    def name(self) -> str:
        """File name, or ``YAML text``."""
        return self.path.name if self.path else gettext("YAML text")

    def __repr__(self) -> str:
        return f"# {self.name}\n{self.text}"

    def _repr_markdown_(self) -> str:
        return f"`{self.name}`\n```yaml\n{self.text.rstrip()}\n```"


def read(source: str | Path, folders: Sequence[Path] = ()) -> Source:
    """The text of *source*: YAML itself, a path, or a file name to be found under *folders*.

    Text is told from a path by its line ends or by a colon followed by a space.
    """
    if isinstance(source, str) and ("\n" in source or ": " in source):
        return Source(source)
    path = _locate(Path(source).expanduser(), folders)
    try:
        return Source(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(gettext("Can't read {path}: {error}", path=path, error=error)) from error


def _locate(path: Path, folders: Sequence[Path]) -> Path:
    if path.is_file():
        return path
    found = [match for folder in folders for match in sorted(folder.rglob(path.name)) if match.is_file()]
    wanted = [match for match in found if match.parts[-len(path.parts) :] == path.parts]
    if wanted:
        return wanted[0]
    known = [each.name for folder in folders for each in folder.rglob("*.yml")]
    near = get_close_matches(path.name, known, n=1)
    next_step = (
        gettext("Did you mean {near!r}?", near=near[0])
        if near
        else gettext("Check its name, or give the YAML itself.")
    )
    raise ManifestError(
        gettext(
            "There is no manifest {path!r}, here or among the lab's own. {next_step}",
            path=path.name,
            next_step=next_step,
        )
    )


def parse(source: Source) -> list[Manifest]:
    """All objects in *source*: every document, and every item of a ``List``."""
    loader = _Loader(source.text)
    found: list[Manifest] = []
    try:
        while loader.check_node():
            node = cast(yaml.Node, loader.get_node())
            document = loader.construct_document(node)
            if document is not None:
                found += _objects(document, source.name, node.start_mark.line + 1)
    except yaml.YAMLError as error:
        raise _unreadable(error, source) from error
    finally:
        loader.dispose()
    if not found:
        raise ManifestError(gettext("{source} holds no object.", source=source.name))
    return found


def _unreadable(error: yaml.YAMLError, source: Source) -> ManifestError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if mark is None:
        return ManifestError(gettext("{source} is not YAML: {problem}", source=source.name, problem=problem))
    lines = source.text.splitlines()
    shown = lines[mark.line] if mark.line < len(lines) else ""
    return ManifestError(
        gettext(
            "{source}, line {line}, column {column}: this is not YAML, {problem}:\n    "
            "{shown}\nCheck the indentation there and just above.",
            source=source.name,
            line=mark.line + 1,
            column=mark.column + 1,
            problem=problem,
            shown=shown,
        )
    )


def _objects(document: Any, origin: str, line: int) -> list[Manifest]:
    if not isinstance(document, dict):
        raise ManifestError(
            gettext(
                "{origin}, line {line}: that is no object with apiVersion, kind and metadata.",
                origin=origin,
                line=line,
            )
        )
    if document.get("kind") == "List":
        return [one for item in document.get("items") or [] for one in _objects(item, origin, line)]
    missing = [field for field in ("apiVersion", "kind") if not document.get(field)]
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        missing.append("metadata.name")
    if missing:
        raise ManifestError(
            gettext(
                "{origin}, line {line}: the manifest lacks {missing}.",
                origin=origin,
                line=line,
                missing=", ".join(missing),
            )
        )
    return [Manifest(cast(Obj, document), origin, line)]
