"""A patch's value, as the message that it stands for; and what merging two messages means to istiod.

Values are written by people: in either spelling of names, with fields of which only one may be set. So both
sides become messages here, and what comes of them is JSON again, in the spelling of the translation.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict, ParseError
from google.protobuf.message import Message

from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.patches import safety
from labkit.embedded.mesh.xds.constraints import violation
from labkit.embedded.mesh.xds.resources import load_package, parsed

MESSAGES: Mapping[str, str] = {
    "LISTENER": "envoy.config.listener.v3.Listener",
    "FILTER_CHAIN": "envoy.config.listener.v3.FilterChain",
    "LISTENER_FILTER": "envoy.config.listener.v3.ListenerFilter",
    "NETWORK_FILTER": "envoy.config.listener.v3.Filter",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "ROUTE_CONFIGURATION": "envoy.config.route.v3.RouteConfiguration",
    "VIRTUAL_HOST": "envoy.config.route.v3.VirtualHost",
    "HTTP_ROUTE": "envoy.config.route.v3.Route",
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
}
"""What a patch is applied to → the message that its value is."""
_TYPE = "@type"


def problem_of(applies_to: str, value: Mapping[str, Any], *, whole: bool) -> str:
    """What is wrong with *value* as such; *whole*: it stands alone, so that nothing may be missing."""
    try:
        message = _message(MESSAGES[applies_to], value)
    except ImportError as error:
        return f"referenced type unknown: {error}"
    except (ParseError, TypeError, ValueError) as error:
        return str(error)
    return violation(message) if whole else ""


def danger_of(applies_to: str, value: Mapping[str, Any]) -> str:
    """Why *value*, a good one, is not put into a proxy; empty where it is."""
    return next(safety.findings(_message(MESSAGES[applies_to], value)), "")


def made(applies_to: str, value: Mapping[str, Any]) -> Resource:
    """A resource, or a part of one, of *value*."""
    found: Resource = safety.tamed(_json(_message(MESSAGES[applies_to], value)))
    return found


def merged(applies_to: str, target: Resource, value: Mapping[str, Any]) -> Resource:
    """*target* with *value* in it: lists grow, messages are merged, all else is overwritten."""
    return _merged(MESSAGES[applies_to], target, made(applies_to, value))


def merged_filter(applies_to: str, target: Resource, value: Mapping[str, Any]) -> Resource:
    """A filter with *value* in it: its configurations are merged as what the filter's own says it is."""
    patch = made(applies_to, value)
    config, more = target.get("typed_config"), patch.get("typed_config")
    if config is None:
        return target
    changed = {**target, "name": patch.get("name") or target["name"]}
    return {**changed, "typed_config": _merged_configs(config, more)} if more else changed


def merged_socket(target: Resource, value: Mapping[str, Any]) -> Resource:
    """A transport socket with *value*, one of the same name, in it."""
    config, more = target.get("typed_config"), value.get("typed_config")
    return {**target, "typed_config": _merged_configs(config, more)} if config and more else target


def _merged_configs(target: Resource, value: Mapping[str, Any]) -> Resource:
    """Two ``Any``; of another type *value* changes nothing."""
    kind = str(target[_TYPE])
    if value.get(_TYPE) != kind:
        return target
    name = kind.rpartition("/")[2]
    own = {key: each for key, each in target.items() if key != _TYPE}
    more = {key: each for key, each in value.items() if key != _TYPE}
    return {_TYPE: kind, **_merged(name, own, more)}


def _merged(kind: str, target: Mapping[str, Any], value: Mapping[str, Any]) -> Resource:
    message = _message(kind, target)
    _merge(message, _message(kind, value))
    return _json(message)


def _message(kind: str, value: Mapping[str, Any]) -> Message:
    load_package(kind.rpartition(".")[0])
    form = descriptor_pool.Default().FindMessageTypeByName(kind)
    return parsed(safety.plain(value), message_factory.GetMessageClass(form)())


def _json(message: Message) -> Resource:
    found: Resource = MessageToDict(message, preserving_proto_field_name=True)
    return found


def _merge(target: Message, patch: Message) -> None:
    for field, value in patch.ListFields():
        if _is_map(field):
            _merge_map(getattr(target, field.name), value, field)
        elif field.is_repeated:
            _grow(getattr(target, field.name), value)
        elif field.message_type is None:
            setattr(target, field.name, value)
        elif field.message_type.full_name == Duration.DESCRIPTOR.full_name:
            getattr(target, field.name).CopyFrom(value)
        else:
            inner = getattr(target, field.name)
            inner.SetInParent()
            _merge(inner, value)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _merge_map(target: Any, patch: Any, field: FieldDescriptor) -> None:
    of_messages = field.message_type.fields_by_name["value"].message_type is not None
    for key in patch:
        if of_messages:
            target[key].CopyFrom(patch[key])
        else:
            target[key] = patch[key]


def _grow(target: MutableSequence[Any], more: Any) -> None:
    target.extend(more)
