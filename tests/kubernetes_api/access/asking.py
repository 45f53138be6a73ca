"""Roles and names for the tests of who may what, and the questions they ask."""

import base64
import json
import secrets
import time

from ..server import PATIENCE

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


def request_token(server, account, **spec):
    path = f"/api/v1/namespaces/{account['namespace']}/serviceaccounts/{account['name']}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return server.ask("POST", path, body)


def token_of(server, account, **spec):
    return request_token(server, account, **spec).json["status"]["token"]


def claims(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def until(fact):
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two questions
