"""CustomResourceDefinitions in force: what is defined is served from the moment it is written.

Elsewhere five controllers of the API server do this: they name, establish, finalize, and tell discovery and
OpenAPI. Here the registry follows the store in the very write, and only the status is written a turn later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from labkit.embedded.api.kinds import crds
from labkit.embedded.api.kinds.crds import naming
from labkit.embedded.api.kinds.custom import type_of
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request.options import DeleteOptions
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of
from labkit.embedded.status import ApiError
from labkit.embedded.store import Change

_DONE = ("InstanceDeletionCompleted", "removed all instances", "False")
_BUSY = ("InstanceDeletionInProgress", "CustomResource deletion is in progress")
_NEVER = ("NeverEstablished", "resource was never established", "False")
_AGAIN = 1.0  # seconds, after a write that failed (a full disk)

log = logging.getLogger("labkit.embedded.api")


class Definitions:
    """Keeps a registry and the definitions' status as the stored definitions want them."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs, self._store, self._registry = verbs, verbs.store, verbs.registry
        self._waiting: dict[str, Callable[[], None]] = {}
        """Of definitions that go: what ends the look at their objects."""
        self._due: set[str] = set()
        self._store.subscribe([crds.RESOURCE], self._follow)

    def look(self) -> None:
        """Take up what was stored before this server began."""
        for each in self._store.objects(crds.RESOURCE):
            if not naming.is_settled(each) or is_terminating(each):
                self._serve(each)
                self._later(name_of(each))

    def _follow(self, change: Change) -> None:
        """Called by the store inside each write."""
        if change.type == "DELETED":
            self._forget(name_of(change.object))
            for each in self._others(change.object):  # the names it had are free
                self._later(name_of(each))
            return
        self._serve(change.object)
        self._later(name_of(change.object))

    def _forget(self, name: str) -> None:
        if stop := self._waiting.pop(name, None):
            stop()
        known = self._registry.get(name)
        if known is not None and known.custom:
            self._registry.remove(name)

    def _serve(self, definition: Obj) -> None:
        """Serve it, if it has (or can have) its names."""
        known, wanted = self._registry.get(name_of(definition)), None
        if known is not None and not known.custom:
            return  # a built-in kind
        status = naming.status_of(definition, self._others(definition))
        if naming.is_served({**definition, "status": status}):
            wanted = type_of(_as_accepted(definition, status))
        if wanted is None:
            self._forget(name_of(definition))
        elif known is None or known != wanted:
            self._registry.add(wanted)

    def _others(self, definition: Obj) -> Iterator[Obj]:
        """Those of its group; looked for when they are asked for."""
        for each in self._store.objects(crds.RESOURCE):
            if each["spec"]["group"] == definition["spec"]["group"] and name_of(each) != name_of(definition):
                yield each

    def _later(self, name: str) -> None:
        """Bring its status up to date when the write that is under way has been told to everybody."""
        if name in self._due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # nobody runs anything here: the status is made when a server looks
        self._due.add(name)
        loop.call_soon(self._reconcile, name)

    def _reconcile(self, name: str) -> None:
        self._due.discard(name)
        definition = self._store.get(crds.RESOURCE, name)
        if definition is None:
            return
        try:
            if is_terminating(definition):
                self._end(definition)
            else:
                self._write(definition, naming.status_of(definition, self._others(definition)))
                self._serve(self._store.get(crds.RESOURCE, name) or definition)
        except ApiError as error:
            log.warning("the status of %s can't be written: %s", name, error.message)
            asyncio.get_running_loop().call_later(_AGAIN, self._later, name)

    def _write(self, definition: Obj, status: Obj) -> Obj:
        if status == definition.get("status"):
            return definition
        changed = {**mutable(definition), "status": status}
        return self._verbs.update(crds.RESOURCE, changed, subresource="status").object

    # --- the end

    def _end(self, definition: Obj) -> None:
        """Delete what there is of it; then it may go."""
        if crds.CLEANUP not in (definition["metadata"].get("finalizers") or ()):
            return
        name, established = name_of(definition), naming.is_served(definition)
        definition = self._write(definition, naming.terminating(definition, *_BUSY))
        self._wait(name)
        for obj in self._store.objects(name) if established else ():
            if not is_terminating(obj):
                self._verbs.delete(name, name_of(obj), namespace_of(obj), DeleteOptions())
        if established and self._store.objects(name):
            return  # finalizers of others keep some: the last one's end is seen
        self._finish(definition, _DONE if established else _NEVER)

    def _finish(self, definition: Obj, words: tuple[str, str, str]) -> None:
        left = [each for each in definition["metadata"]["finalizers"] if each != crds.CLEANUP]
        ended = {**mutable(definition), "status": naming.terminating(definition, *words)}
        ended["metadata"] = {**ended["metadata"], "finalizers": left}
        if left:
            self._store.put(crds.RESOURCE, ended)
        else:
            self._store.remove(crds.RESOURCE, ended)

    def _wait(self, name: str) -> None:
        """Look again whenever one of its objects has gone."""

        def gone(change: Change) -> None:
            if change.type == "DELETED":
                self._later(name)

        if name not in self._waiting:
            self._waiting[name] = self._store.subscribe([name], gone)


def _as_accepted(definition: Obj, status: Obj) -> Obj:
    """*definition* under the names it has got."""
    return {**definition, "spec": {**definition["spec"], "names": status["acceptedNames"]}}
