"""What a line of the access log consists of: Envoy's format strings, read.

A text format is literals with operators between them (``%RESPONSE_CODE%``, ``%REQ(USER-AGENT)%``); a JSON
format says which key has which operator. An operator that Istio's own formats have gives the column
they call it by, any other a column named after itself (``%REQ(X-B3-TRACEID)%`` → ``req_x_b3_traceid``).
Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.traffic.access_log.columns import FIELDS
from labkit.traffic.access_log.line_pattern import Field, LinePattern, Token

_OPERATOR = re.compile(r"%%|%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::\d+)?%")

_COLUMNS = {
    "REQ(:METHOD)": "method",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)": "path",
    "REQ(:PATH)": "path",
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": "upstream_service_time",
    "REQ(X-FORWARDED-FOR)": "x_forwarded_for",
    "REQ(USER-AGENT)": "user_agent",
    "REQ(X-REQUEST-ID)": "request_id",
    "REQ(:AUTHORITY)": "authority",
    "REQ(X-ENVOY-ORIGINAL-HOST?:AUTHORITY)": "authority",
    "UPSTREAM_CLUSTER_RAW": "upstream_cluster",
    "DYNAMIC_METADATA(istio.mixer:status)": "istio_policy_status",
}
"""Operators whose column is not their own name in small letters."""

_PLAIN = {"x_forwarded_for", "request_id", "authority", "method", "requested_server_name"}
"""Headers that have no quote in them unless a client means mischief."""


class TextFormat:
    """A format of the text encoding."""

    def __init__(self, text: str) -> None:
        self.tokens = tuple(_tokens(text.rstrip("\r\n")))
        self.fields = tuple(token for token in self.tokens if isinstance(token, Field))
        self.quotes = sum(token.count('"') for token in self.tokens if isinstance(token, str))

    @functools.cached_property
    def usual(self) -> LinePattern:
        """A line whose free fields hold what they like, the others neither blanks nor quotes."""
        return LinePattern(self.tokens)

    @functools.cached_property
    def any_quotes(self) -> LinePattern:
        """A line with quotes wherever something is quoted: where each value ends is a guess."""
        return LinePattern(self.tokens, quoted_are_free=True)


class JsonFormat:
    """A format of the JSON encoding: ``keys`` maps a key (a nested one as ``a.b``) to its field."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.keys = dict(_keys(given))

    def field(self, key: str) -> Field:
        """The field of *key*; of one the format does not know, its own name."""
        return self.keys.get(key) or Field(key)

    @functools.cached_property
    def tells_an_access_log(self) -> frozenset[str]:
        """Keys of which an object has one if it is an access-log line."""
        times = {key for key, field in self.keys.items() if field.column == "start_time"}
        return frozenset(times or {key for key, field in self.keys.items() if field.column in FIELDS})


Format = TextFormat | JsonFormat


def of_mesh(settings: Mapping[str, Any]) -> list[Format]:
    """The formats that a MeshConfig names: the mesh's own, and its providers' (which Telemetry chooses)."""
    is_json = settings.get("accessLogEncoding") == "JSON"
    found = [_given(settings.get("accessLogFormat"), is_json=is_json)]
    for provider in settings.get("extensionProviders") or []:
        chosen = (provider.get("envoyFileAccessLog") or {}).get("logFormat") or {}
        found += [_given(chosen.get("text")), JsonFormat(chosen["labels"]) if chosen.get("labels") else None]
    return [each for each in found if each is not None]


def _given(text: str | None, *, is_json: bool = False) -> Format | None:
    """One format; None where it is empty, or no object in JSON: istiod then takes its own."""
    if not text or not is_json:
        return TextFormat(text) if text else None
    try:
        given = json.loads(text)
    except ValueError:
        return None
    return JsonFormat(given) if isinstance(given, dict) else None


def _tokens(text: str) -> Iterator[Token]:
    at, literal = 0, ""
    taken: set[str] = set()
    for found in _OPERATOR.finditer(text):
        literal += text[at : found.start()]
        at = found.end()
        if found[0] == "%%":
            literal += "%"
            continue
        if literal:
            yield literal
        literal = ""
        field = _field(found[1], found[2])
        yield _only_once(field, taken)
    if literal + text[at:]:
        yield literal + text[at:]


def _only_once(field: Field, taken: set[str]) -> Field:
    """*field* under a column of its own, where a format has its operator twice."""
    column, n = field.column, 1
    while column in taken:
        n += 1
        column = f"{field.column}_{n}"
    taken.add(column)
    return Field(column, field.form, field.is_free)


def _field(operator: str, argument: str | None) -> Field:
    if operator == "START_TIME":
        return Field("start_time", argument or "", is_free=" " in (argument or ""))
    written = f"{operator}({argument})" if argument is not None else operator
    column = _COLUMNS.get(written) or re.sub(r"[^a-z0-9]+", "_", written.lower()).strip("_")
    is_given = argument is not None or operator in ("ROUTE_NAME", "UPSTREAM_TRANSPORT_FAILURE_REASON")
    is_known_number = column == "upstream_service_time"
    return Field(column, is_free=is_given and column not in _PLAIN and not is_known_number)


def _keys(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            tokens = list(_tokens(value))
            alone = len(tokens) == 1 and isinstance(tokens[0], Field)
            column = tokens[0] if alone else Field(prefix + key)
            # A key that its writer has named keeps that name, unless Istio has a column for its operator.
            known = isinstance(column, Field) and column.column in FIELDS
            yield prefix + key, column if known and isinstance(column, Field) else Field(prefix + key)


_REQUEST = '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
_SIZES = "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
_HEADERS = '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" '
_WAY = (
    '"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME%"
)
_REASON, _POLICY = '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" ', '"%DYNAMIC_METADATA(istio.mixer:status)%" '
_DETAILS = "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "

ISTIO_TEXT = TextFormat(
    f"{_REQUEST}%RESPONSE_FLAGS% {_DETAILS}{_REASON}{_SIZES}{_HEADERS}{_WAY} %ROUTE_NAME%"
)
"""Istio's text format since 1.9."""

ISTIO_JSON = JsonFormat({name: f"%{name.upper()}%" for name in FIELDS})
"""Istio's JSON format: its keys are the columns."""

OLDER_TEXT = (
    TextFormat(f"{_REQUEST}%RESPONSE_FLAGS% {_POLICY}{_REASON}{_SIZES}{_HEADERS}{_WAY} %ROUTE_NAME%"),
    TextFormat(f"{_REQUEST}%RESPONSE_FLAGS% {_REASON}{_SIZES}{_HEADERS}{_WAY} %ROUTE_NAME%"),
    TextFormat(f"{_REQUEST}%RESPONSE_FLAGS% {_POLICY}{_REASON}{_SIZES}{_HEADERS}{_WAY}"),
    TextFormat(f"{_REQUEST}%RESPONSE_FLAGS% {_POLICY}{_SIZES}{_HEADERS}{_WAY}"),
)
"""Istio 1.4 to 1.7, 1.8, and before."""
