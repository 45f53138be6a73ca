"""A YAML file of data, read field by field: what is wrong in it is a sentence that says where.

::

    scenario.yaml, line 14: cast.shop.hosts is a number, expected a list of texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml

from labkit.errors import ScenarioError
from labkit.language import gettext

T = TypeVar("T")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Field:
    """One value of the file: where it stands, and what it is called."""

    def __init__(self, file: Path, node: yaml.Node, key: str) -> None:
        self.file, self.key, self._node = file, key, node

    # ----------------------------------------------------------------------------------- what is wrong

    def refuse(self, why: str) -> NoReturn:
        """ScenarioError with the place and *why*."""
        line = self._node.start_mark.line + 1
        raise ScenarioError(
            gettext("{file}, line {line}: {key} {why}.", file=self.file, line=line, key=self.key, why=why)
        )

    def expect(self, what: str) -> NoReturn:
        """ScenarioError: this is no *what*."""
        self.refuse(gettext("is {kind}, expected {what}", kind=self._kind(), what=what))

    def _kind(self) -> str:
        if isinstance(self._node, yaml.MappingNode):
            return gettext("a mapping")
        if isinstance(self._node, yaml.SequenceNode):
            return gettext("a list")
        return repr(self._node.value) if self._node.value else gettext("empty")

    # ------------------------------------------------------------------------------------ plain values

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self._node, yaml.MappingNode)

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value.strip():
            self.expect(gettext("a text"))
        return str(self._node.value)

    def number(self) -> float:
        """A number."""
        value = self._plain()
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.expect(gettext("a number"))
        return value

    def whole(self) -> int:
        """A whole number."""
        if (value := self.number()) != int(value):
            self.expect(gettext("a whole number"))
        return int(value)

    def yes(self) -> bool:
        """``true`` or ``false``."""
        value = self._plain()
        if not isinstance(value, bool):
            self.expect(gettext("`true` or `false`"))
        return value

    def _plain(self) -> object:
        if not isinstance(self._node, yaml.ScalarNode):
            return None
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(self._node)
        except (ValueError, yaml.YAMLError):
            return None
        finally:
            loader.dispose()

    # -------------------------------------------------------------------------------- what holds others

    def list(self) -> Iterator[Field]:
        """What is in a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.expect(gettext("a list"))
        for number, node in enumerate(self._node.value):
            yield Field(self.file, node, f"{self.key}[{number}]")

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(each.text() for each in self.list())

    def fields(self) -> dict[str, Field]:
        """What is in a mapping, by key; a key that is there twice is refused."""
        if not isinstance(self._node, yaml.MappingNode):
            self.expect(gettext("a mapping"))
        found: dict[str, Field] = {}
        for key, node in self._node.value:
            name = str(key.value)
            inner = Field(self.file, node, f"{self.key}.{name}".lstrip("."))
            if name in found:
                Field(self.file, key, inner.key).refuse(gettext("is there twice"))
            found[name] = inner
        return found

    def record(self, *keys: str) -> Record:
        """A mapping that may have these *keys* and no others."""
        return Record(self, self.fields(), keys)


class Record:
    """A mapping whose keys are known."""

    def __init__(self, whole: Field, fields: dict[str, Field], keys: Collection[str]) -> None:
        self.whole, self._fields = whole, fields
        for name, each in fields.items():
            if name not in keys:
                each.refuse(gettext("is not known here, expected one of {keys}", keys=", ".join(keys)))

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def field(self, key: str) -> Field:
        """The value of *key*; ScenarioError where there is none."""
        if key not in self._fields:
            self.whole.refuse(gettext("lacks {key}", key=key))
        return self._fields[key]

    def get(self, key: str, read: Callable[[Field], T], default: T) -> T:
        """The value of *key* as *read* reads it; *default* where there is none."""
        return read(self._fields[key]) if key in self._fields else default


def read_fields(file: Path) -> Field:
    """The whole of *file*; ScenarioError where it is missing, or no YAML."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), _LOADER)
    except OSError as error:
        raise ScenarioError(gettext("{file} can't be read: {why}.", file=file, why=error.strerror)) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(gettext("{file} is no text in UTF-8.", file=file)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise ScenarioError(
            gettext(
                "{file}, line {line}: this is not YAML: {problem}.", file=file, line=line, problem=problem
            )
        ) from error
    if node is None:
        raise ScenarioError(gettext("{file} is empty.", file=file))
    return Field(file, node, "")
