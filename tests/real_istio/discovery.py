"""Ask a control plane what it tells a proxy: ADS, one answer for each type, in JSON form."""

import json
import queue
from dataclasses import dataclass

import grpc
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from labkit.embedded.mesh.xds.resources import load_package, parsed
from labkit.embedded.mesh.xds.types import Type

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
ANY = "google.protobuf.Any"
MESSAGES = {
    Type.CLUSTER: Cluster,
    Type.ENDPOINT: ClusterLoadAssignment,
    Type.LISTENER: Listener,
    Type.ROUTE: RouteConfiguration,
}


@dataclass(frozen=True)
class Istiod:
    """A control plane that listens."""

    address: str

    def tells(self, node):
        """Type → name → resource, for the proxy that says it is *node*."""
        with grpc.insecure_channel(self.address) as channel:
            call = channel.stream_stream(
                METHOD, DiscoveryRequest.SerializeToString, DiscoveryResponse.FromString
            )
            requests = queue.Queue()
            answers = call(iter(requests.get, None), timeout=30)
            try:
                return _Conversation(node, requests, answers).all()
            finally:
                requests.put(None)


class _Conversation:
    def __init__(self, node, requests, answers):
        self._node, self._requests, self._answers = node, requests, answers

    def all(self):
        clusters = self._ask(Type.CLUSTER)
        filled = [each for each in clusters.values() if each.get("type") == "EDS"]
        endpoints = self._ask(Type.ENDPOINT, [each["edsClusterConfig"]["serviceName"] for each in filled])
        listeners = self._ask(Type.LISTENER)
        routes = self._ask(Type.ROUTE, sorted(set(_found(listeners, "routeConfigName"))))
        return {
            Type.CLUSTER: clusters,
            Type.ENDPOINT: endpoints,
            Type.LISTENER: listeners,
            Type.ROUTE: routes,
        }

    def _ask(self, kind, names=()):
        if not names and not kind.is_wildcard:
            return {}
        request = DiscoveryRequest(type_url=kind.url, resource_names=names)
        ParseDict(self._node, request.node)
        self._requests.put(request)
        answer = next(each for each in self._answers if each.type_url == kind.url)
        ack = DiscoveryRequest(type_url=kind.url, resource_names=names, version_info=answer.version_info)
        ack.response_nonce = answer.nonce
        self._requests.put(ack)
        found = [_parsed(kind, each.value) for each in answer.resources]
        return {each.get("name") or each["clusterName"]: each for each in found}


def _found(value, key):
    """Every text under *key*, at any depth."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from [each] if name == key else _found(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _found(each, key)


def _parsed(kind, data):
    return to_json(MESSAGES[kind].FromString(data))


def of_ours(kind, resource):
    """A resource of our translation in the same form."""
    return to_json(parsed(json.loads(json.dumps(resource, default=dict)), MESSAGES[kind]()))


def to_json(message):
    """*message* as JSON; of extensions whose form is not known here only the name."""
    _tame(message)
    return MessageToDict(message)


def _tame(message):
    if message.DESCRIPTOR.full_name == ANY:
        message.Pack(_unpacked(message))
        return
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        for each in _values(field, value):
            _tame(each)


def _values(field, value):
    if field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return value.values() if inner.type == FieldDescriptor.TYPE_MESSAGE else []
    return value if field.is_repeated else [value]


def _unpacked(packed):
    name = packed.type_url.rpartition("/")[2]
    try:
        load_package(name.rpartition(".")[0])
        form = descriptor_pool.Default().FindMessageTypeByName(name)
    except (ImportError, KeyError):
        unknown = Struct()
        unknown["unknown"] = name
        return unknown
    message = message_factory.GetMessageClass(form)()
    message.ParseFromString(packed.value)
    _tame(message)
    return message
