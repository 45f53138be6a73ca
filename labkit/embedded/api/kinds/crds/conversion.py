"""``spec.conversion``: how objects get from one version to another."""

from __future__ import annotations

import base64

from labkit.embedded.api.kinds.common import webhook_clients
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.objects import Obj, condition_of

_NOT_MEANT = "should not be set when strategy is not set to Webhook"
_AT = "spec.conversion"
_CLIENT = f"{_AT}.webhookClientConfig"
"""The field as it is called inside a real server, which is what its messages say."""


def default(spec: Obj) -> None:
    """Without another word the versions share their fields."""
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    service = _client(spec["conversion"]).get("service")
    if service is not None:
        fill(service, port=443)


def validate(causes: Causes, spec: Obj, old: Obj | None) -> None:
    """Of a complete definition; *old* as it was before, if it was."""
    conversion = spec["conversion"]
    strategy = conversion.get("strategy")
    if strategy not in (None, "None") and spec.get("preserveUnknownFields"):
        detail = "must be None if spec.preserveUnknownFields is true"
        causes.invalid(f"{_AT}.strategy", strategy or "", detail)
    causes.one_of(f"{_AT}.strategy", strategy, ("None", "Webhook"))
    hook = conversion.get("webhook") or {}
    if strategy == "Webhook":
        _check_hook(causes, hook, old)
        return
    if hook.get("clientConfig") is not None:
        causes.forbidden(_CLIENT, _NOT_MEANT)
    if hook.get("conversionReviewVersions"):
        causes.forbidden(f"{_AT}.conversionReviewVersions", _NOT_MEANT)


def _check_hook(causes: Causes, hook: Obj, old: Obj | None) -> None:
    client = hook.get("clientConfig")
    if client is None:
        causes.required(_CLIENT, "required when strategy is set to Webhook")
    else:
        _check_client(causes, client, old)
    found = Causes()
    at = f"{_AT}.conversionReviewVersions"
    webhook_clients.check_versions(found, at, hook.get("conversionReviewVersions") or [])
    causes += [each for each in found if each[0] != at or not _has_no_known_version(old)]


def _check_client(causes: Causes, client: Obj, old: Obj | None) -> None:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        causes.required(_CLIENT, "exactly one of url or service is required")
    elif url is not None:
        webhook_clients.check_url(causes, f"{_CLIENT}.url", url)
    elif service is not None:
        webhook_clients.check_service(causes, f"{_CLIENT}.service", service)
    bundle = base64.b64decode(client.get("caBundle") or "")
    if bundle and old is not None and _had_a_sound_bundle(old):
        webhook_clients.check_bundle(causes, f"{_CLIENT}.caBundle", bundle)


def _had_a_sound_bundle(old: Obj) -> bool:
    """Whether an unsound one would make it worse: until it is served, anything may be written down."""
    established = condition_of(old, "Established")
    return established is not None and established["status"] == "True" and has_sound_bundle(old["spec"])


def has_sound_bundle(spec: Obj) -> bool:
    """Whether the webhook can be called; a definition is not served before."""
    bundle = base64.b64decode(_client(spec.get("conversion") or {}).get("caBundle") or "")
    return not bundle or webhook_clients.is_sound(bundle)


def _has_no_known_version(old: Obj | None) -> bool:
    """Whether *old* names versions, and none that anybody speaks: then it may stay so."""
    hook = ((old or {}).get("spec", {}).get("conversion") or {}).get("webhook") or {}
    known = hook.get("conversionReviewVersions") or []
    return bool(known) and set(known).isdisjoint(webhook_clients.REVIEWS)


def _client(conversion: Obj) -> Obj:
    return (conversion.get("webhook") or {}).get("clientConfig") or {}
