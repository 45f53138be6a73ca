"""Who asks and what he may: tokens, ``--as``, Roles, their escalation, and the reviews that tell of them."""

import base64
import json
import secrets
import time

import pytest

from .server import PATIENCE

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHENTICATION, AUTHORIZATION = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
SPARE = 50
"""Tokens for questions that are asked again: a real server remembers for seconds which one was good."""


def named(kind, version="v1", /, **fields):
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": f"{kind[0].lower()}-{secrets.token_hex(3)}"},
        **fields,
    }


def rule(verbs, groups, resources, **more):
    return {
        "verbs": verbs.split(),
        "apiGroups": groups.split() if groups else [""],
        "resources": resources.split(),
        **more,
    }


class Rights:
    """Gives rights to users, and waits until the server knows."""

    def __init__(self, server, namespace):
        self.server, self.namespace, self.made = server, namespace, []

    def make(self, kind, **fields):
        obj = named(kind, f"{GROUP}/v1", **fields)
        place = "" if kind.startswith("Cluster") else f"/namespaces/{self.namespace}"
        path = f"{RBAC}{place}/{kind.lower()}s"
        answer = self.server.ask("POST", path, obj)
        assert answer.code == 201, answer.json
        self.made.append(f"{path}/{answer.json['metadata']['name']}")
        return answer.json

    def bind(self, kind, reference, subject):
        ref = {"apiGroup": GROUP, "kind": reference["kind"], "name": reference["metadata"]["name"]}
        bound = self.make(kind, roleRef=ref, subjects=[subject])
        return bound["metadata"]["name"]

    def give(self, user, *rules):
        """Rules within the namespace."""
        binding = self.bind("RoleBinding", self.make("Role", rules=list(rules)), user_(user))
        self.wait(user, rules[0], self.namespace)
        return binding

    def give_everywhere(self, user, *rules):
        binding = self.bind("ClusterRoleBinding", self.make("ClusterRole", rules=list(rules)), user_(user))
        self.wait(user, rules[0])
        return binding

    def wait(self, user, given, namespace=""):
        """A real server's authorizer follows a moment later."""
        if "nonResourceURLs" in given:
            about = {
                "nonResourceAttributes": {"path": given["nonResourceURLs"][0], "verb": given["verbs"][0]}
            }
        else:
            resource, _, subresource = given["resources"][0].partition("/")
            about = {
                "resourceAttributes": {
                    "verb": given["verbs"][0],
                    "group": given["apiGroups"][0],
                    "resource": resource,
                    "subresource": subresource,
                    "namespace": namespace,
                    "name": given.get("resourceNames", [""])[0],
                }
            }
        deadline = time.monotonic() + PATIENCE
        while not review(self.server, "SubjectAccessReview", user=user, **about)["allowed"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)  # between two questions: nobody tells when


def user_(name):
    return {"kind": "User", "name": name, "apiGroup": GROUP}


def review(server, kind, **spec):
    group = AUTHENTICATION if kind in ("TokenReview", "SelfSubjectReview") else AUTHORIZATION
    body = {"apiVersion": group.removeprefix("/apis/"), "kind": kind, "spec": spec}
    answer = server.ask("POST", f"{group}/{kind.lower()}s", body)
    assert answer.code == 201, answer.json
    return answer.json["status"]


def whoami(server):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = server.ask("POST", f"{AUTHENTICATION}/selfsubjectreviews", body)
    return answer.json["status"]["userInfo"] if answer.code == 201 else answer.code


@pytest.fixture
def rights(api_server, namespace):
    given = Rights(api_server, namespace)
    yield given
    for path in reversed(given.made):
        api_server.ask("DELETE", path)


@pytest.fixture
def user():
    """A name that nobody has used."""
    return f"user-{secrets.token_hex(3)}"


@pytest.fixture
def account(api_server, core):
    return api_server.ask("POST", f"{core}/serviceaccounts", named("ServiceAccount")).json["metadata"]


def request_token(server, account, **spec):
    path = f"/api/v1/namespaces/{account['namespace']}/serviceaccounts/{account['name']}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return server.ask("POST", path, body)


def token_of(server, account, **spec):
    return request_token(server, account, **spec).json["status"]["token"]


