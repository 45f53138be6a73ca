"""Where others find the key that tokens of ServiceAccounts are signed with (OpenID Connect Discovery).

Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
"""

from __future__ import annotations

from aiohttp import web

from labkit.embedded.api.access.keys import ISSUER, SigningKey
from labkit.embedded.api.request import responses
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.objects import Obj

_CONFIGURATION, _KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
_FOR_AN_HOUR = "public, max-age=3600"


def document(request: web.BaseRequest, path: str, key: SigningKey) -> web.Response | None:
    """The document at *path*, if it is one of the two; ApiError 405."""
    if path == _CONFIGURATION:
        return _answer(request, _configuration(request.host, key), "application/json")
    if path == _KEYS:
        return _answer(request, key.jwks, "application/jwk-set+json")
    return None


def _configuration(address: str, key: SigningKey) -> Obj:
    return {
        "issuer": ISSUER,
        "jwks_uri": f"https://{address}{_KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [each["alg"] for each in key.jwks["keys"]],
    }


def _answer(request: web.BaseRequest, value: Obj, content_type: str) -> web.Response:
    if request.method != "GET":
        raise not_allowed()
    headers = {"Content-Type": content_type, "Cache-Control": _FOR_AN_HOUR}
    return web.Response(body=responses.encode(value), headers=headers)
