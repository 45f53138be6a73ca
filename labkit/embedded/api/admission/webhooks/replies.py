"""What a webhook's reply comes to: a patch and warnings, or a refusal in the real server's words."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from labkit.embedded.api.admission.webhooks.journal import Reply
from labkit.embedded.api.admission.webhooks.matching import Hook
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

_REVIEW = "admission.k8s.io/v1, Kind=AdmissionReview"


class HookFailed(Exception):  # noqa: N818 - named as what it tells
    """The webhook has not answered, or nothing that is an answer: its failure policy decides."""


def failed(hook: Hook, why: str) -> ApiError:
    """500, where a write may not go on without *hook*."""
    message = f'Internal error occurred: failed calling webhook "{hook.name}": {why}'
    return ApiError(500, "InternalError", message, {"causes": [{"message": message.partition(": ")[2]}]})


def verified(reply: Reply, *, mutating: bool) -> Obj:
    """The AdmissionResponse; :class:`HookFailed`."""
    if reply.failure:
        raise HookFailed(f"failed to call webhook: {reply.failure}")
    if fault := _fault(reply, mutating):
        raise HookFailed(f"received invalid webhook response: {fault}")
    response: Obj = reply.review["response"]
    return response


def _fault(reply: Reply, mutating: bool) -> str:
    review = reply.review
    response = review.get("response")
    if not isinstance(response, dict):
        return "webhook response was absent"
    if response.get("uid", "") != reply.uid and review.get("apiVersion") != "admission.k8s.io/v1beta1":
        return f'expected response.uid="{reply.uid}", got "{response.get("uid", "")}"'
    if review.get("kind") != "AdmissionReview" or not str(review.get("apiVersion")).startswith(
        "admission.k8s.io/"
    ):
        group, _, version = str(review.get("apiVersion", "")).rpartition("/")
        return f"expected webhook response of {_REVIEW}, got {group}/{version}, Kind={review.get('kind', '')}"
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating and (patch or kind):
        return f"validating webhook may not return response.{'patch' if patch else 'patchType'}"
    if patch and not kind and review.get("apiVersion") == "admission.k8s.io/v1":
        return "webhook returned response.patch but not response.patchType"
    return "webhook returned response.patchType but not response.patch" if kind and not patch else ""


def refusal(hook: Hook, response: Obj) -> ApiError | None:
    """What a client is told where *hook* does not allow the write."""
    if response.get("allowed") is True:
        return None
    status: dict[str, Any] = response.get("status") or {}
    said = status.get("message") or status.get("reason")
    denied = f'admission webhook "{hook.name}" denied the request'
    code = status.get("code") or 0
    return ApiError(
        code if code >= 400 else 400,
        status.get("reason") or "",
        f"{denied}: {said}" if said else f"{denied} without explanation",
        status.get("details"),
    )


def patched(obj: Obj, response: Obj) -> Obj:
    """*obj* as the response's JSON patch changes it; :class:`HookFailed`, ApiError 500 if it does not fit."""
    import jsonpatch

    if not response.get("patch"):
        return obj
    if response.get("patchType", "JSONPatch") != "JSONPatch":
        raise HookFailed(f'unsupported patch type "{response["patchType"]}"')
    try:
        operations = json.loads(base64.b64decode(response["patch"], validate=True))
        patch = jsonpatch.JsonPatch(operations)
    except (ValueError, TypeError, binascii.Error, jsonpatch.InvalidJsonPatch) as error:
        raise HookFailed(f"received undecodable patch in webhook response: {error}") from error
    try:
        changed = patch.apply(obj)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, LookupError, TypeError) as error:
        raise ApiError(500, "InternalError", f"Internal error occurred: {error}") from error
    if not isinstance(changed, dict) or not isinstance(changed.get("metadata"), dict):
        raise ApiError(500, "InternalError", "Internal error occurred: the patch leaves no object")
    return changed