def claims(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


# --- tokens


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
    _until(lambda: whoami(api_server.sending(token=tokens.pop())) == 401)

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

    _until(lambda: whoami(api_server.sending(token=tokens.pop())) == 401)


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


# --- --as


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


# --- Roles


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/api/v1/pods", 'pods is forbidden: User "{u}" cannot list resource "pods" in API group "" at the cluster scope'),  # noqa: E501
        ("GET", "{ns}/pods?watch=1", 'pods is forbidden: User "{u}" cannot watch resource "pods" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "{ns}/pods/p", 'pods "p" is forbidden: User "{u}" cannot get resource "pods" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "{ns}/pods/p/log", 'pods "p" is forbidden: User "{u}" cannot get resource "pods/log" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("POST", "{ns}/pods/p/exec", 'pods "p" is forbidden: User "{u}" cannot create resource "pods/exec" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "{ns}/pods/p/portforward", 'pods "p" is forbidden: User "{u}" cannot get resource "pods/portforward" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("PUT", "{ns}/pods/p:80/proxy/x/y", 'pods "p:80" is forbidden: User "{u}" cannot update resource "pods/proxy" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("POST", "{ns}/configmaps", 'configmaps is forbidden: User "{u}" cannot create resource "configmaps" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("PATCH", "{ns}/configmaps/m", 'configmaps "m" is forbidden: User "{u}" cannot patch resource "configmaps" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("DELETE", "{ns}/configmaps", 'configmaps is forbidden: User "{u}" cannot deletecollection resource "configmaps" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("DELETE", "/apis/apps/v1/namespaces/{n}/deployments/d", 'deployments.apps "d" is forbidden: User "{u}" cannot delete resource "deployments" in API group "apps" in the namespace "{n}"'),  # noqa: E501
        ("PUT", "/apis/apps/v1/namespaces/{n}/deployments/d/scale", 'deployments.apps "d" is forbidden: User "{u}" cannot update resource "deployments/scale" in API group "apps" in the namespace "{n}"'),  # noqa: E501
        ("GET", "/api/v1/namespaces/{n}", 'namespaces "{n}" is forbidden: User "{u}" cannot get resource "namespaces" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("PUT", "/api/v1/namespaces/{n}/finalize", 'namespaces "{n}" is forbidden: User "{u}" cannot update resource "namespaces/finalize" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "/api/v1/nodes", 'nodes is forbidden: User "{u}" cannot list resource "nodes" in API group "" at the cluster scope'),  # noqa: E501
        ("GET", "{ns}/pods?fieldSelector=metadata.name%3Dp", 'pods "p" is forbidden: User "{u}" cannot list resource "pods" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "/apis/nope.io/v1/things/t", 'things.nope.io "t" is forbidden: User "{u}" cannot get resource "things" in API group "nope.io" at the cluster scope'),  # noqa: E501
        ("GET", "/metrics", 'forbidden: User "{u}" cannot get path "/metrics"'),
        ("POST", "/apis", 'forbidden: User "{u}" cannot post path "/apis"'),
    ],
)  # fmt: skip
def test_who_has_no_rights_is_refused(api_server, namespace, core, user, method, path, words):
    path, _, query = path.format(ns=core, n=namespace).partition("?")
    key, _, value = query.partition("=")

    answer = api_server.as_user(user).ask(method, path, **({key: value.replace("%3D", "=")} if key else {}))

    assert answer.refusal == (403, "Forbidden", words.format(u=user, n=namespace))
    resource, quote, _ = answer.json["message"].partition(" is forbidden: ")
    kind, _, group = resource.split(" ")[0].partition(".")
    wanted = {"kind": kind, "group": group, "name": resource.split('"')[1] if '"' in resource else ""}
    about = {name: each for name, each in wanted.items() if each} if quote else {}
    assert answer.json["details"] == about


def test_everybody_may_look_around(api_server, user):
    anybody = api_server.as_user(user)
    assert [anybody.ask("GET", path).code for path in ("/api", "/apis/apps", "/version", "/healthz")] == [
        200
    ] * 4
    assert anybody.ask("GET", "/openapi/v3").code == 200


def test_a_role_allows_what_it_says(api_server, rights, core, user):
    rights.give(
        user, rule("get list create", "", "configmaps"), rule("get", "", "secrets", resourceNames=["mine"])
    )
    them = api_server.as_user(user)

    assert them.ask("GET", f"{core}/configmaps").code == 200
    assert them.ask("POST", f"{core}/configmaps", named("ConfigMap")).code == 201
    assert them.ask("DELETE", f"{core}/configmaps/x").code == 403
    assert them.ask("GET", "/api/v1/configmaps").code == 403
    assert them.ask("GET", "/api/v1/namespaces/default/configmaps").code == 403
    assert them.ask("GET", f"{core}/secrets/mine").code == 404
    assert them.ask("GET", f"{core}/secrets/other").code == 403
    assert them.ask("GET", f"{core}/secrets").code == 403


def test_a_name_is_what_a_list_may_select(api_server, rights, core, user):
    rights.give(user, rule("list", "", "secrets", resourceNames=["mine"]))
    them = api_server.as_user(user)

    assert them.ask("GET", f"{core}/secrets", fieldSelector="metadata.name=mine").code == 200
    assert them.ask("GET", f"{core}/secrets", fieldSelector="metadata.name!=mine").code == 403
    assert them.ask("GET", f"{core}/secrets", fieldSelector="metadata.namespace=mine").code == 403


def test_a_binding_gives_a_cluster_role_in_one_namespace(api_server, rights, core, user):
    role = rights.make("ClusterRole", rules=[rule("*", "*", "*")])
    rights.bind("RoleBinding", role, user_(user))
    rights.wait(user, rule("get", "", "pods"), rights.namespace)
    them = api_server.as_user(user)

    assert them.ask("GET", f"{core}/secrets").code == 200
    assert them.ask("GET", "/api/v1/secrets").code == 403
    assert them.ask("GET", core).code == 200  # the namespace itself
    assert them.ask("GET", "/metrics").code == 403


def test_a_path_is_no_way_around(api_server, rights, core, user):
    """Encoded, doubled or cut slashes: what is decided on is what is done."""
    rights.give(user, rule("get", "", "pods"))
    them = api_server.as_user(user)
    other = "/api/v1/namespaces/kube-system"
    for path in (
        f"{core}/pods/p%2Flog",
        f"{core}/pods/..%2f..%2f..%2fkube-system%2fsecrets",
        f"{other}/%73ecrets",
        "/api/v1/namespaces//secrets",
        f"/api/v1/namespaces/{rights.namespace}%2f..%2fkube-system/secrets",
        f"{other}/secrets/",
        f"{core}/pods/p/log",
        "/healthz/..%2fapi%2fv1%2fsecrets",
    ):
        assert them.ask("GET", path).code in (301, 400, 403, 404), path
    assert "items" not in them.ask("GET", f"{core}/pods/").body.decode()


def test_rights_end(api_server, rights, core, user):
    name = rights.give(user, rule("list", "", "configmaps"))
    them = api_server.as_user(user)
    assert them.ask("GET", f"{core}/configmaps").code == 200

    path = f"{RBAC}/namespaces/{rights.namespace}/rolebindings/{name}"
    assert api_server.ask("DELETE", path).code == 200

    deadline = time.monotonic() + PATIENCE
    while them.ask("GET", f"{core}/configmaps").code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)  # a real server's authorizer follows a moment later


def test_a_role_that_is_not_there(api_server, rights, core, user):
    lost = {"kind": "Role", "metadata": {"name": "lost"}}
    rights.bind("RoleBinding", lost, user_(user))
    rights.give(user, rule("get", "", "pods"))

    answer = api_server.as_user(user).ask("GET", f"{core}/secrets")

    assert answer.json["message"].endswith(
        f'in the namespace "{rights.namespace}": RBAC: role.rbac.authorization.k8s.io "lost" not found'
    )


def test_to_apply_what_is_not_there_is_to_create_it(api_server, rights, core, user):
    rights.give(user, rule("patch", "", "configmaps"))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {}}

    answer = api_server.as_user(user).ask(
        "PATCH",
        f"{core}/configmaps/new",
        body,
        content_type="application/apply-patch+yaml",
        fieldManager="suite",
    )

    assert answer.code == 403
    assert f'User "{user}" cannot create resource "configmaps"' in answer.json["message"]


# --- escalation


@pytest.fixture
def author(rights, user):
    """Who may write Roles, and read pods."""
    writing = rule("create update patch get", GROUP, "roles rolebindings clusterroles clusterrolebindings")
    rights.give_everywhere(user, writing, rule("get list", "", "pods pods/log"))
    return user


def roles_path(rights, kind="roles"):
    return f"{RBAC}/namespaces/{rights.namespace}/{kind}"


def test_nobody_gives_what_he_has_not(api_server, rights, author):
    them = api_server.as_user(author, "team")
    fine = named("Role", f"{GROUP}/v1", rules=[rule("get", "", "pods"), rule("get list", "", "pods/log")])
    assert them.ask("POST", roles_path(rights), fine).code == 201

    more = rule("delete get", "", "pods secrets")
    for body, method, path in (
        (named("Role", f"{GROUP}/v1", rules=[more]), "POST", roles_path(rights)),
        ({**fine, "rules": [more]}, "PUT", f"{roles_path(rights)}/{fine['metadata']['name']}"),
    ):
        refused = them.ask(method, path, body)
        name = body["metadata"]["name"]
        assert refused.refusal == (
            403,
            "Forbidden",
            f'roles.rbac.authorization.k8s.io "{name}" is forbidden: user "{author}" (groups=["team" '
            '"system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
            '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
            '{APIGroups:[""], Resources:["secrets"], Verbs:["delete" "get"]}',
        )


def test_a_cluster_role_for_paths_and_all(api_server, author):
    rules = [{"nonResourceURLs": ["/metrics", "/healthz"], "verbs": ["get", "post"]}]
    refused = api_server.as_user(author).ask(
        "POST", f"{RBAC}/clusterroles", named("ClusterRole", f"{GROUP}/v1", rules=rules)
    )
    assert refused.json["message"].split("held:\n")[1].split("\n") == [
        '{NonResourceURLs:["/healthz"], Verbs:["post"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["post"]}',
    ]


def test_to_aggregate_takes_every_right(api_server, author):
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    body = named("ClusterRole", f"{GROUP}/v1", aggregationRule=selectors, rules=[])
    refused = api_server.as_user(author).ask("POST", f"{RBAC}/clusterroles", body)
    assert refused.json["message"].endswith("must have cluster-admin privileges to use the aggregationRule")


def test_to_bind_is_to_give(api_server, rights, author):
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"}
    binding = named("RoleBinding", f"{GROUP}/v1", roleRef=reference, subjects=[user_(author)])
    path = roles_path(rights, "rolebindings")
    them = api_server.as_user(author)

    refused = them.ask("POST", path, binding)

    assert refused.json["message"].split("held:\n")[1].split("\n") == [
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
        '{NonResourceURLs:["*"], Verbs:["*"]}',
    ]
    lost = {**binding, "roleRef": {**reference, "name": "lost"}}
    assert them.ask("POST", path, lost).refusal == (
        404,
        "NotFound",
        'rolebindings.rbac.authorization.k8s.io "lost" not found',
    )
    rights.give_everywhere(author, rule("bind", GROUP, "clusterroles", resourceNames=["cluster-admin"]))
    assert them.ask("POST", path, binding).code == 201


def test_who_may_escalate(api_server, rights, author):
    rights.give_everywhere(author, rule("escalate", GROUP, "roles"))
    role = named("Role", f"{GROUP}/v1", rules=[rule("*", "*", "*")])
    assert api_server.as_user(author).ask("POST", roles_path(rights), role).code == 201


# --- reviews


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


# --- the roles that are there


def test_admins_edit_and_editors_view(api_server, needs_controllers):
    """A rule for a kind of somebody's own, labelled, is in all three."""
    label = {f"{GROUP}/aggregate-to-view": "true"}
    mine = rule("get", "example.org", "things")
    role = named("ClusterRole", f"{GROUP}/v1", rules=[mine])
    role["metadata"]["labels"] = label
    path = f"{RBAC}/clusterroles"
    assert api_server.ask("POST", path, role).code == 201
    try:
        _until(lambda: all(mine in _rules(api_server, each) for each in ("view", "edit", "admin")))
    finally:
        api_server.ask("DELETE", f"{path}/{role['metadata']['name']}")
    _until(lambda: not any(mine in _rules(api_server, each) for each in ("view", "edit", "admin")))


def _rules(server, role):
    return server.ask("GET", f"{RBAC}/clusterroles/{role}").json["rules"]


def _until(fact):
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two questions


@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "allowed"),
    [
        ("view", "list", "", "pods", True),
        ("view", "get", "", "secrets", False),
        ("view", "create", "", "pods", False),
        ("edit", "get", "", "secrets", True),
        ("edit", "patch", "apps", "deployments", True),
        ("edit", "create", GROUP, "roles", False),
        ("admin", "create", GROUP, "roles", True),
        ("admin", "list", "", "nodes", False),
    ],
)
def test_the_three_roles(api_server, needs_controllers, rights, user, role, verb, group, resource, allowed):
    rights.bind("RoleBinding", {"kind": "ClusterRole", "metadata": {"name": role}}, user_(user))
    rights.wait(user, rule("get", "", "pods"), rights.namespace)
    asked = {"verb": verb, "group": group, "resource": resource, "namespace": rights.namespace}
    found = review(api_server, "SubjectAccessReview", user=user, resourceAttributes=asked)
    assert found["allowed"] is allowed
