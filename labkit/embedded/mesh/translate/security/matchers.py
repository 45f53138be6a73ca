"""Matchers of texts, as Istio's security policies write them: ``exact``, ``pre*``, ``*suf``, ``*``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from labkit.embedded.mesh.translate.naming import typed

Matcher = dict[str, Any]
ANYTHING: Matcher = {"safe_regex": {"regex": ".+"}}
TOKEN_FILTER, PAYLOAD = "envoy.filters.http.jwt_authn", "payload"
_URI_TEMPLATE = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def quoted(text: str) -> str:
    """*text* for a regular expression (Go's ``QuoteMeta``)."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def regex(pattern: str) -> Matcher:
    return {"safe_regex": {"regex": pattern}}


def string(value: str, prefix: str = "", *, ignore_case: bool = False) -> Matcher:
    """*value*, where it stands behind *prefix*."""
    if value == "*":
        return ANYTHING
    case = {"ignore_case": True} if ignore_case else {}
    if value.startswith("*"):
        rest = value[1:]
        return regex(f"{prefix}.*{quoted(rest)}") if prefix else {"suffix": rest, **case}
    if value.endswith("*"):
        return {"prefix": prefix + value[:-1], **case}
    return {"exact": prefix + value, **case}


def header(name: str, value: str, *, ignore_case: bool = False) -> Matcher:
    if value == "*":
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string(value, ignore_case=ignore_case)}


def path(value: str) -> Matcher:
    """A permission for a path: a template where *value* has ``{*}`` or ``{**}`` in it."""
    if "{*}" not in value and "{**}" not in value:
        return {"url_path": {"path": string(value)}}
    template = value.replace("{**}", "**").replace("{*}", "*")
    config = typed(_URI_TEMPLATE, path_template=template)
    return {"uri_template": {"name": "uri-template", "typed_config": config}}


def either(matchers: Sequence[Matcher]) -> Matcher:
    """A ``ValueMatcher`` for one of several."""
    return matchers[0] if len(matchers) == 1 else {"or_match": {"value_matchers": list(matchers)}}


def strings(values: Sequence[str]) -> Matcher:
    """A ``ValueMatcher`` for one of *values*."""
    return either([{"string_match": string(each)} for each in values])


def listed(value: Matcher) -> Matcher:
    """A ``ValueMatcher`` for a list with *value* in it."""
    return {"list_match": {"one_of": value}}


def metadata(name: str, keys: Sequence[str], value: Matcher) -> Matcher:
    """A ``MetadataMatcher``: what the filter *name* has noted under *keys*."""
    return {"filter": name, "path": [{"key": each} for each in keys], "value": value}


def claim(keys: Sequence[str], value: Matcher) -> Matcher:
    """A ``MetadataMatcher``: a claim of the request's token that is *value*, or a list with it."""
    return metadata(TOKEN_FILTER, [PAYLOAD, *keys], {"or_match": {"value_matchers": [listed(value), value]}})
