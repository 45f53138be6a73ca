"""Where a learner's record is kept: one ConfigMap, in a namespace of its own, one key an entry.

So it outlives kernels and the cluster's own stops; goto and reset leave it; who may read the namespace, as
a class's teacher, reads it, and no other learner does. Each entry is a key that a patch adds, so two
notebooks that write at once don't meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.errors import ApiRefused
from labkit.kube.api.api import MERGE_PATCH, Api, Obj
from labkit.kube.api.resources import CONFIG_MAPS, NAMESPACES
from labkit.kube.applying.apply import FIELD_MANAGER
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB
from labkit.record.condensing import LARGEST, condensed, size
from labkit.record.entries import Entry, read_all
from labkit.scenario.learner import LEARNER_LABEL, Learner
from labkit.scenario.recorded import RECORD, namespace_object, record_namespace

_BATCH = 200_000
"""Bytes that are sent at once."""
_TRIES = 5


class Shelf:
    """The record of *learner* on a cluster."""

    def __init__(self, api: Api, learner: Learner) -> None:
        self._api, self._learner = api, learner
        self.namespace = record_namespace(learner)
        self._path = CONFIG_MAPS.path(self.namespace, RECORD)

    def entries(self) -> list[Entry]:
        """All that are kept; ApiRefused where one may not look."""
        return read_all(data_of(self._api.find(self._path)))

    def is_there(self) -> bool:
        """Whether there is anything of it on the cluster."""
        return self._api.find(NAMESPACES.path("", self.namespace)) is not None

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep *entries*, and condense what is old where there is too much. ApiRefused where one may not."""
        for batch in _batches(entries):
            if size(read_all(data_of(self._add(batch)))) > LARGEST:
                self._condense()

    def _add(self, batch: Sequence[Entry]) -> Obj:
        data = {entry.id: entry.text() for entry in batch}
        try:
            return self._patch({"data": data})
        except ApiRefused as error:
            if error.code == 404:
                self._make()
            elif error.code in (413, 422):  # as good as full
                self._condense()
            else:
                raise
        return self._patch({"data": data})

    def _patch(self, body: Obj) -> Obj:
        query = {"fieldManager": FIELD_MANAGER}
        return self._api.request("PATCH", self._path, query=query, body=body, content_type=MERGE_PATCH).object

    def _make(self) -> None:
        """The namespace, where an administrator has not given it, and an empty record in it."""
        if self._api.find(NAMESPACES.path("", self.namespace)) is None:
            self._post(NAMESPACES.path(), namespace_object(self._learner))
        labels = {PART_OF: PART_OF_LAB, LEARNER_LABEL: self._learner.name}
        record = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RECORD, "labels": labels}}
        self._post(CONFIG_MAPS.path(self.namespace), record)

    def _post(self, path: str, body: Obj) -> None:
        try:
            self._api.request("POST", path, query={"fieldManager": FIELD_MANAGER}, body=body)
        except ApiRefused as error:
            if error.code != 409:  # another notebook was quicker
                raise

    def _condense(self) -> None:
        """With what is there now: who adds meanwhile loses nothing, and who condenses, too, comes second."""
        for _ in range(_TRIES):
            there = self._api.get(self._path)
            kept = read_all(data_of(there))
            wanted = {entry.id: entry.text() for entry in condensed(kept)}
            data: Obj = {entry.id: None for entry in kept if entry.id not in wanted}
            data |= wanted
            version = there["metadata"]["resourceVersion"]
            try:
                self._patch({"metadata": {"resourceVersion": version}, "data": data})
                return
            except ApiRefused as error:
                if error.code != 409:
                    raise


def data_of(record: Obj | None) -> dict[str, str]:
    """What is in a ConfigMap, if it is there."""
    return (record or {}).get("data") or {}


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        if batch and size([*batch, entry]) > _BATCH:
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch
