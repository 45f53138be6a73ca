"""``kubectl auth whoami`` and ``can-i``, and what others ask about users and tokens: nothing is stored.

Source: pkg/registry/authorization and authentication of Kubernetes.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from aiohttp import web

from labkit.embedded.api.access import attributes, users
from labkit.embedded.api.access.authentication import INVALID
from labkit.embedded.api.access.gate import Gate
from labkit.embedded.api.access.keys import BadTokenError
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.writing import decoded_body
from labkit.embedded.api.request import responses
from labkit.embedded.interfaces import User
from labkit.embedded.objects import Obj, namespace_of, timestamp
from labkit.embedded.status import bad_request, invalid

_Cause = tuple[str, str, str]


class Reviews:
    """Answers all of them."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._statuses: dict[str, Callable[[User, Obj, Call], Obj]] = {
            "SelfSubjectReview": lambda user, review, call: {"userInfo": users.user_info(user)},
            "SelfSubjectAccessReview": self._own_access,
            "SubjectAccessReview": self._access,
            "LocalSubjectAccessReview": self._local_access,
            "SelfSubjectRulesReview": self._own_rules,
            "TokenReview": self._token,
        }

    def answer(self, call: Call) -> web.Response:
        """The review with its status; ApiError 400 or 422 for one that asks nothing."""
        form = call.form  # refused before what is asked is looked at
        decoded = decoded_body(call, call.write_options("Create").field_validation)
        review = decoded.object
        status = self._statuses[call.target.kind.kind](call.requester.user, review, call)
        meta = {**(review.get("metadata") or {}), "creationTimestamp": timestamp()}
        value = {**review, "metadata": meta, "status": status}
        return responses.answer(call.request, value, form=form, status=201, warnings=decoded.warnings)

    def _own_access(self, user: User, review: Obj, call: Call) -> Obj:
        spec = review.get("spec") or {}
        _refuse(call, _about_one_thing(spec))
        return self._decided(user, spec)

    def _access(self, _: User, review: Obj, call: Call) -> Obj:
        spec = review.get("spec") or {}
        _refuse(call, [*_about_one_thing(spec), *_about_somebody(spec)])
        return self._decided(_subject(spec), spec)

    def _local_access(self, _: User, review: Obj, call: Call) -> Obj:
        spec, namespace = review.get("spec") or {}, call.target.namespace
        given = namespace_of(review) or namespace
        if given != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        _refuse(call, [*_about_one_thing(spec), *_about_somebody(spec), *_about_the_namespace(spec, given)])
        return self._decided(_subject(spec), spec)

    def _decided(self, user: User, spec: Obj) -> Obj:
        decision = self._gate.authorizer.decide(user, attributes.of_review(spec))
        return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})

    def _own_rules(self, user: User, review: Obj, _: Call) -> Obj:
        namespace = (review.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise bad_request("no namespace on request")
        held = self._gate.authorizer.held(user, namespace)
        status: Obj = {
            "resourceRules": [_picked(each, "resources") for each in held.rules if each.get("resources")],
            "nonResourceRules": [
                _picked(each, "nonResourceURLs") for each in held.rules if each.get("nonResourceURLs")
            ],
            "incomplete": False,
        }
        return status | ({"evaluationError": held.error} if held.errors else {})

    def _token(self, _: User, review: Obj, __: Call) -> Obj:
        spec = review.get("spec") or {}
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        try:
            bearer = self._gate.authenticator.of_token(spec["token"], spec.get("audiences") or ())
        except BadTokenError as error:
            why = f"[{INVALID}, {error}]" if str(error) else INVALID
            return {"user": {}, "error": why}
        info = users.user_info(bearer.user)
        return {"authenticated": True, "user": info, "audiences": list(bearer.audiences)}


def _subject(spec: Obj) -> User:
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)


_OF_RULES = {
    "resources": ("verbs", "apiGroups", "resources", "resourceNames"),
    "nonResourceURLs": ("verbs", "nonResourceURLs"),
}


def _picked(rule: Obj, about: str) -> Obj:
    return {key: rule[key] for key in _OF_RULES[about] if rule.get(key)}


# --- what is wrong with a review


def _refuse(call: Call, causes: list[_Cause]) -> None:
    """ApiError 422: of no kind, as the real server forgets it here."""
    if causes:
        raise invalid("", call.target.kind.group, "", causes)


def _about_one_thing(spec: Obj) -> list[_Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [_invalid("spec.nonResourceAttributes", path, why)]
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [_invalid("spec.resourceAttributes", None, why)]
    return []


def _about_somebody(spec: Obj) -> list[_Cause]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [_invalid("spec.user", "", "at least one of user or group must be specified")]


def _about_the_namespace(spec: Obj, namespace: str) -> list[_Cause]:
    if spec.get("nonResourceAttributes") is not None:
        why = "disallowed on this kind of request"
        return [_invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], why)]
    asked = (spec.get("resourceAttributes") or {}).get("namespace", "")
    if asked == namespace:
        return []
    return [_invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace")]


def _invalid(field: str, value: object, why: str) -> _Cause:
    return field, "FieldValueInvalid", f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {why}"
