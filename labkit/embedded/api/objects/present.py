"""Objects in the shape and version a client asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from labkit.embedded.api.admission.webhooks.journal import Journal
from labkit.embedded.api.objects import conversions
from labkit.embedded.api.objects.listing import Page
from labkit.embedded.api.objects.table import Include, partial_metadata, partial_metadata_list, to_table
from labkit.embedded.api.request.negotiation import Form
from labkit.embedded.api.request.responses import Listed
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
    journal: Journal = field(default_factory=Journal)
    """What webhooks have said to the request: the kind's own may have to convert what is shown."""

    @classmethod
    def of(cls, target: Target, form: Form, include: str, journal: Journal) -> Presenter:
        known = include if include in _INCLUDES else "Metadata"
        return cls(target, form, cast(Include, known), journal)

    def converted(self, objects: Sequence[Obj]) -> list[Obj]:
        """*objects* in the version of the request, as far as a webhook has to do it; Unanswered, ApiError."""
        return conversions.converted(objects, self.target.kind, self.target.version, self.journal)

    def object(self, obj: Obj) -> Obj:
        """One object."""
        (obj,) = self.converted([obj])
        if self.form.projection == "Table":
            return self._table([obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        if self.form.projection:
            return self._meta_version(partial_metadata(obj))
        return self.in_version(obj)

    def page(self, page: Page) -> Obj:
        """A list."""
        return self.listed(page).whole()

    def listed(self, page: Page) -> Listed:
        """A list whose items are made as they are asked for."""
        objects = self.converted(page.objects)
        make, head = self._item, self._list(page.metadata)
        if self.form.projection == "Table":
            make, head = self._row, self._table([], page.metadata)
        elif self.form.projection:
            make, head = partial_metadata, self._meta_version(partial_metadata_list([], page.metadata))
        return Listed(head, map(make, objects), len(objects))

    def _list(self, metadata: Obj) -> Obj:
        kind = self.target.kind.list_kind
        return {"kind": kind, "apiVersion": self.target.api_version, "metadata": metadata, "items": []}

    def _row(self, obj: Obj) -> Obj:
        row: Obj = self._table([obj], {}, headers=False)["rows"][0]
        return row

    def event(self, obj: Obj, first: bool) -> Obj:
        """The object of a watch event; only the *first* Table of a stream has its headers."""
        if self.form.projection != "Table":
            return self.object(obj)
        metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return self._table(self.converted([obj]), metadata, headers=first)

    def bookmark(self, metadata: Obj) -> Obj:
        """The object of a BOOKMARK event."""
        if self.form.projection == "Table":
            return self._table([], metadata, headers=False)
        kind = "PartialObjectMetadata" if self.form.projection else self.target.kind.kind
        version = f"meta.k8s.io/{self.form.version}" if self.form.projection else self.target.api_version
        return {"kind": kind, "apiVersion": version, "metadata": metadata}

    def in_version(self, obj: Obj) -> Obj:
        """*obj* in the version of the request."""
        return conversions.in_version([obj], self.target.kind, self.target.version, self.journal)[0]

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
