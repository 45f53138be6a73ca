"""Tokens of service accounts: whose they are, and when they end."""

import base64
import json

import pytest

from .asking import SPARE, claims, named, request_token, review, token_of, until, whoami


def test_a_token_is_its_accounts(api_server, account, core):
    holder = api_server.sending(token=token_of(api_server, account))

    found = whoami(holder)

    name = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    assert (found["username"], found["uid"]) == (name, account["uid"])
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{account['namespace']}"]
    assert found["groups"] == [*groups, "system:authenticated"]
    assert list(found["extra"]) == ["authentication.kubernetes.io/credential-id"]
    refused = holder.ask("GET", f"{core}/configmaps")
    words = f'cannot list resource "configmaps" in API group "" in the namespace "{account["namespace"]}"'
    assert refused.refusal == (403, "Forbidden", f'configmaps is forbidden: User "{name}" {words}')


def test_a_token_says_whose_it_is(api_server, account):
    asked = request_token(api_server, account, expirationSeconds=1200, audiences=["vault"])

    header, body = claims(asked.json["status"]["token"])

    assert set(header) == {"alg", "kid"}
    assert body["aud"] == ["vault"]
    assert body["exp"] - body["iat"] == 1200
    assert body["kubernetes.io"] == {
        "namespace": account["namespace"],
        "serviceaccount": {"name": account["name"], "uid": account["uid"]},
    }


def test_a_review_knows_a_token(api_server, account):
    token = token_of(api_server, account)

    found = review(api_server, "TokenReview", token=token)

    assert found["authenticated"]
    assert found["user"]["username"].endswith(f":{account['name']}")
    assert found["audiences"] == claims(token)[1]["aud"]


def test_a_token_for_others_opens_nothing_here(api_server, account):
    token = token_of(api_server, account, audiences=["vault", "bank"])

    assert whoami(api_server.sending(token=token)) == 401
    assert review(api_server, "TokenReview", token=token, audiences=["vault"])["audiences"] == ["vault"]
    refused = review(api_server, "TokenReview", token=token)
    assert "authenticated" not in refused
    assert 'token audiences ["vault" "bank"] is invalid for the target audiences' in refused["error"]


def test_what_no_server_signed_is_refused(api_server, account):
    header, body, signature = token_of(api_server, account).split(".")
    plain = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    other = base64.urlsafe_b64encode(json.dumps({**claims(f"{header}.{body}.")[1], "sub": "x"}).encode())
    for token in (
        f"{plain}.{body}.",
        f"{header}.{body}.",
        f"{header}.{other.rstrip(b'=').decode()}.{signature}",
        f"{header}.{body}.{signature[::-1]}",
        "....",
        "a.b.c",
        "nonsense",
    ):
        answer = api_server.sending(token=token).ask("GET", "/api/v1/namespaces")
        assert answer.refusal == (401, "Unauthorized", "Unauthorized"), token
        assert "authenticated" not in review(api_server, "TokenReview", token=token)


def test_a_token_ends_with_its_account(api_server, account, core):
    tokens = [token_of(api_server, account) for _ in range(SPARE)]
    api_server.ask("DELETE", f"{core}/serviceaccounts/{account['name']}")
    until(lambda: whoami(api_server.sending(token=tokens.pop())) == 401)

    again = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account["name"]}}
    api_server.ask("POST", f"{core}/serviceaccounts", again)
    assert whoami(api_server.sending(token=tokens.pop())) == 401


@pytest.fixture
def pod(api_server, account, core):
    spec = {
        "serviceAccountName": account["name"],
        "containers": [{"name": "c", "image": "none.invalid/none:1"}],
    }
    return api_server.ask("POST", f"{core}/pods", named("Pod", spec=spec)).json["metadata"]


def test_a_token_ends_with_its_pod(api_server, account, pod, core):
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["name"], "uid": pod["uid"]}
    tokens = [token_of(api_server, account, boundObjectRef=bound) for _ in range(SPARE)]
    found = whoami(api_server.sending(token=tokens.pop()))
    assert found["extra"]["authentication.kubernetes.io/pod-name"] == [pod["name"]]
    assert found["extra"]["authentication.kubernetes.io/pod-uid"] == [pod["uid"]]

    api_server.ask("DELETE", f"{core}/pods/{pod['name']}", gracePeriodSeconds="0")

    until(lambda: whoami(api_server.sending(token=tokens.pop())) == 401)


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"expirationSeconds": 60}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 2**33}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "no"}}, 404, 'pods "no" not found'),
        (
            {"boundObjectRef": {"kind": "Service", "apiVersion": "v1", "name": "no"}},
            400,
            "cannot bind token to object of type /v1, Kind=Service",
        ),
    ],
)
def test_a_token_that_can_not_be(api_server, account, spec, code, words):
    answer = request_token(api_server, account, **spec)
    assert answer.code == code
    assert words in answer.json["message"]


def test_a_token_for_another_accounts_pod(api_server, core, pod):
    other = api_server.ask("POST", f"{core}/serviceaccounts", named("ServiceAccount")).json["metadata"]
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["name"]}

    answer = request_token(api_server, other, boundObjectRef=bound)

    words = "to pod running with different serviceaccount name."
    assert answer.refusal == (
        400,
        "BadRequest",
        f'cannot bind token for serviceaccount "{other["name"]}" {words}',
    )


def test_others_find_the_key(api_server, account):
    holder = api_server.sending(token=token_of(api_server, account))

    told = holder.ask("GET", "/.well-known/openid-configuration")
    keys = holder.ask("GET", "/openid/v1/jwks", accept="application/jwk-set+json")

    token_header, token_claims = claims(token_of(api_server, account))
    assert told.json["issuer"] == token_claims["iss"]
    assert told.json["jwks_uri"].endswith("/openid/v1/jwks")
    assert told.json["id_token_signing_alg_values_supported"] == [token_header["alg"]]
    assert [each["kid"] for each in keys.json["keys"]] == [token_header["kid"]]
    assert keys.headers["Content-Type"] == "application/jwk-set+json"
    assert not {"d", "p", "q"} & set(keys.json["keys"][0])
