"""The reasons an object is refused, in the words of ``k8s.io/apimachinery``'s ``field`` errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from labkit.embedded.api.types import golang

Cause: TypeAlias = tuple[str, str, str]
"""Field, reason and message, as :func:`labkit.embedded.status.invalid` takes them."""


class Causes(list[Cause]):
    """A list of causes with a method for each kind of them."""

    def required(self, field: str, detail: str = "") -> None:
        self._add(field, "Required", "Required value", detail)

    def invalid(self, field: str, value: Any, detail: str) -> None:
        self._add(field, "Invalid", f"Invalid value: {shown(value)}", detail)

    def invalid_whole(self, field: str, detail: str) -> None:
        """An object whose parts don't go together."""
        self._add(field, "Invalid", "Invalid value", detail)

    def type_invalid(self, field: str, value: Any, detail: str) -> None:
        self._add(field, "TypeInvalid", f"Invalid value: {shown(value)}", detail)

    def unsupported(self, field: str, value: Any, supported: Iterable[str]) -> None:
        listed = ", ".join(golang.quoted(each) for each in supported)
        self._add(field, "NotSupported", f"Unsupported value: {shown(value)}", f"supported values: {listed}")

    def duplicate(self, field: str, value: Any) -> None:
        self._add(field, "Duplicate", f"Duplicate value: {shown(value)}")

    def not_found(self, field: str, value: Any) -> None:
        self._add(field, "NotFound", f"Not found: {shown(value)}")

    def forbidden(self, field: str, detail: str) -> None:
        self._add(field, "Forbidden", "Forbidden", detail)

    def too_long(self, field: str, most: int) -> None:
        self._add(field, "TooLong", "Too long", f"may not be more than {most} bytes")

    def too_many(self, field: str, found: int, most: int) -> None:
        self._add(field, "TooMany", f"Too many: {found}", f"must have at most {most} items")

    def _add(self, field: str, reason: str, message: str, detail: str = "") -> None:
        self.append((field, f"FieldValue{reason}", f"{message}: {detail}" if detail else message))

    def invalid_each(self, field: str, value: Any, details: Iterable[str]) -> None:
        """One cause for each thing wrong with *value*."""
        for detail in details:
            self.invalid(field, value, detail)

    def not_negative(self, field: str, value: Any) -> None:
        if value is not None and value < 0:
            self.invalid(field, value, "must be greater than or equal to 0")

    def one_of(self, field: str, value: Any, supported: Iterable[str]) -> None:
        """A string that must be there and be one of *supported*."""
        if not value:
            self.required(field)
        elif value not in (known := list(supported)):
            self.unsupported(field, value, known)

    def immutable(self, field: str, new: Any, old: Any) -> None:
        if new != old:
            self.invalid(field, new, "field is immutable")


def shown(value: Any) -> str:
    """A value inside a message: strings quoted, the rest as JSON."""
    if isinstance(value, golang.Shown):
        return value
    return golang.quoted(value) if isinstance(value, str) else golang.compact(value)
