"""From a snapshot in JSON form to what goes over the wire, checked whole before any of it is sent.

Turning JSON into protobuf is by far the most expensive step of a push, and most resources are the
same for every proxy and from one push to the next. So each one is compiled once and kept for as
long as some proxy's snapshot holds it; route configurations are kept by virtual host, because one
changed weight changes only one of possibly hundreds.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from labkit.embedded.mesh.xds.types import Type

_MESSAGES: dict[Type, type[Message]] = {
    Type.CLUSTER: Cluster,
    Type.ENDPOINT: ClusterLoadAssignment,
    Type.LISTENER: Listener,
    Type.ROUTE: RouteConfiguration,
}
_ANY_TYPE = re.compile(r'"@type": ?"type\.googleapis\.com/([\w.]+)\.\w+"')
_loaded = {"google.protobuf"}


class SnapshotError(Exception):
    """A snapshot that must not be published; says which resource is wrong and how."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, ready to be sent."""

    type: Type
    name: str
    value: bytes
    """The serialized message: two resources are the same if these bytes are."""
    endpoint_names: frozenset[str] = field(default=frozenset(), compare=False)
    """The endpoints a cluster asks for."""
    route_names: frozenset[str] = field(default=frozenset(), compare=False)
    """The route configurations a listener asks for."""
    inline_clusters: frozenset[str] = field(default=frozenset(), compare=False)
    """The clusters that routes written into a listener name; Envoy insists that they exist."""

    @property
    def message(self) -> AnyMessage:
        """As it stands in a response."""
        return AnyMessage(type_url=self.type.url, value=self.value)


@dataclass(frozen=True)
class Snapshot:
    """Everything one proxy shall be told, complete and consistent."""

    resources: Mapping[Type, Mapping[str, Resource]]

    def message(self, kind: Type, name: str) -> Message:
        """One resource as a message, to be read by people."""
        return _MESSAGES[kind].FromString(self.resources[kind][name].value)


def empty(kind: Type, name: str) -> Resource:
    """The answer to a *name* that nobody knows: no endpoints, or no routes."""
    message = (
        ClusterLoadAssignment(cluster_name=name) if kind is Type.ENDPOINT else RouteConfiguration(name=name)
    )
    return Resource(kind, name, message.SerializeToString(deterministic=True))


T = TypeVar("T")


class _Cache(Generic[T]):
    """Values by the digest of what they were made from; what a round did not use is forgotten."""

    def __init__(self) -> None:
        self._kept: dict[bytes, T] = {}
        self._used: dict[bytes, T] = {}

    def get(self, key: bytes) -> T | None:
        value = self._used.get(key) or self._kept.get(key)
        if value is not None:
            self._used[key] = value
        return value

    def put(self, key: bytes, value: T) -> T:
        self._used[key] = value
        return value

    def end_round(self) -> None:
        self._kept, self._used = self._used, {}


