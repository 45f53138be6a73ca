"""Objects in the shape and version a client asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from labkit.embedded.api.objects.convert import from_storage
from labkit.embedded.api.objects.listing import Page
from labkit.embedded.api.objects.table import Include, partial_metadata, partial_metadata_list, to_table
from labkit.embedded.api.request.negotiation import Form
from labkit.embedded.api.request.target import Target
from labkit.embedded.objects import Obj

_TYPE = ("kind", "apiVersion")
_INCLUDES = ("Metadata", "Object", "None")


@dataclass(frozen=True)
class Presenter:
    """Turns stored objects into what one request is answered with; never changes them."""

    target: Target
    form: Form
    include: Include = "Metadata"

    @classmethod
    def of(cls, target: Target, form: Form, include: str) -> Presenter:
        known = include if include in _INCLUDES else "Metadata"
        return cls(target, form, cast(Include, known))

    def object(self, obj: Obj) -> Obj:
        """One object."""
        if self.form.projection == "Table":
            return self._table([obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        if self.form.projection:
            return self._meta_version(partial_metadata(obj))
        return self.in_version(obj)

    def page(self, page: Page) -> Obj:
        """A list."""
        if self.form.projection == "Table":
            return self._table(page.objects, page.metadata)
        if self.form.projection:
            return self._meta_version(partial_metadata_list(page.objects, page.metadata))
        return {
            "kind": self.target.kind.list_kind,
            "apiVersion": self.target.api_version,
            "metadata": page.metadata,
            "items": [self._item(obj) for obj in page.objects],
        }

    def event(self, obj: Obj, first: bool) -> Obj:
        """The object of a watch event; only the *first* Table of a stream has its headers."""
        if self.form.projection != "Table":
            return self.object(obj)
        return self._table([obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, headers=first)

    def bookmark(self, metadata: Obj) -> Obj:
        """The object of a BOOKMARK event."""
        if self.form.projection == "Table":
            return self._table([], metadata, headers=False)
        kind = "PartialObjectMetadata" if self.form.projection else self.target.kind.kind
        version = f"meta.k8s.io/{self.form.version}" if self.form.projection else self.target.api_version
        return {"kind": kind, "apiVersion": version, "metadata": metadata}

    def in_version(self, obj: Obj) -> Obj:
        """*obj* in the version of the request."""
        return from_storage(obj, self.target.kind, self.target.version)

    def _item(self, obj: Obj) -> Obj:
        """In a list of built-in kinds only the list says which kind it is."""
        shown = self.in_version(obj)
        if self.target.kind.custom:
            return shown
        return {key: value for key, value in shown.items() if key not in _TYPE}

    def _table(self, objects: list[Obj], metadata: Obj, headers: bool = True) -> Obj:
        if self.include == "Object":
            objects = [self.in_version(obj) for obj in objects]
        kind, version = self.target.kind, self.target.version if self.target.kind.custom else ""
        table = to_table(
            objects, kind, metadata=metadata, include=self.include, headers=headers, version=version
        )
        return self._meta_version(table)

    def _meta_version(self, projected: Obj) -> Obj:
        if self.form.version == "v1":
            return projected
        version = f"meta.k8s.io/{self.form.version}"
        rows: Any = [_with_version(row, version) for row in projected.get("rows", ())]
        return {**projected, "apiVersion": version} | ({"rows": rows} if rows else {})


def _with_version(row: Obj, version: str) -> Obj:
    inner = row.get("object")
    if not inner or inner.get("kind") != "PartialObjectMetadata":
        return row
    return {**row, "object": {**inner, "apiVersion": version}}
