"""Which objects are behind a proxy's trouble: a snapshot that can't be made, or one that Envoy refuses.

Rules that changed since all was well are suspected first, then everything; of several that only do harm
together, the one that says more about traffic (:data:`_TRUST`). For what Envoy refuses the proxy itself is
asked: it is offered the mesh without some objects, until it is known without which it is content.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Set
from typing import Protocol

from labkit.embedded.mesh.connection import Connection, Offer
from labkit.embedded.mesh.culprits import culprits
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.object_status import RECONCILED
from labkit.embedded.mesh.quarantine import Fault, is_same, objects_by_key
from labkit.embedded.mesh.resources import (
    AUTHORIZATION_POLICIES,
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENVOY_FILTERS,
    GATEWAYS,
    PODS,
    REQUEST_AUTHENTICATIONS,
    SERVICE_ENTRIES,
    SIDECARS,
    TELEMETRIES,
    VIRTUAL_SERVICES,
    Key,
)
from labkit.embedded.objects import Obj, condition_of

_RULES = (ENVOY_FILTERS, VIRTUAL_SERVICES, DESTINATION_RULES)
_TRUST = {
    ENVOY_FILTERS: 6,
    VIRTUAL_SERVICES: 5,
    DESTINATION_RULES: 4,
    SIDECARS: 3,
    TELEMETRIES: 3,
    REQUEST_AUTHENTICATIONS: 3,
    AUTHORIZATION_POLICIES: 3,
    CONFIG_MAPS: 3,
    SERVICE_ENTRIES: 2,
    GATEWAYS: 1,
}
"""How much a kind is suspected: a rule is rather wrong than the service that brings its fault to light."""
PATIENCE = 5.0
"""Seconds a proxy has for its answer; Envoy needs some milliseconds."""


_log = logging.getLogger(__name__)


class Bench(Protocol):
    """What an inquiry needs of the fleet."""

    @property
    def state(self) -> MeshState | None: ...

    def made_of(self, state: MeshState, connection: Connection) -> Offer:
        """What *state* comes to for the proxy."""

    async def answer(self, connection: Connection, offer: Offer) -> str:
        """Let the proxy have *offer*; what it says against it, empty if nothing."""

    def close(self, connection: Connection, faults: list[Fault]) -> None:
        """The inquiry about the proxy is over, *faults* are the objects to go without from now on."""


def _was_faulty(obj: Obj) -> bool:
    """Whether an earlier istiod has found it so."""
    return (condition_of(obj, RECONCILED) or {}).get("status") == "False"


class Inquiries:
    """All inquiries: one at a time, for what one finds may be what the next one was opened for."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._turn = asyncio.Lock()

    def open(self, connection: Connection, trouble: str, *, refused: bool) -> None:
        """Find out what is behind *trouble*, unless that is under way, or was in vain.

        refused: whether it is the proxy that has to be asked.
        """
        if connection.inquiry is None and trouble != connection.unexplained:
            connection.inquiry = asyncio.create_task(self._inquire(connection, trouble, refused))

    async def _inquire(self, connection: Connection, trouble: str, refused: bool) -> None:
        found: list[Fault] = []
        unexplained = trouble
        try:
            async with self._turn:
                inquiry = _Inquiry(self._bench, connection, trouble, refused)
                found, unexplained = await inquiry.findings(), inquiry.unexplained
        except Exception:
            _log.exception("a fault of our own: what %s refuses is not found out", connection.short_name)
        connection.inquiry, connection.unexplained = None, unexplained
        self._bench.close(connection, found)


class _Inquiry:
    def __init__(self, bench: Bench, connection: Connection, trouble: str, refused: bool) -> None:
        assert bench.state is not None
        self._bench, self._connection, self._refused = bench, connection, refused
        self._state = bench.state
        self._present = {key: each for key, each in objects_by_key(self._state).items() if key[0] != PODS}
        self._good: Mapping[Key, Obj] = dict(connection.good_objects)
        self._trouble = trouble
        self.unexplained = ""

    async def findings(self) -> list[Fault]:
        """The faulty objects; none where the trouble is over, or has another cause."""
        found: set[Key] = set()
        for suspects in self._rounds():
            found = found or await culprits(suspects, self._holds_without)
        if found and not any(key[0] in _RULES for key in found) and self._refused:
            # What is new may only have brought to light what a rule says about it.
            found = await culprits(self._rules(), self._holds_without) or found
        if not found and not await self._holds_without(frozenset()):
            self.unexplained = self._trouble
        return [await self._fault(key, found) for key in sorted(found)]

    def _rounds(self) -> Iterator[list[Key]]:
        """Who is suspected, one list after the other. A proxy that has traffic is to do without as little as
        possible, so of what it took before only settings and rules are tried, and at the very end."""
        everybody = sorted(self._present, key=self._suspicion)
        yield [each for each in everybody if _was_faulty(self._present[each])]
        if self._refused:
            yield [each for each in self._rules() if self._is_new(each)]
            yield [each for each in everybody if self._is_new(each)] if self._good else []
            yield [each for each in everybody if each[0] in _TRUST]
        yield everybody

    def _rules(self) -> list[Key]:
        return sorted((each for each in self._present if each[0] in _RULES), key=self._suspicion)

    def _is_new(self, key: Key) -> bool:
        return not is_same(self._good.get(key), self._present[key])

    def _suspicion(self, key: Key) -> tuple[int, bool, str, Key]:
        """Sort key: who is suspected more stands later."""
        created = str(self._present[key]["metadata"].get("creationTimestamp") or "")
        return _TRUST.get(key[0], 0), self._is_new(key), created, key

    async def _holds_without(self, keys: Set[Key]) -> bool:
        state = self._state.with_others({key: self._former(key) for key in keys})
        offer = self._bench.made_of(state, self._connection)
        trouble = offer.problem
        if self._refused and offer.snapshot is not None and not trouble:
            trouble = await self._bench.answer(self._connection, offer)
        await asyncio.sleep(0)  # each of these takes a while
        self._trouble = trouble or self._trouble
        return not trouble

    def _former(self, key: Key) -> Obj | None:
        former = self._good.get(key)
        return None if is_same(former, self._present[key]) else former

    async def _fault(self, key: Key, found: Set[Key]) -> Fault:
        if len(found) > 1:
            await self._holds_without(found - {key})  # its own trouble, not another one's
        return Fault(key, self._present[key], self._trouble, self._former(key))
