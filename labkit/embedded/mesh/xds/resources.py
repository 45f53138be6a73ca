"""From a snapshot in JSON form to what goes over the wire, checked before any of it is sent.

What Envoy could not take in (:mod:`.constraints`) is left out and reported; so is a listener whose routes
or clusters are then missing. All the rest goes on.

Turning JSON into protobuf is by far the most expensive step of a push, and most resources are the
same for every proxy and from one push to the next. So each one is compiled once and kept for as
long as some proxy's snapshot holds it; route configurations are kept by virtual host, because one
changed weight changes only one of possibly hundreds.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import EncodeError, Message

from labkit.embedded.mesh.xds.constraints import violation
from labkit.embedded.mesh.xds.moved_ports import placed
from labkit.embedded.mesh.xds.types import Type

_MESSAGES: dict[Type, type[Message]] = {
    Type.CLUSTER: Cluster,
    Type.ENDPOINT: ClusterLoadAssignment,
    Type.LISTENER: Listener,
    Type.ROUTE: RouteConfiguration,
    Type.SECRET: Secret,
}
M = TypeVar("M", bound=Message)
Body: TypeAlias = Mapping[str, Any]
"""A resource, or a part of one, in proto3 JSON form."""


class ResourceError(Exception):
    """A resource that must not be sent; says which one is wrong, and how."""


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
    """Everything one proxy shall be told, consistent."""

    resources: Mapping[Type, Mapping[str, Resource]]
    faults: Mapping[tuple[Type, str], str] = field(default_factory=dict, compare=False)
    """What had to be left out, and why."""

    def holding_on_to(self, former: Snapshot) -> Snapshot:
        """This snapshot, with *former*'s version of what had to be left out, as far as there is one."""
        resources = {kind: dict(found) for kind, found in self.resources.items()}
        for kind, name in self.faults:
            if name in former.resources[kind]:
                resources[kind][name] = former.resources[kind][name]
        for kind, needed in _references_of(resources):
            for name in needed - resources[kind].keys() & former.resources[kind].keys():
                resources[kind][name] = former.resources[kind][name]
        for kind, name, _ in list(_incomplete(resources)):
            del resources[kind][name]
        return Snapshot(resources, self.faults)

    def message(self, kind: Type, name: str) -> Message:
        """One resource as a message, to be read by people."""
        return _MESSAGES[kind].FromString(self.resources[kind][name].value)


def empty(kind: Type, name: str) -> Resource:
    """The answer to a *name* that nobody knows: no endpoints, or no routes."""
    message = (
        ClusterLoadAssignment(cluster_name=name) if kind is Type.ENDPOINT else RouteConfiguration(name=name)
    )
    return Resource(kind, name, message.SerializeToString(deterministic=True))


def _virtual_host(body: Body) -> VirtualHost:
    try:
        return checked(body, VirtualHost())
    except ValueError as error:
        raise ValueError(f"virtual host {body.get('name')}: {error}") from error


T = TypeVar("T")


