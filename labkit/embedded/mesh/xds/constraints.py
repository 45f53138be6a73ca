"""The rules that Envoy's API attaches to its fields (protoc-gen-validate), checked before anything is sent.

Envoy checks them first of all, and refuses a whole answer, with every good resource in it, for one broken
rule. They are read from the descriptors themselves, so they are those of the API version in use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import re2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from validate import validate_pb2

LONGEST = 9223372036
"""Seconds of a duration that Envoy, which counts nanoseconds in 64 bits, takes no more."""
Rules: TypeAlias = Any
"""One of the messages of ``validate.proto``: ``StringRules``, ``DurationRules``, …"""
Broken: TypeAlias = Iterator[str]
Check: TypeAlias = Callable[[Any], Broken]
"""Takes a field's value; yields what is wrong with it."""

_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_HEADER_NAME, _HEADER_VALUE = r"^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$", "^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$"
_LOOSE_HEADER = "^[^\\x00\\x0A\\x0D]*$"


def violation(message: Message) -> str:
    """The first rule that *message*, or anything in it, breaks, behind its field's path; empty if none."""
    return next(_violations(message, ""), "")


def _violations(message: Message, path: str) -> Broken:
    if isinstance(message, AnyMessage):
        inner = unpacked(message)
        if inner is not None:
            yield from _violations(inner, path)
        return
    if isinstance(message, Duration) and abs(message.seconds) >= LONGEST:
        yield f"{path}: a duration has to be shorter than {LONGEST}s"
    for field, check in _checks(message.DESCRIPTOR):
        yield from (f"{_join(path, field)}: {problem}" for problem in check(message))
    for field, value in message.ListFields():
        if field.message_type is not None and not _is_skipped(field):
            for name, each in _messages(field, value):
                yield from _violations(each, _join(path, name))


def unpacked(message: AnyMessage) -> Message | None:
    """What is in it, where its type is known here; Envoy has the last word on all others."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(message.TypeName())
    except KeyError:
        return None
    inner: Message = message_factory.GetMessageClass(descriptor)()
    return inner if message.Unpack(inner) else None


def _messages(field: FieldDescriptor, value: Any) -> Iterator[tuple[str, Message]]:
    if _is_map(field):
        if field.message_type.fields_by_name["value"].message_type is not None:
            yield from ((f"{field.name}[{key}]", value[key]) for key in value)
    elif field.is_repeated:
        yield from ((f"{field.name}[{index}]", each) for index, each in enumerate(value))
    else:
        yield field.name, value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _rules(field: FieldDescriptor) -> Rules:
    return field.GetOptions().Extensions[validate_pb2.rules]


@functools.cache
def _is_skipped(field: FieldDescriptor) -> bool:
    return bool(_rules(field).message.skip)


@functools.cache
def _checks(descriptor: Descriptor) -> list[tuple[str, Check]]:
    """The rules of a message's own fields, ready to be used; many messages have none."""
    options = descriptor.GetOptions()
    if options.Extensions[validate_pb2.disabled] or options.Extensions[validate_pb2.ignored]:
        return []
    found = [(field.name, _of_field(field)) for field in descriptor.fields if _has_rules(field)]
    required = [each for each in descriptor.oneofs if each.GetOptions().Extensions[validate_pb2.required]]
    return found + [(each.name, _one_of(each.name)) for each in required]


def _has_rules(field: FieldDescriptor) -> bool:
    return bool(_rules(field).ByteSize())


def _one_of(name: str) -> Check:
    def check(message: Message) -> Broken:
        if message.WhichOneof(name) is None:
            yield "is required"

    return check


def _of_field(field: FieldDescriptor) -> Check:
    rules = _rules(field)
    kind = rules.WhichOneof("type")
    required = rules.message.required or (kind in ("any", "duration") and getattr(rules, kind).required)
    value_check = _of_value(field, rules)
    required = required and field.containing_oneof is None  # of a choice only what was chosen must be right
    plain = not field.has_presence

    def check(message: Message) -> Broken:
        if plain or message.HasField(field.name):
            yield from value_check(getattr(message, field.name))
        elif required:
            yield "value is required"

    return check


def _of_value(field: FieldDescriptor, rules: Rules) -> Check:
    kind = rules.WhichOneof("type")
    if kind is None:
        return _nothing
    own = getattr(rules, kind)
    if kind == "repeated":
        return functools.partial(_repeated, own, _of_value(field, own.items))
    if kind == "map":
        entry = field.message_type.fields_by_name
        parts = (_of_value(entry["key"], own.keys), _of_value(entry["value"], own.values))
        return functools.partial(_map, own, *parts)
    check = functools.partial(_SCALARS.get(kind, _number), own)
    wrapped = field.message_type is not None and field.message_type.full_name in _WRAPPERS
    return (lambda value: check(value.value)) if wrapped else check


def _nothing(_: Any) -> Broken:
    return iter(())


def _repeated(rules: Rules, of_item: Check, values: Any) -> Broken:
    if rules.ignore_empty and not values:
        return
    if len(values) < rules.min_items:
        yield f"value must contain at least {rules.min_items} item(s)"
    if rules.max_items and len(values) > rules.max_items:
        yield f"value must contain no more than {rules.max_items} item(s)"
    if rules.unique and len({_key(each) for each in values}) < len(values):
        yield "repeated value must contain unique items"
    for value in values:
        yield from of_item(value)


