"""Questions that are answered and forgotten: who am I, may I."""

from __future__ import annotations

from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import CREATE_ONLY, ResourceType


def _review(group: str, kind: str, namespaced: bool = False) -> Kind:
    singular = kind.lower()
    return Kind(ResourceType(group, ("v1",), kind, singular + "s", singular, namespaced, verbs=CREATE_ONLY))


REVIEWS = (
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authentication.k8s.io", "TokenReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
)
