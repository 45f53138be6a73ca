"""State-of-the-world xDS with one proxy, as a state machine: requests and snapshots in, responses out.

It does no input or output, so every rule can be tested by hand. The rules:

- At most one response of a type is in flight. What changes meanwhile is merged into the next one.
- A response is sent when its content differs from what was sent last, when names were added to a
  subscription, and to the first request on a stream, whatever version the proxy brings along. Never
  to a plain acknowledgement, never to a rejection (the same again would be rejected again: a loop).
- A request with an old nonce is ignored: the answer to the newer response is on its way.
- Each name asked for is answered: one that does not exist any more with what it was last.
- Endpoints of clusters that are new or changed are sent right behind them: Envoy keeps such a
  cluster warming until it is told its endpoints, even unchanged ones.
- **Make before break.** Listeners and routes wait until the clusters and endpoints sent before them
  are acknowledged; a cluster that is not wanted any more is removed only after the listeners and
  routes without it are acknowledged. So traffic never meets a cluster that is not there.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from labkit.embedded.mesh.xds.resources import Resource, Snapshot, empty
from labkit.embedded.mesh.xds.types import Type

Resources = Mapping[str, Resource]


@dataclass
class Subscription:
    """One type on one stream."""

    names: frozenset[str] = frozenset()
    """What the proxy asked for by name."""
    sent: dict[str, Resource] = field(default_factory=dict)
    """What the proxy has been told, rejected or not."""
    accepted: dict[str, Resource] = field(default_factory=dict)
    """Of a wildcard type: what was told when the proxy rejected nothing last."""
    answering: frozenset[str] = frozenset()
    """Of a type asked for by name: the names in the last response …"""
    rejected: frozenset[str] = frozenset()
    """… and those in rejected ones: none of them is known to be in use, good as they may be."""
    owed: set[str] = field(default_factory=set)
    """Names to answer though nothing changed."""
    is_owed: bool = True
    """Whether the next response is due even with nothing to tell."""
    nonce: str = ""
    version: str = ""
    """Of the last response."""
    acknowledged: str = ""
    """The last version the proxy said it uses."""
    error: str = ""
    """Why it rejected the last response, in Envoy's words."""
    in_flight: bool = False
    sent_at: float = 0.0
    answered_at: float = 0.0

    @property
    def state(self) -> str:
        """As ``istioctl proxy-status`` says it."""
        if not self.nonce:
            return "NOT SENT"
        if self.in_flight:
            return "STALE"
        return "NACK" if self.error else "SYNCED"


