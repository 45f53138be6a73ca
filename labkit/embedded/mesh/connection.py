"""One proxy's stream: who it is, what it was offered, what it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

from labkit.embedded.mesh import unbindable
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.quarantine import objects_by_key
from labkit.embedded.mesh.resources import Key
from labkit.embedded.mesh.xds.conversation import Conversation
from labkit.embedded.mesh.xds.resources import Snapshot
from labkit.embedded.mesh.xds.server import Stream
from labkit.embedded.objects import Obj


@dataclass(frozen=True)
class Offer:
    """What a state of the mesh comes to for one proxy."""

    state: MeshState
    snapshot: Snapshot | None = None
    """None where nothing could be made of the state."""
    problem: str = ""
    """What is wrong with the state, or with a part of the snapshot that had to be left out."""


class Connection:
    """One stream and the proxy behind it."""

    def __init__(self, stream: Stream, conversation: Conversation) -> None:
        self.stream = stream
        self.conversation = conversation
        self.node_id = ""
        self.metadata: Mapping[str, Any] = {}
        self.proxy: Proxy | None = None
        """Set while a live Pod confirms it."""
        self.error = ""
        """Why the proxy has not got the newest snapshot whole, where it is not the proxy that refused."""
        self.is_leaving = False
        """Whether its pod is being deleted: it is still told everything, but nobody waits for it."""
        self.taken: set[unbindable.Address] = set()
        """Addresses it tried to listen on in vain."""
        self.connected_at = time.time()
        self.answered_revision = 0
        """The newest revision the proxy has answered everything of."""
        self.inquiry: asyncio.Task[None] | None = None
        """Runs while it is being found out which objects the proxy can't be told of."""
        self.unexplained = ""
        """The trouble that no object was found to be behind; it is not looked into twice."""
        self._offered: MeshState | None = None
        self._good: MeshState | None = None

    @property
    def short_name(self) -> str:
        """``pod.namespace``."""
        parts = self.node_id.split("~")
        return parts[2] if len(parts) == 4 else self.node_id

    @property
    def refusals(self) -> list[str]:
        """What the proxy said against what it was sent last, each with its type: ``LDS: …``."""
        asked = self.conversation.subscriptions.items()
        return [f"{kind.service}: {each.error}" for kind, each in asked if each.error]

    @property
    def is_settled(self) -> bool:
        """Whether the proxy has answered everything, and nobody is at work to find a better offer."""
        return self.conversation.is_settled and self.inquiry is None

    @property
    def good_objects(self) -> Mapping[Key, Obj]:
        """The objects, as they were when the proxy took everything."""
        return objects_by_key(self._good) if self._good is not None else {}

    def offer(self, offer: Offer, revision: int) -> list[DiscoveryResponse]:
        """Make *offer* what the proxy shall have; what can be sent at once."""
        former, snapshot = self.conversation.target, offer.snapshot
        if snapshot is not None and snapshot.faults and former is not None:
            snapshot = snapshot.holding_on_to(former)
        self._offered = offer.state if not offer.problem else None
        return self.conversation.offer(snapshot, revision)

    def send(self, responses: list[DiscoveryResponse]) -> None:
        """Send them; or, where there is nothing left to be sent or answered, note how far the proxy is."""
        self.stream.send(responses)
        if not self.conversation.is_settled:
            return
        if self._offered is not None and not self.refusals:
            self._good, self.unexplained = self._offered, ""
        if self.inquiry is None:
            self.answered_revision = self.conversation.revision
