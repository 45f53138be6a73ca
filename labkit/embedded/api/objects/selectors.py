"""``labelSelector`` and ``fieldSelector``: parsed once, then asked of each object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.events import NEW_EVENT, SELECTED_AS
from labkit.embedded.api.request.options import FIELD_TERM
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.integers import unsigned
from labkit.embedded.objects import Obj, labels_of
from labkit.embedded.status import ApiError, bad_request

Predicate = Callable[[Obj], bool]

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|<|>|\(|\)|,)|(?P<word>[^\s=!<>(),]+))")
_OPERATORS = ("=", "==", "!=", "!", "<", ">", "(")


def everything(_: Obj) -> bool:
    return True


@dataclass(frozen=True)
class Selection:
    """Which objects of a collection a request is about."""

    labels: Predicate = everything
    fields: Predicate = everything

    @property
    def is_everything(self) -> bool:
        return self.labels is everything and self.fields is everything

    def matches(self, obj: Obj) -> bool:
        return self.labels(obj) and self.fields(obj)


def selection(kind: ResourceType, query: Mapping[str, str], version: str = "") -> Selection:
    """Of a request's query; ApiError 400 for what can't be parsed or asked of *kind*."""
    return Selection(
        label_selector(query.get("labelSelector", "")),
        field_selector(kind, query.get("fieldSelector", ""), version),
    )


# --- labels


def label_selector(text: str) -> Predicate:
    """A predicate for ``a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1``."""
    if not text.strip():
        return everything
    tests = _LabelParser(text).requirements()

    def matches(obj: Obj) -> bool:
        labels = labels_of(obj)
        return all(test(labels) for test in tests)

    return matches


LabelTest = Callable[[Mapping[str, str]], bool]


class _LabelParser:
    """The grammar of ``k8s.io/apimachinery/pkg/labels``."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group("op") or match.group("word") for match in _TOKEN.finditer(text)]
        self._at = 0

    def requirements(self) -> list[LabelTest]:
        tests = [self._requirement()]
        while self._peek():
            self._separator()
            if self._peek():
                tests.append(self._requirement())
        return tests

    def _separator(self) -> None:
        found = self._next()
        if found != ",":
            raise bad_request(f"found '{found}', expected: ',' or 'end of string'")

    def _requirement(self) -> LabelTest:
        if self._peek() == "!":
            self._next()
            key = self._key()
            return lambda labels: key not in labels
        key, operator = self._key(), self._peek()
        if operator in ("", ","):
            return lambda labels: key in labels
        return self._comparison(key, self._next())

    def _comparison(self, key: str, operator: str) -> LabelTest:
        if operator in ("in", "notin"):
            values = self._values(key)
            wanted = operator == "in"
            return lambda labels: (labels.get(key) in values) is wanted
        if operator in (">", "<"):
            return _ordered(key, operator, self._number(key))
        if operator not in ("=", "==", "!="):
            raise self._error(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        value = self._value(key)
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value

    def _values(self, key: str) -> frozenset[str]:
        self._expect("(")
        values = [self._value(key)]
        while self._peek() == ",":
            self._next()
            values.append(self._value(key, len(values)))
        self._expect(")")
        return frozenset(values)

    def _key(self) -> str:
        key = self._next()
        if wrong := names.qualified_name(key):
            raise self._error(f'<nil>: Invalid value: "{key}": {wrong[0]}')
        return key

    def _value(self, key: str, index: int = 0) -> str:
        value = "" if self._peek() in ("", ",", ")") else self._next()
        if value in _OPERATORS:
            raise self._error(f"found '{value}', expected: identifier")
        if wrong := names.label_value(value):
            raise self._error(f'values[{index}][{key}]: Invalid value: "{value}": {wrong[0]}')
        return value

    def _number(self, key: str) -> int:
        value = self._value(key)
        number = unsigned(value)
        if number is None:
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise self._error(f'values[0]: Invalid value: "{value}": {why}')
        return number

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise self._error(f"found '{found}' expected: '{token}'")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _error(self, why: str) -> Exception:
        return bad_request(f"unable to parse requirement: {why}")


def _ordered(key: str, operator: str, bound: int) -> LabelTest:
    def compares(labels: Mapping[str, str]) -> bool:
        value = unsigned(labels.get(key, ""))
        if value is None:
            return False
        return value > bound if operator == ">" else value < bound

    return compares


# --- fields

_DEFAULTS = {"spec.schedulerName": "default-scheduler"}


def field_selector(kind: ResourceType, text: str, version: str = "") -> Predicate:
    """A predicate for ``metadata.name=a,status.phase!=Running``; 400 for a field *kind* doesn't offer."""
    terms = [_field_term(kind, version, term) for term in text.split(",") if term.strip()]
    if not terms:
        return everything
    return lambda obj: all((_field(obj, path) == value) is equal for path, equal, value in terms)


def _field_term(kind: ResourceType, version: str, term: str) -> tuple[tuple[str, ...], bool, str]:
    match = FIELD_TERM.fullmatch(term)
    if not match:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    name, operator, value = match.groups()
    if kind.name == NEW_EVENT.type.name:
        for new, old in SELECTED_AS.items():
            name = name.replace(new, old)
    fields = catalogue.of(kind, version if kind.custom else "").fields
    if name not in ("metadata.name", "metadata.namespace", *fields):
        raise _unknown_field(kind, name, bool(fields))
    return tuple(name.split(".")), operator != "!=", value.strip()


def _unknown_field(kind: ResourceType, name: str, has_own: bool) -> ApiError:
    """Kinds with fields of their own say it in other words than those without."""
    if has_own and kind.stored_as != "replicasets.apps":
        return bad_request(f"field label not supported: {name}")
    known = '"metadata.name", "metadata.namespace"'
    return bad_request(f'"{name}" is not a known field selector: only {known}')


def _field(obj: Obj, path: tuple[str, ...]) -> str:
    if path == ("source",):
        return str((obj.get("source") or {}).get("component") or obj.get("reportingComponent") or "")
    value: object = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "false" if path[-1] in ("unschedulable", "hostNetwork") else _DEFAULTS.get(".".join(path), "")
    return str(value)