class Conversation:
    """What one proxy was told, what it shall be told, and what it said to that."""

    def __init__(self, version: Callable[[], str]) -> None:
        self._version = version
        self._nonces = itertools.count(1)
        self._target: Snapshot | None = None
        self._unanswered: set[str] = set()  # EDS names of new or changed clusters, not sent since
        self._settled: bool | None = None  # None: to be found out
        self.subscriptions: dict[Type, Subscription] = {}
        self.revision = 0
        """The store's revision the newest snapshot was made from."""

    @property
    def target(self) -> Snapshot | None:
        """What the proxy shall come to use."""
        return self._target

    def offer(self, snapshot: Snapshot | None, revision: int) -> list[DiscoveryResponse]:
        """Make *snapshot* the target (``None``: keep the present one); what can be sent at once."""
        self._target = snapshot or self._target
        self.revision = revision
        self._settled = None
        return self._advance()

    def receive(self, request: DiscoveryRequest) -> list[DiscoveryResponse]:
        """Take in one message of the proxy; what can be sent as an answer or because of it."""
        kind = Type.of_url(request.type_url)
        self._settled = None
        if kind is None:
            return []  # a type that is not served: the proxy goes on without
        if kind not in self.subscriptions:
            self._subscribe(kind, request)
        elif request.response_nonce == self.subscriptions[kind].nonce:
            self._answered(kind, request)
        return self._advance()

    @property
    def is_settled(self) -> bool:
        """Whether the proxy has answered everything up to the target."""
        if self._settled is None:
            self._settled = self._is_settled()
        return self._settled

    def _is_settled(self) -> bool:
        if self._target is None or not {Type.CLUSTER, Type.LISTENER} <= set(self.subscriptions):
            return False
        behind = any(self._is_behind(each) for each in self.subscriptions)
        return not behind and not self._endpoints_to_come() and not self._routes_to_come()

    def _subscribe(self, kind: Type, request: DiscoveryRequest) -> None:
        # The version of an earlier stream is no matter: what the proxy really has is not known.
        names = frozenset(request.resource_names)
        self.subscriptions[kind] = Subscription(names=names, owed=set(names))

    def _answered(self, kind: Type, request: DiscoveryRequest) -> None:
        subscription, names = self.subscriptions[kind], frozenset(request.resource_names)
        if subscription.in_flight:
            subscription.in_flight, subscription.answered_at = False, time.time()
            self._judged(subscription, request)
        if kind.is_wildcard:
            return
        subscription.owed |= names - subscription.sent.keys()
        for name in subscription.sent.keys() - names:
            del subscription.sent[name]
        subscription.names = names
        if subscription.rejected and not subscription.rejected & names:
            subscription.rejected, subscription.error = frozenset(), ""  # nobody asks for them any more

    def _judged(self, subscription: Subscription, request: DiscoveryRequest) -> None:
        subscription.error = request.error_detail.message if request.HasField("error_detail") else ""
        if subscription.error:
            subscription.rejected |= subscription.answering
            return
        subscription.acknowledged = subscription.version
        subscription.accepted = subscription.sent
        subscription.rejected -= subscription.answering

    def _advance(self) -> list[DiscoveryResponse]:
        if self._target is None:
            return []
        responses = [*self._push(Type.SECRET), *self._push(Type.CLUSTER), *self._push(Type.ENDPOINT)]
        if not self._endpoints_to_come() and not self._in_flight(Type.CLUSTER, Type.ENDPOINT):
            responses += [*self._push(Type.LISTENER), *self._push(Type.ROUTE)]
        return responses

    def _push(self, kind: Type) -> Iterable[DiscoveryResponse]:
        """The response of *kind* that is due, if one is."""
        subscription = self.subscriptions.get(kind)
        if subscription is None or subscription.in_flight:
            return
        resources = self._wanted(kind)
        due = self._due(kind, resources)
        if due is None:
            return
        if kind is Type.CLUSTER:
            self._expect_endpoints(resources)
        elif kind is Type.ENDPOINT:
            self._unanswered -= due.keys()
        yield self._response(kind, due)

    def _due(self, kind: Type, resources: Resources) -> Resources | None:
        """What a response must hold now; ``None``: there is nothing to send."""
        subscription = self.subscriptions[kind]
        if kind.is_wildcard:
            return resources if subscription.is_owed or resources != subscription.sent else None
        sent, owed = subscription.sent, subscription.owed
        due = {n: each for n, each in resources.items() if n in owed or sent.get(n) != each}
        if kind is Type.ENDPOINT:
            due |= {name: resources[name] for name in self._unanswered & resources.keys()}
        if due:  # Envoy stops at the first bad one: the others in that response have to be told again
            due |= {name: resources[name] for name in subscription.rejected & resources.keys()}
        if kind is Type.SECRET:
            return due or None  # Envoy takes an answer without any for a fault
        return due if due or subscription.is_owed else None

    def _wanted(self, kind: Type) -> Resources:
        """All resources of *kind* the proxy should have at this stage."""
        assert self._target is not None
        target, subscription = self._target.resources[kind], self.subscriptions[kind]
        sent = subscription.sent
        if kind is Type.LISTENER:
            return target
        if kind is Type.CLUSTER:
            in_use = subscription.accepted if subscription.error else sent
            return target if self._routes_are_new() else {**in_use, **target}
        names = self.subscriptions[kind].names
        if kind is Type.ENDPOINT:
            names |= self._unanswered
        if kind is Type.SECRET:  # one that is not there may come yet
            return {name: found for name in names if (found := target.get(name) or sent.get(name))}
        return {name: target.get(name) or sent.get(name) or empty(kind, name) for name in names}

    def _response(self, kind: Type, resources: Resources) -> DiscoveryResponse:
        subscription = self.subscriptions[kind]
        if kind.is_wildcard:
            subscription.sent = dict(resources)
        else:
            subscription.sent.update(resources)
            subscription.answering = frozenset(resources)
        subscription.owed.clear()
        subscription.is_owed, subscription.in_flight = False, True
        subscription.version, subscription.nonce = self._version(), str(next(self._nonces))
        subscription.sent_at = time.time()
        response = DiscoveryResponse(
            version_info=subscription.version, nonce=subscription.nonce, type_url=kind.url
        )
        response.resources.extend(each.message for each in resources.values())
        return response

    def _expect_endpoints(self, clusters: Resources) -> None:
        sent = self.subscriptions[Type.CLUSTER].sent
        changed = (each for name, each in clusters.items() if sent.get(name) != each)
        self._unanswered |= {name for each in changed for name in each.endpoint_names}

    def _in_flight(self, *kinds: Type) -> bool:
        return any(kind in self.subscriptions and self.subscriptions[kind].in_flight for kind in kinds)

    def _is_behind(self, kind: Type) -> bool:
        if self.subscriptions[kind].in_flight:
            return True
        return self._due(kind, self._wanted(kind)) is not None

    def _routes_are_new(self) -> bool:
        """Whether the proxy uses the target's listeners and routes, so that old clusters can go."""
        listeners, routes = (self.subscriptions.get(each) for each in (Type.LISTENER, Type.ROUTE))
        if listeners is None or listeners.error or (routes and routes.error):
            return False
        behind = self._is_behind(Type.LISTENER) or (routes is not None and self._is_behind(Type.ROUTE))
        return not behind and not self._routes_to_come()

    def _endpoints_to_come(self) -> bool:
        """Whether the proxy has yet to be told the endpoints of its new clusters."""
        clusters = self.subscriptions.get(Type.CLUSTER)
        refused = clusters is not None and clusters.error and Type.ENDPOINT not in self.subscriptions
        return bool(self._unanswered) and not refused  # clusters that were refused never ask

    def _routes_to_come(self) -> bool:
        """Whether the proxy has yet to ask for a route configuration its new listeners name."""
        listeners, routes = (self.subscriptions.get(each) for each in (Type.LISTENER, Type.ROUTE))
        if listeners is None or listeners.error:
            return False
        asked = routes.names if routes else frozenset()
        return any(name not in asked for each in listeners.sent.values() for name in each.route_names)
