"""Istio's rules for destinations, their weights and the header operations beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import quoted

HEADER_NAME = re.compile(r"[-_A-Za-z0-9]+")
_MOST_WEIGHT = 4294967295
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_WHOLE_VARIABLES = re.compile(r"(?:[^%]|%%|%[A-Z_0-9]+(?:\([^)]*\))?(?::\d+)?%)*")


def check_destinations(routes: Sequence[Given]) -> Iterator[str]:
    """A rule's ``route`` list."""
    for route in routes:
        if not route.get("destination"):
            yield "destination is required"
        yield from header_operations(route.get("headers") or {})
        yield from destination(route.get("destination"))
        weight = int(route.get("weight") or 0)
        if weight < 0:
            yield f"weight {weight} < 0"
    total = sum(int(route.get("weight") or 0) for route in routes)
    if len(routes) > 1 and total == 0:
        yield "total destination weight = 0"
    if total > _MOST_WEIGHT:
        yield f"total destination weight {total} is larger than Envoy takes: {_MOST_WEIGHT}"


def destination(given: Given | None) -> Iterator[str]:
    if not given:
        return
    host = str(given.get("host") or "")
    if host == "*":
        yield f"invalid destination host {host}"
    else:
        yield from common.domain(host, wildcard=True)
    if given.get("subset"):
        yield from subset_name(str(given["subset"]))
    if given.get("port") is not None:
        yield from common.port(given["port"].get("number"))


def subset_name(name: str) -> Iterator[str]:
    if not name:
        yield "subset name cannot be empty"
    elif not common.is_label(name):
        yield f"subset name is invalid: {name}"


def header_operations(headers: Given) -> Iterator[str]:
    """``headers.request`` and ``headers.response``: set, add, remove."""
    request, response = headers.get("request") or {}, headers.get("response") or {}
    for operation in ("add", "set"):
        for name, value in (request.get(operation) or {}).items():
            yield from _request_header(name)
            yield from _value(str(value))
    for name in request.get("remove") or []:
        yield from _header(name)
    for operation in ("add", "set"):
        for name, value in (response.get(operation) or {}).items():
            yield from _header(name)
            yield from _value(str(value))
    for name in response.get("remove") or []:
        yield from _header(name)


def _request_header(name: str) -> Iterator[str]:
    if not name:
        yield "header name cannot be empty"
    elif name.startswith(":") and name.lower() != ":authority":
        yield f'invalid header {quoted(name)}: header cannot have ":" prefix'


def _header(name: str) -> Iterator[str]:
    if not name:
        yield "header name cannot be empty"
    elif name.lower() == "host":
        yield f"invalid header {quoted(name)}: cannot set Host header"
    elif name.startswith(":"):
        yield f'invalid header {quoted(name)}: header cannot have ":" prefix'


def _value(value: str) -> Iterator[str]:
    if _CONTROL.search(value):
        yield f"header value configuration {value} is invalid"
    elif not _WHOLE_VARIABLES.fullmatch(value):
        yield (
            f"header value configuration: invalid header configuration. "
            f"Un-terminated variable expression {quoted(value)}"
        )
