"""One row of the database, back to an object; a row that is none any more says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labkit.embedded.objects import Obj

Check = Callable[[str, Obj], None]
"""Whether an object of a resource (``pods``) can be used; ValueError says why not."""


@dataclass(frozen=True)
class Row:
    """As SQLite holds it; a damaged file may hold anything in any column."""

    resource: bytes
    namespace: bytes
    name: bytes
    body: bytes

    @classmethod
    def of(cls, columns: tuple[Any, ...]) -> Row:
        """From what a cursor gives with ``text_factory = bytes``."""
        return cls(*(each if isinstance(each, bytes) else str(each).encode() for each in columns))

    @property
    def title(self) -> str:
        """``configmaps default/settings``, for people."""
        resource, namespace, name = (
            each.decode(errors="replace") for each in (self.resource, self.namespace, self.name)
        )
        return f"{resource} {namespace}/{name}" if namespace else f"{resource} {name}"

    def object(self, check: Check) -> tuple[str, Obj]:
        """(resource, object); ValueError where it can't be read, or *check* refuses it."""
        obj = _parsed(self.body)
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict):
            raise ValueError("it has no metadata")
        keys = (str(metadata.get("namespace", "")).encode(), str(metadata.get("name", "")).encode())
        if keys != (self.namespace, self.name):
            raise ValueError("its metadata name another object")
        if revision_of(obj) < 1:
            raise ValueError("its resourceVersion is no number")
        resource = self.resource.decode()
        check(resource, obj)
        return resource, obj


def revision_of(obj: Obj) -> int:
    """The object's ``metadata.resourceVersion``; 0 where it is none."""
    found = obj["metadata"].get("resourceVersion")
    is_number = isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 19
    return int(found) if is_number else 0


def _parsed(body: bytes) -> Obj:
    try:
        found = json.loads(body.decode(), parse_constant=_no_constant)
        if b"\\ud" in body.lower():
            json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate can't be sent to anybody
    except UnicodeError as error:
        raise ValueError(f"it is no UTF-8 text ({error})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"its JSON is broken ({error})") from error
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("its JSON is no object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"its JSON holds {name}")