class Compiler:
    """Makes :class:`Snapshot` out of JSON, with a memory from round to round."""

    def __init__(self) -> None:
        self._resources = _Cache[Resource]()
        self._hosts = _Cache[VirtualHost]()

    def compile(self, resources: Mapping[Type, Mapping[str, Mapping[str, Any]]]) -> Snapshot:
        """The checked snapshot of *resources* (name → proto3 JSON); SnapshotError if it is wrong."""
        compiled = {
            kind: {name: self._resource(kind, name, body) for name, body in resources[kind].items()}
            for kind in Type
        }
        for cluster in compiled[Type.CLUSTER].values():
            for name in cluster.endpoint_names - compiled[Type.ENDPOINT].keys():
                compiled[Type.ENDPOINT][name] = empty(Type.ENDPOINT, name)
        _check(compiled)
        return Snapshot(compiled)

    def end_round(self) -> None:
        """Forget what no snapshot made since the last call used."""
        self._resources.end_round()
        self._hosts.end_round()

    def _resource(self, kind: Type, name: str, body: Mapping[str, Any]) -> Resource:
        text = json.dumps(body)
        key = blake2b(f"{kind.name} {name} {text}".encode(), digest_size=16).digest()
        return self._resources.get(key) or self._resources.put(key, self._compiled(kind, name, body, text))

    def _compiled(self, kind: Type, name: str, body: Mapping[str, Any], text: str) -> Resource:
        try:
            _load_types(text)
            message = self._routes(body) if kind is Type.ROUTE else ParseDict(body, _MESSAGES[kind]())
            found = message.cluster_name if kind is Type.ENDPOINT else message.name
            if found != name:
                raise SnapshotError(f"{kind.service} {name}: calls itself {found!r}")
            return Resource(kind, name, message.SerializeToString(deterministic=True), *_references(message))
        except (ParseError, ImportError, TypeError, ValueError) as error:
            raise SnapshotError(f"{kind.service} {name}: {error}") from error

    def _routes(self, body: Mapping[str, Any]) -> RouteConfiguration:
        rest = {key: value for key, value in body.items() if key not in ("virtualHosts", "virtual_hosts")}
        configuration = ParseDict(rest, RouteConfiguration())
        for host in body.get("virtualHosts") or body.get("virtual_hosts") or ():
            configuration.virtual_hosts.append(self._host(host))
        return configuration

    def _host(self, body: Mapping[str, Any]) -> VirtualHost:
        key = blake2b(json.dumps(body).encode(), digest_size=16).digest()
        return self._hosts.get(key) or self._hosts.put(key, ParseDict(body, VirtualHost()))


def _check(resources: Mapping[Type, Mapping[str, Resource]]) -> None:
    """That whatever a listener needs to be accepted is there."""
    for listener in resources[Type.LISTENER].values():
        for name in sorted(listener.route_names - resources[Type.ROUTE].keys()):
            raise SnapshotError(f"LDS {listener.name}: asks for the routes {name!r}, which are missing")
        for name in sorted(listener.inline_clusters - resources[Type.CLUSTER].keys()):
            raise SnapshotError(f"LDS {listener.name}: routes to the cluster {name!r}, which is missing")


def _references(message: Message) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The names of endpoints, route configurations and clusters that *message* can't do without."""
    if isinstance(message, Cluster):
        is_eds = message.WhichOneof("cluster_discovery_type") == "type" and message.type == Cluster.EDS
        name = message.eds_cluster_config.service_name or message.name
        return frozenset([name] if is_eds else ()), frozenset(), frozenset()
    managers = list(_connection_managers(message)) if isinstance(message, Listener) else []
    routes = frozenset(each.rds.route_config_name for each in managers if each.HasField("rds"))
    inline = (each.route_config for each in managers if each.HasField("route_config"))
    return frozenset(), routes, frozenset(name for each in inline for name in _clusters_of(each))


def _connection_managers(listener: Listener) -> Iterator[HttpConnectionManager]:
    for chain in (*listener.filter_chains, listener.default_filter_chain):
        for each in chain.filters:
            manager = HttpConnectionManager()
            if each.typed_config.Unpack(manager):
                yield manager


def _clusters_of(configuration: RouteConfiguration) -> Iterator[str]:
    for route in (route for host in configuration.virtual_hosts for route in host.routes):
        yield from _destinations(route)


def _destinations(route: Route) -> Iterator[str]:
    if route.route.cluster:
        yield route.route.cluster
    yield from (each.name for each in route.route.weighted_clusters.clusters)


def _load_types(text: str) -> None:
    """Import the generated classes of every ``Any`` in *text*: JSON names them, protobuf must know them."""
    for package in set(_ANY_TYPE.findall(text)) - _loaded:
        found = importlib.import_module(package)
        for module in pkgutil.iter_modules(found.__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{package}.{module.name}")
        _loaded.add(package)
