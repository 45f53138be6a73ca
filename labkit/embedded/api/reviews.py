"""``kubectl auth whoami`` and ``can-i``: there is one user, and that user may do everything."""

from __future__ import annotations

from aiohttp import web

from labkit.embedded.api import responses
from labkit.embedded.api.call import Call
from labkit.embedded.api.writing import decoded_body
from labkit.embedded.objects import Obj, timestamp

USER: Obj = {"username": "labkit-admin", "groups": ["system:masters", "system:authenticated"]}
_EVERYTHING: Obj = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
_STATUSES: dict[str, Obj] = {
    "SelfSubjectReview": {"userInfo": USER},
    "SelfSubjectAccessReview": {"allowed": True},
    "SubjectAccessReview": {"allowed": True},
    "LocalSubjectAccessReview": {"allowed": True},
    "SelfSubjectRulesReview": _EVERYTHING,
    "TokenReview": {"authenticated": False, "error": "this server reviews no tokens"},
}


def answer(call: Call) -> web.Response:
    """The review with its status; nothing is stored."""
    decoded = decoded_body(call, call.write_options("Create").field_validation)
    review = decoded.object
    meta = {**(review.get("metadata") or {}), "creationTimestamp": timestamp()}
    value = {**review, "metadata": meta, "status": _STATUSES[call.target.kind.kind]}
    return responses.answer(call.request, value, form=call.form, status=201, warnings=decoded.warnings)
