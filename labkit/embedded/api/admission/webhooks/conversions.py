"""ConversionReviews: what a conversion webhook is asked, and what its reply comes to.

Source: ``pkg/apiserver/conversion/webhook_converter.go`` of k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from labkit.embedded.api.admission.webhooks.journal import Reply
from labkit.embedded.api.kinds.common import meta
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.webhook_clients import REVIEWS
from labkit.embedded.api.types import golang
from labkit.embedded.objects import Obj, name_of, namespace_of, uid_of
from labkit.embedded.status import ApiError

_GROUP = "apiextensions.k8s.io"
_FREE = ("labels", "annotations")
"""All of an object's metadata that its webhook may change."""


class ConversionFailed(Exception):  # noqa: N818 - named as what it tells
    """There is no converted object; how, in the words that follow the name of its kind."""


def review(uid: str, hook: Obj, api_version: str, objects: Sequence[Obj]) -> Obj:
    """The question, in the first version of it that both sides speak."""
    version = next(each for each in hook["conversionReviewVersions"] if each in REVIEWS)
    request = {"uid": uid, "desiredAPIVersion": api_version, "objects": list(objects)}
    return {"kind": "ConversionReview", "apiVersion": f"{_GROUP}/{version}", "request": request}


def failed(obj: Obj, why: str) -> ApiError:
    """500, for who asked for *obj*; *why* goes on from the kind's name."""
    group, _, version = obj["apiVersion"].rpartition("/")
    return ApiError(500, "", f"conversion webhook for {group}/{version}, Kind={obj['kind']} {why}")


def results(reply: Reply, objects: Sequence[Obj], api_version: str) -> Iterable[Obj | ApiError]:
    """What has become of each of *objects*."""
    try:
        made = _converted(reply, len(objects))
    except ConversionFailed as error:
        return [failed(each, str(error)) for each in objects]
    return [_result(obj, new, api_version) for obj, new in zip(objects, made, strict=True)]


def _converted(reply: Reply, wanted: int) -> list[Any]:
    if reply.failure:
        raise ConversionFailed(f"failed: {reply.failure}")
    response = reply.review.get("response")
    if fault := _fault(reply, response):
        raise ConversionFailed(f"failed: {fault}")
    found: list[Any] = response.get("convertedObjects") or []
    if len(found) != wanted:
        raise ConversionFailed(f"returned {len(found)} objects, expected {wanted}")
    return found


def _fault(reply: Reply, response: Any) -> str:
    api_version, kind = reply.review.get("apiVersion", ""), reply.review.get("kind", "")
    is_strict = api_version != f"{_GROUP}/v1beta1"  # which is taken as it comes
    if is_strict and (api_version, kind) != (f"{_GROUP}/v1", "ConversionReview"):
        group, _, version = str(api_version).rpartition("/")
        wanted = f"{_GROUP}/v1, Kind=ConversionReview"
        return f"expected webhook response of {wanted}, got {group}/{version}, Kind={kind}"
    if not isinstance(response, dict):
        return "no response provided"
    if is_strict and response.get("uid", "") != reply.uid:
        return f'expected response.uid="{reply.uid}", got "{response.get("uid", "")}"'
    result = response.get("result") or {}
    if result.get("status") == "Success":
        return ""
    said: str = result.get("message") or ""
    return said or f"response.result.status was '{result.get('status') or ''}', not 'Success'"


def _result(obj: Obj, made: Any, api_version: str) -> Obj | ApiError:
    if not isinstance(made, dict):
        return failed(obj, "returned invalid object at index 0: it is no object")
    try:
        _check_type(obj, made, api_version)
        _check_identity(obj, made)
        return {**made, "metadata": _metadata(obj, made)}
    except ConversionFailed as error:
        return failed(obj, str(error))


def _check_type(obj: Obj, made: Obj, api_version: str) -> None:
    for what, wanted, found in (
        ("groupVersion", api_version, made.get("apiVersion", "")),
        ("kind", obj["kind"], made.get("kind", "")),
    ):
        if wanted != found:
            detail = f"invalid {what} (expected {wanted}, received {found})"
            raise ConversionFailed(f"returned invalid object at index 0: {detail}")


def _check_identity(obj: Obj, made: Obj) -> None:
    seen = made if isinstance(made.get("metadata"), dict) else {}
    for what, of in (("name", name_of), ("namespace", namespace_of), ("UID", uid_of)):
        if of(obj) != of(seen):
            detail = f"must have the same {what}: {of(obj)} != {of(seen)}"
            raise ConversionFailed(f"returned invalid object: {detail}")


def _metadata(obj: Obj, made: Obj) -> Obj:
    """The object's own, but for labels and annotations."""
    kept = {key: each for key, each in obj["metadata"].items() if key not in _FREE}
    for key in _FREE:
        given = made["metadata"].get(key)
        if given is None:
            continue
        _check_texts(key, given)
        if given != obj["metadata"].get(key):
            _check_words(key, given)
        kept[key] = given
    return kept


def _check_texts(key: str, given: Any) -> None:
    wrong = ""
    if not isinstance(given, dict):
        wrong = f"invalid metadata.{key} of type {golang.json_type(given)} in converted object"
    for name, each in given.items() if not wrong else ():
        if not isinstance(each, str):
            found = golang.json_type(each)
            wrong = f"metadata.{key}[{name}] must be a string, but is {found} in converted object"
    if wrong:
        raise ConversionFailed(f"returned invalid metadata: {wrong}")


def _check_words(key: str, given: Obj) -> None:
    causes = Causes()
    if key == "labels":
        meta.labels(causes, "metadata.labels", given)
    else:
        meta.annotation_pairs(causes, "metadata.annotation", given)
    lines = list(dict.fromkeys(f"{field}: {message}" for field, _, message in causes))
    if lines:
        shown = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
        raise ConversionFailed(f"returned invalid metadata: {shown}")
