"""Requests in somebody else's name: ``--as``."""

import pytest

from .asking import rule, token_of, whoami


def test_in_anothers_name(api_server):
    assert whoami(api_server.as_user("bob")) == {"username": "bob", "groups": ["system:authenticated"]}
    of_group = whoami(api_server.as_user("bob", "a", "b"))
    assert of_group["groups"] == ["a", "b", "system:authenticated"]
    account = whoami(api_server.as_user("system:serviceaccount:x:y"))["groups"]
    assert account == ["system:serviceaccounts", "system:serviceaccounts:x", "system:authenticated"]
    more = api_server.as_user("bob").sending(("Impersonate-Uid", "7"), ("Impersonate-Extra-Team%2fA", "t"))
    assert whoami(more) == {
        "username": "bob",
        "uid": "7",
        "groups": ["system:authenticated"],
        "extra": {"team/a": ["t"]},
    }


def test_in_the_name_of_a_master(api_server):
    assert api_server.as_user("bob", "system:masters").ask("GET", "/api/v1/secrets").code == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (
            [("Impersonate-User", "bob")],
            'users "bob" is forbidden: User "{me}" cannot impersonate resource "users" in API group "" '
            "at the cluster scope",
        ),
        (
            [("Impersonate-User", "system:serviceaccount:kube-system:x")],
            'serviceaccounts "x" is forbidden: User "{me}" cannot impersonate resource "serviceaccounts" in '
            'API group "" in the namespace "kube-system"',
        ),
        (
            [("Impersonate-User", "carol"), ("Impersonate-Group", "system:masters")],
            'groups "system:masters" is forbidden: User "{me}" cannot impersonate resource "groups" in API '
            'group "" at the cluster scope',
        ),
        (
            [("Impersonate-User", "carol"), ("Impersonate-Uid", "1")],
            'uids.authentication.k8s.io "1" is forbidden: User "{me}" cannot impersonate resource "uids" in '
            'API group "authentication.k8s.io" at the cluster scope',
        ),
        (
            [("Impersonate-User", "carol"), ("Impersonate-Extra-Scopes", "all")],
            'userextras.authentication.k8s.io "all" is forbidden: User "{me}" cannot impersonate resource '
            '"userextras/scopes" in API group "authentication.k8s.io" at the cluster scope',
        ),
    ],
)
def test_not_in_everybodys_name(api_server, rights, account, headers, words):
    me = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    rights.give_everywhere(me, rule("impersonate", "", "users", resourceNames=["carol"]))
    holder = api_server.sending(token=token_of(api_server, account))
    assert whoami(holder.as_user("carol"))["username"] == "carol"

    answer = holder.sending(*headers).ask("GET", "/version")

    assert answer.refusal == (403, "Forbidden", words.format(me=me))
