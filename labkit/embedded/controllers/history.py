"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, numbered.

As ``pkg/controller/history``: going back to an earlier template gives its revision the highest number.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from labkit.embedded.controllers.ownership import claim, reference
from labkit.embedded.controllers.revisions import template_hash
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, labels_of, mutable, name_of, namespace_of

REVISIONS = "controllerrevisions.apps"
HASH = "controller-revision-hash"


class History:
    """The revisions of one *owner*, oldest first; the present one is among them."""

    def __init__(self, client: Client, owner: Obj) -> None:
        self._client, self._owner = client, owner
        self.all = sorted(claim(client, REVISIONS, owner), key=_order)
        self.present = self._present()

    def _present(self) -> Obj:
        data = _sorted({"spec": {"template": {**self._owner["spec"]["template"], "$patch": "replace"}}})
        equal = [each for each in self.all if each.get("data") == data]
        highest = max((number(each) for each in self.all), default=0)
        if not equal:
            return self._keep(self._client.create(REVISIONS, self._made(data, highest + 1)))
        if number(equal[-1]) == highest:
            return equal[-1]
        renumbered = {**mutable(equal[-1]), "revision": highest + 1}
        self.all.remove(equal[-1])
        return self._keep(self._client.update(REVISIONS, renumbered))

    def _keep(self, revision: Obj) -> Obj:
        self.all.append(revision)
        return revision

    def _made(self, data: Obj, revision: int) -> Obj:
        digest = template_hash(data)
        labels = self._owner["spec"]["template"].get("metadata", {}).get("labels") or {}
        metadata = {
            "name": f"{name_of(self._owner)}-{digest}",
            "namespace": namespace_of(self._owner),
            "labels": {**labels, HASH: digest},
            "ownerReferences": [reference(self._owner)],
        }
        return {"metadata": metadata, "data": data, "revision": revision}

    def named(self, name: str) -> Obj | None:
        """The one called *name*."""
        return next((each for each in self.all if name_of(each) == name), None)

    def forget(self, live: Collection[str]) -> None:
        """Delete the oldest beyond ``revisionHistoryLimit`` that are not among the *live* by name."""
        spare = [each for each in self.all if name_of(each) not in live and each is not self.present]
        most = self._owner["spec"].get("revisionHistoryLimit", 10)
        for each in spare[: max(len(spare) - most, 0)]:
            self._client.delete(REVISIONS, name_of(each), namespace_of(each))


def _sorted(data: Obj) -> Obj:
    """*data* with its keys in order, as whoever compares its bytes will have it."""
    found: Obj = json.loads(json.dumps(data, sort_keys=True))
    return found


def number(revision: Obj) -> int:
    """Its number."""
    return int(revision.get("revision", 0))


def digest_of(revision: Obj) -> str:
    """What pods of a DaemonSet carry of it."""
    return labels_of(revision).get(HASH, "")


def as_of(owner: Obj, revision: Obj) -> Obj:
    """*owner* with the template it had."""
    template = {key: each for key, each in revision["data"]["spec"]["template"].items() if key != "$patch"}
    return {**owner, "spec": {**owner["spec"], "template": template}}


def _order(revision: Obj) -> tuple[int, str, str]:
    return number(revision), revision["metadata"]["creationTimestamp"], name_of(revision)
