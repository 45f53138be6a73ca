"""Everybody's records on a shared cluster, for whoever may read them all: the class's teacher.

Whose a record is, its namespace says, and not what stands in it: learners write in their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labkit.errors import ApiRefused, UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import CONFIG_MAPS, NAMESPACES
from labkit.kube.api.watch import Event, Watches
from labkit.language import gettext
from labkit.record.entries import Entry, read_all
from labkit.record.shelf import data_of
from labkit.record.story import Standing, standing
from labkit.scenario.learner import LEARNER_LABEL, can_be_called
from labkit.scenario.recorded import RECORD, learner_of


@dataclass
class Class:
    """Who is there, by name, and what each has done; nothing yet where that is an empty list."""

    records: dict[str, list[Entry]] = field(default_factory=dict)
    _standings: dict[str, Standing] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        """Take in one change of a record, or of a learner's namespace."""
        metadata = event.object.get("metadata") or {}
        name = _whose(event.object, event.path)
        if name is None:
            return
        if _is_record(metadata):
            gone = event.type == "DELETED"
            self.records[name] = [] if gone else read_all(data_of(event.object))
            self._standings[name] = standing(self.records[name])
        else:
            self.records.setdefault(name, [])

    @property
    def standings(self) -> Mapping[str, Standing]:
        """Where everybody is, by name."""
        return {name: self._standings.get(name, Standing()) for name in sorted(self.records)}


def _is_record(metadata: Obj) -> bool:
    return metadata.get("name") == RECORD and "namespace" in metadata


def _whose(obj: Obj, path: str) -> str | None:
    """Whose a record is, by its namespace; whose a namespace is, by its label."""
    metadata = obj.get("metadata") or {}
    if path == CONFIG_MAPS.path():
        name = learner_of(str(metadata.get("namespace"))) if _is_record(metadata) else None
    else:
        name = (metadata.get("labels") or {}).get(LEARNER_LABEL) or None
    return name if name is not None and can_be_called(name) else None


_PATHS = (CONFIG_MAPS.path(), NAMESPACES.path())


def the_class(api: Api) -> Class:
    """Everybody's records as they are now; UsageError where one may not read them."""
    found = Class()
    for path in _PATHS:
        try:
            items = api.items(path, labelSelector=LEARNER_LABEL)
        except ApiRefused as error:
            raise _not_for_you(error) from error
        for item in items:
            found.see(Event("ADDED", path, item))
    return found


def watched(api: Api, seconds: float) -> Iterator[Class]:
    """The class, every *seconds*, as far as watches have told; until the caller has enough."""
    found, listed = Class(), set()
    with Watches(api, *_PATHS, labels=LEARNER_LABEL) as watches:
        while True:
            try:
                for event in watches.until(time.monotonic() + seconds):
                    found.see(event)
                    if event.type == "SYNCED" and event.path not in listed:
                        listed.add(event.path)
                        break
            except ApiRefused as error:
                raise _not_for_you(error) from error
            if len(listed) == len(_PATHS):
                yield found


def _not_for_you(error: ApiRefused) -> Exception:
    if error.code != 403:
        return error
    return UsageError(
        gettext(
            "Only who may read every learner's record can see the class: the cluster's administrator, or "
            "who has `get`, `list` and `watch` of `configmaps` and `namespaces`. It says: {error}",
            error=str(error).splitlines()[0],
        )
    )
