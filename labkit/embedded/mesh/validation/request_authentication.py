"""Istio's rules for a RequestAuthentication."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from labkit.embedded.mesh.validation import common, policy_targets
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.destinations import HEADER_NAME
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj

_PRIVATE = ("d", "k")
"""Members of a JSON Web Key that only its owner has."""


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    policy_targets.check(spec, report)
    for rule in spec.get("jwtRules") or []:
        report.errors_from(_rule(rule or {}))
        for number, key in enumerate(_keys(rule or {})):
            if any(each in key for each in _PRIVATE):
                report.warning(
                    f"jwks key at index {number} contains private key material; "
                    "only public keys are used for verification"
                )


def _keys(rule: Given) -> list[Given]:
    """The keys of ``jwks``; none where it is none."""
    try:
        found = json.loads(rule.get("jwks") or "{}")
    except ValueError:
        return []
    keys = found.get("keys", [found] if found else []) if isinstance(found, dict) else []
    return [each for each in keys if isinstance(each, dict)]


def _rule(rule: Given) -> Iterator[str]:
    if "" in (rule.get("audiences") or []):
        yield "audience must be non-empty string"
    if not rule.get("issuer") and not rule.get("jwksUri"):
        yield "issuer or jwksUri must be non-empty string"
    if rule.get("jwksUri"):
        yield from _uri(str(rule["jwksUri"]))
    if rule.get("jwks"):
        yield from _key_set(rule)
    yield from _places(rule)
    yield from _outputs(rule)
    yield from common.duration(rule.get("timeout"))


def _uri(uri: str) -> Iterator[str]:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - it is here that a bad one is found
    except ValueError as error:
        yield f"parse {json.dumps(uri)}: {error}"
        return
    if parts.scheme not in ("http", "https"):
        yield f"URI scheme {json.dumps(parts.scheme)} is not supported"


def _key_set(rule: Given) -> Iterator[str]:
    try:
        json.loads(str(rule["jwks"]))
    except ValueError as error:
        yield f"jwks parse error: {error}"
        return
    keys = _keys(rule)
    if not keys or any("kty" not in each for each in keys):
        yield "jwks parse error: failed to unmarshal JWK set: no keys of a known type (kty) in it"


def _places(rule: Given) -> Iterator[str]:
    for location in rule.get("fromHeaders") or []:
        if not (location or {}).get("name"):
            yield "location header name must be non-empty string"
    if "" in (rule.get("fromParams") or []):
        yield "location query must be non-empty string"
    if "" in (rule.get("fromCookies") or []):
        yield "cookie name must be non-empty string"


def _outputs(rule: Given) -> Iterator[str]:
    for each in rule.get("outputClaimToHeaders") or []:
        header, claim = (each or {}).get("header"), (each or {}).get("claim")
        if not header or not claim:
            yield "outputClaimToHeaders header and claim value must be non-empty string"
        elif not HEADER_NAME.fullmatch(header):
            yield f"header name {header} is not a valid header name"
