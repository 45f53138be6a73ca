"""The reviews that tell who may what, and why."""

import pytest

from .asking import AUTHENTICATION, AUTHORIZATION, review, rule


def test_a_review_says_why(api_server, rights, user):
    binding = rights.give(user, rule("get", "", "pods"))
    asked = {"verb": "get", "resource": "pods", "namespace": rights.namespace}

    found = review(api_server, "SubjectAccessReview", user=user, resourceAttributes=asked)
    own = review(api_server.as_user(user), "SelfSubjectAccessReview", resourceAttributes=asked)

    why = f'RBAC: allowed by RoleBinding "{binding}/{rights.namespace}" of Role "'
    assert found["reason"].startswith(why)
    assert found["reason"].endswith(f'" to User "{user}"')
    assert own == found
    path = f"{AUTHORIZATION}/namespaces/{rights.namespace}/localsubjectaccessreviews"
    spec = {"user": user, "resourceAttributes": asked}
    body = {"kind": "LocalSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
    local = api_server.ask("POST", path, {**body, "metadata": {"namespace": rights.namespace}})
    assert local.json["status"] == found


def test_all_own_rules(api_server, rights, user):
    given = rule("get list", "", "pods", resourceNames=["p"])
    rights.give(user, given)

    found = review(api_server.as_user(user), "SelfSubjectRulesReview", namespace=rights.namespace)

    assert given in found["resourceRules"]
    assert any("/api/*" in each["nonResourceURLs"] for each in found["nonResourceRules"])
    assert found["incomplete"] is False


@pytest.mark.parametrize(
    ("kind", "spec", "field", "words"),
    [
        ("SubjectAccessReview", {"user": "u"}, "spec.resourceAttributes", "exactly one of"),
        ("SelfSubjectAccessReview", {}, "spec.resourceAttributes", "exactly one of"),
        (
            "SubjectAccessReview",
            {"resourceAttributes": {"verb": "get"}},
            "spec.user",
            'Invalid value: "": at least one of user or group must be specified',
        ),
    ],
)
def test_a_review_of_nothing(api_server, kind, spec, field, words):
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = api_server.ask("POST", f"{AUTHORIZATION}/{kind.lower()}s", body)
    assert (answer.code, answer.causes[0][0]) == (422, field)
    assert words in answer.causes[0][2]


def test_reviews_are_not_for_everybody(api_server, user):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}}
    assert api_server.as_user(user).ask("POST", f"{AUTHENTICATION}/tokenreviews", body).code == 403