def _key(value: Any) -> Any:
    return value.SerializeToString(deterministic=True) if isinstance(value, Message) else value


def _map(rules: Rules, of_key: Check, of_value: Check, values: Any) -> Broken:
    if len(values) < rules.min_pairs:
        yield f"value must contain at least {rules.min_pairs} pair(s)"
    if rules.max_pairs and len(values) > rules.max_pairs:
        yield f"value must contain no more than {rules.max_pairs} pair(s)"
    for key in values:
        yield from of_key(key)
        yield from of_value(values[key])


_BOUNDS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("gt", "greater than", lambda value, bound: value > bound),
    ("gte", "greater than or equal to", lambda value, bound: value >= bound),
    ("lt", "less than", lambda value, bound: value < bound),
    ("lte", "less than or equal to", lambda value, bound: value <= bound),
)


def _number(rules: Rules, value: Any) -> Broken:
    if getattr(rules, "ignore_empty", False) and not value:
        return
    yield from _bounds(rules, value, lambda bound: bound, str)
    yield from _among(rules, value)


def _bounds(rules: Rules, value: Any, read: Callable[[Any], Any], show: Callable[[Any], str]) -> Broken:
    for name, words, holds in _BOUNDS:
        if rules.HasField(name):
            bound = read(getattr(rules, name))
            if not holds(value, bound):
                yield f"value must be {words} {show(bound)}"


def _among(rules: Rules, value: Any) -> Broken:
    if getattr(rules, "const", None) is not None and rules.HasField("const") and value != rules.const:
        yield f"value must equal {rules.const}"
    if getattr(rules, "in") and value not in getattr(rules, "in"):
        yield f"value must be in list {list(getattr(rules, 'in'))}"
    if rules.not_in and value in rules.not_in:
        yield f"value must not be in list {list(rules.not_in)}"


def _bool(rules: Rules, value: bool) -> Broken:
    if rules.HasField("const") and value != rules.const:
        yield f"value must equal {rules.const}"


def _enum(rules: Rules, value: int) -> Broken:
    yield from _among(rules, value)


def _duration(rules: Rules, value: Duration) -> Broken:
    yield from _bounds(rules, value.ToNanoseconds(), lambda bound: bound.ToNanoseconds(), _seconds)


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:g}s"


def _any(rules: Rules, value: AnyMessage) -> Broken:
    if getattr(rules, "in") and value.type_url not in getattr(rules, "in"):
        yield f"type URL must be in list {list(getattr(rules, 'in'))}"


def _text(rules: Rules, value: str) -> Broken:
    if rules.ignore_empty and not value:
        return
    yield from _lengths(rules, len(value), len(value.encode("utf-8", "surrogatepass")))
    yield from _parts(rules, value)
    yield from _among(rules, value)
    if rules.WhichOneof("well_known") == "well_known_regex":
        yield from _well_known(rules, value)
    if rules.HasField("pattern") and re2.search(rules.pattern, value) is None:
        yield f"value does not match regex pattern {rules.pattern!r}"


def _bytes(rules: Rules, value: bytes) -> Broken:
    if rules.ignore_empty and not value:
        return
    if len(value) < rules.min_len:
        yield f"value length must be at least {rules.min_len} bytes"
    if rules.HasField("max_len") and len(value) > rules.max_len:
        yield f"value length must be at most {rules.max_len} bytes"


def _lengths(rules: Rules, characters: int, size: int) -> Broken:
    if characters < rules.min_len:
        yield f"value length must be at least {rules.min_len} characters"
    if rules.HasField("max_len") and characters > rules.max_len:
        yield f"value length must be at most {rules.max_len} characters"
    if size < rules.min_bytes:
        yield f"value length must be at least {rules.min_bytes} bytes"
    if rules.HasField("max_bytes") and size > rules.max_bytes:
        yield f"value length must be at most {rules.max_bytes} bytes"


def _parts(rules: Rules, value: str) -> Broken:
    if not value.startswith(rules.prefix):
        yield f"value does not have prefix {rules.prefix!r}"
    if not value.endswith(rules.suffix):
        yield f"value does not have suffix {rules.suffix!r}"
    if rules.contains not in value:
        yield f"value does not contain {rules.contains!r}"


def _well_known(rules: Rules, value: str) -> Broken:
    is_name = rules.well_known_regex == validate_pb2.HTTP_HEADER_NAME
    strict = rules.strict if rules.HasField("strict") else True
    pattern = (_HEADER_NAME if is_name else _HEADER_VALUE) if strict else _LOOSE_HEADER
    if re2.search(pattern, value) is None:
        what = "HTTP header name" if is_name else "HTTP header value"
        yield f"value {value!r} is no valid {what}"


_SCALARS: dict[str, Callable[[Rules, Any], Broken]] = {
    "string": _text,
    "bytes": _bytes,
    "bool": _bool,
    "enum": _enum,
    "duration": _duration,
    "any": _any,
    "timestamp": lambda _, value: _nothing(value),
}
