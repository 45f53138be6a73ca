"""RequestAuthentications of a workload as Envoy's filter ``jwt_authn``.

A request without a token passes; one with a token that is not good does not. Keys that a policy names only
by where they are have been fetched before (:mod:`labkit.embedded.mesh.security.key_sets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.security.nobodys_key import nobodys_key
from labkit.embedded.mesh.security.request_authentications import JwtRule, key_source
from labkit.embedded.mesh.translate.naming import typed, without_empty
from labkit.embedded.mesh.translate.security.matchers import PAYLOAD, TOKEN_FILTER

Fields = dict[str, Any]
_CONFIG = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
_LISTS = ("permission", "scope")
"""Claims that are lists of words with spaces between them, by OAuth's custom."""
_MISSING: Fields = {"allow_missing": {}}


def token_filter(state: MeshState, proxy: Proxy) -> list[Fields]:
    """The filter; none where no policy knows any token."""
    rules = state.request_authentications.rules_for(proxy.namespace, state.labels_of(proxy))
    if not rules:
        return []
    # At a gateway, what a token says may choose the route.
    providers = {
        f"origins-{number}": _provider(state, rule, clear_route_cache=proxy.kind == "router")
        for number, rule in enumerate(rules)
    }
    required = {"match": {"prefix": "/"}, "requires": _required(list(providers))}
    config = typed(_CONFIG, providers=providers, rules=[required], bypass_cors_preflight=True)
    return [{"name": TOKEN_FILTER, "typed_config": config}]


def _required(providers: Sequence[str]) -> Fields:
    """What token is given must be good: by one provider, or, each at its place, by all of them."""
    each = [_any([{"provider_name": name}, _MISSING]) for name in providers]
    if len(each) == 1:
        return each[0]
    return _any([*({"provider_name": name} for name in providers), {"requires_all": {"requirements": each}}])


def _any(requirements: Sequence[Fields]) -> Fields:
    return {"requires_any": {"requirements": list(requirements)}}


def _provider(state: MeshState, rule: JwtRule, *, clear_route_cache: bool) -> Fields:
    keys = rule.get("jwks") or state.key_sets.get(key_source(rule)) or nobodys_key()
    more = rule.get("spaceDelimitedClaims") or []
    fields = {
        "issuer": rule.get("issuer"),
        "audiences": rule.get("audiences"),
        "local_jwks": {"inline_string": keys},
        "forward": bool(rule.get("forwardOriginalToken")),
        "forward_payload_header": rule.get("outputPayloadToHeader"),
        "payload_in_metadata": PAYLOAD,
        "normalize_payload_in_metadata": {"space_delimited_claims": sorted({*more, *_LISTS})},
        "clear_route_cache": clear_route_cache,
        "claim_to_headers": [
            {"header_name": each["header"], "claim_name": each["claim"]}
            for each in rule.get("outputClaimToHeaders") or []
        ],
        "from_headers": [
            without_empty({"name": each["name"], "value_prefix": each.get("prefix")})
            for each in rule.get("fromHeaders") or []
        ],
        "from_params": rule.get("fromParams"),
        "from_cookies": rule.get("fromCookies"),
    }
    return without_empty(fields)