class _Cache(Generic[T]):
    """What was made from a JSON body, by name and body; what a round did not use is forgotten.

    Bodies are compared, not hashed: Python compares two dictionaries many times faster than it can
    write one out. A name has few variants, nearly always one.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, list[tuple[Body, T]]] = {}
        self._used: dict[Any, list[tuple[Body, T]]] = {}

    def get(self, name: Hashable, body: Body, make: Callable[[], T]) -> T:
        variants = self._used.setdefault(name, [])
        for known, value in variants:
            if known is body or known == body:
                return value
        old = (value for known, value in self._kept.get(name, ()) if known is body or known == body)
        found = next(old, None)
        value = make() if found is None else found
        variants.append((body, value))
        return value

    def end_round(self) -> None:
        self._kept, self._used = self._used, {}


class Compiler:
    """Makes :class:`Snapshot` out of JSON, with a memory from round to round."""

    def __init__(self, lowest_port: int = 1) -> None:
        """*lowest_port*: the lowest that proxies may open (:mod:`.moved_ports`)."""
        self._lowest_port = lowest_port
        self._resources = _Cache[Resource]()
        self._hosts = _Cache[VirtualHost]()

    def compile(self, resources: Mapping[Type, Mapping[str, Body]]) -> Snapshot:
        """The checked snapshot of *resources* (name → proto3 JSON), without those that are wrong."""
        faults: dict[tuple[Type, str], str] = {}
        compiled: dict[Type, dict[str, Resource]] = {kind: {} for kind in Type}
        for kind in Type:
            for name, body in resources.get(kind, {}).items():
                try:
                    compiled[kind][name] = self._resource(kind, name, body)
                except ResourceError as error:
                    faults[kind, name] = str(error)
        for cluster in compiled[Type.CLUSTER].values():
            for name in cluster.endpoint_names - compiled[Type.ENDPOINT].keys():
                compiled[Type.ENDPOINT][name] = empty(Type.ENDPOINT, name)
        for kind, name, problem in list(_incomplete(compiled)):
            faults[kind, name] = problem
            del compiled[kind][name]
        return Snapshot(compiled, faults)

    def end_round(self) -> None:
        """Forget what no snapshot made since the last call used."""
        self._resources.end_round()
        self._hosts.end_round()

    def _resource(self, kind: Type, name: str, body: Body) -> Resource:
        return self._resources.get((kind.service, name), body, lambda: self._compiled(kind, name, body))

    def _compiled(self, kind: Type, name: str, body: Body) -> Resource:
        try:
            message = self._routes(body) if kind is Type.ROUTE else self._placed(kind, body)
            found = message.cluster_name if kind is Type.ENDPOINT else message.name
            if found != name:
                raise ResourceError(f"{kind.service} {name}: calls itself {found!r}")
            return Resource(kind, name, message.SerializeToString(deterministic=True), *_references(message))
        except (ParseError, ImportError, TypeError, ValueError, EncodeError) as error:
            raise ResourceError(f"{kind.service} {name}: {error}") from error

    def _placed(self, kind: Type, body: Body) -> Message:
        has_addresses = kind in (Type.CLUSTER, Type.ENDPOINT, Type.LISTENER)
        return checked(placed(body, self._lowest_port) if has_addresses else body, _MESSAGES[kind]())

    def _routes(self, body: Body) -> RouteConfiguration:
        rest = {key: value for key, value in body.items() if key not in ("virtualHosts", "virtual_hosts")}
        configuration = checked(rest, RouteConfiguration())
        for host in body.get("virtualHosts") or body.get("virtual_hosts") or ():
            known = self._hosts.get(host.get("name"), host, lambda: _virtual_host(host))  # noqa: B023
            configuration.virtual_hosts.append(known)
        return configuration


_Resources: TypeAlias = Mapping[Type, Mapping[str, Resource]]


def _incomplete(resources: _Resources) -> Iterator[tuple[Type, str, str]]:
    """The listeners that Envoy would not accept, or would wait with for ever, and what each one lacks."""
    for listener in resources[Type.LISTENER].values():
        routes = sorted(listener.route_names - resources[Type.ROUTE].keys())
        clusters = sorted(listener.inline_clusters - resources[Type.CLUSTER].keys())
        lacks = [f"asks for the routes {name!r}, which are missing" for name in routes]
        lacks += [f"routes to the cluster {name!r}, which is missing" for name in clusters]
        if lacks:
            yield Type.LISTENER, listener.name, f"LDS {listener.name}: {lacks[0]}"


def _references_of(resources: _Resources) -> Iterator[tuple[Type, frozenset[str]]]:
    """What the listeners and clusters of a snapshot need."""
    for listener in resources[Type.LISTENER].values():
        yield Type.ROUTE, listener.route_names
        yield Type.CLUSTER, listener.inline_clusters
    for cluster in resources[Type.CLUSTER].values():
        yield Type.ENDPOINT, cluster.endpoint_names


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


def parsed(body: Body, message: M) -> M:
    """*message*, filled in from JSON."""
    _load_types(body)
    ParseDict(body, message)
    return message


def checked(body: Body, message: M) -> M:
    """As :func:`parsed`; ValueError where Envoy's own rules forbid it."""
    problem = violation(parsed(body, message))
    if problem:
        raise ValueError(problem)
    return message


def _load_types(body: Any) -> None:
    """Import the generated classes of every ``Any`` in *body*: JSON names them, protobuf must know them."""
    if isinstance(body, dict):
        if "@type" in body:
            load_package(str(body["@type"]).rpartition("/")[2].rpartition(".")[0])
        for value in body.values():
            _load_types(value)
    elif isinstance(body, list):
        for value in body:
            _load_types(value)


@functools.cache
def load_package(name: str) -> None:
    """Import all generated modules of a protobuf package."""
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__):
        if name != "google.protobuf" and module.name.endswith("_pb2"):
            importlib.import_module(f"{name}.{module.name}")
