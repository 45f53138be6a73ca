"""The lessons on authentication and authorization, typed: tokens, policies, providers, trust domains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from labkit.kube.applying import outside

from ..tokens import Issuer
from . import manifests
from .conftest import Class, until
from .manifests import deployment, gateway, service, to, virtual_service

pytestmark = pytest.mark.slow

CODE = "curl -sS -o /dev/null -w '%{http_code}'"
ISSUER = Issuer()
RAW, JWKS = "raw.example", "/jwt/samples/jwks.json"
DENIED = "RBAC: access denied"
SELECTED = "selector: {matchLabels: {app: httpbin}}"


def account(name: str) -> str:
    return f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}"


def policy(name: str, spec: str, annotations: str = "{}") -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, annotations: {annotations}}}
spec: {{{spec}}}
"""


def tokens(name: str, selector: str, keys: str, more: str = "") -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{{selector}}}}}
  jwtRules: [{{issuer: {ISSUER.name}, {keys}{more}}}]
"""


INLINE = f"jwks: '{ISSUER.jwks}'"


@pytest.fixture(scope="module")
def foo(room: Class) -> Class:
    """httpbin and tcp-echo beside the client; ``legacy`` has a client without a proxy."""
    room.apply(
        account("curl"),
        deployment("curl", manifests.CURL, command='["/bin/sleep", "infinity"]').replace(
            "spec: {terminationGrace", "spec: {serviceAccountName: curl, terminationGrace"
        ),
        service("httpbin", 8000, 8080),
        deployment("httpbin", manifests.GO_HTTPBIN, port=8080),
        service("tcp-echo", 9000, 9000, port_name="tcp"),
        service("tcp-other", 9002, 9002, port_name="tcp", app="tcp-echo"),
        deployment("tcp-echo", manifests.TCP_ECHO, args='["9000,9001,9002", "hello"]', port=9000),
        service("ext-authz", 8000, 8000).replace(
            "targetPort: 8000}", "targetPort: 8000}, {name: grpc, port: 9000, targetPort: 9000}"
        ),
        deployment("ext-authz", "gcr.io/istio-testing/ext-authz:latest", port=8000),
        gateway("way-in"),
        virtual_service("httpbin", '["*"]', f"http: [{{route: [{to('httpbin')}]}}]", gateways="[way-in]"),
    )
    room.ready("curl", "httpbin", "tcp-echo", "ext-authz")
    return room


@pytest.fixture(autouse=True)
def nothing_left(foo: Class) -> Iterator[None]:
    yield
    for namespace in (foo.namespace, "istio-system"):
        foo.kubectl("delete", "authorizationpolicy,requestauthentication", "--all", namespace=namespace)
    foo.settle()


def asked(room: Class, path: str, *options: str) -> str:
    """The status that the client gets of httpbin."""
    return room.type("curl", f"{CODE} {' '.join(options)} http://httpbin:8000{path}")


def entered(room: Class, path: str, *options: str) -> str:
    """The status from outside, through the gateway."""
    return room.page(path, "-o", "/dev/null", "-w", "%{http_code}", *options)


def holds(status: str, ask: Callable[..., str], *of: Any) -> None:
    """Until *ask* finds *status*: a connection that was open when a policy came is served by the old ones
    once more, as Envoy lets it end."""
    until(lambda: ask(*of) == status, (status, of[1:]))


def bearer(**claims: object) -> str:
    return f"'Authorization: Bearer {ISSUER.token(**claims)}'"


def settings(room: Class, change: dict) -> None:
    """Change the mesh's settings, as the lessons do with ``kubectl edit configmap istio``."""
    found = json.loads(room.kubectl("get", "configmap", "istio", "-o", "json", namespace="istio-system"))
    mesh = yaml.safe_load(found["data"]["mesh"]) | change
    patch = json.dumps({"data": {"mesh": yaml.safe_dump(mesh)}})
    room.kubectl("patch", "configmap", "istio", "--type=merge", "-p", patch, namespace="istio-system")
    room.settle()


def test_tokens_at_the_ingress_with_keys_that_are_fetched(foo: Class) -> None:
    outside.enter(foo.api, {RAW: outside.host_of({JWKS: ISSUER.jwks}, to_https=False)})
    keys = f"jwksUri: https://{RAW}{JWKS}"
    foo.apply(tokens("jwt-example", "istio: ingressgateway", keys), namespace="istio-system")
    holds("200", entered, foo, "/headers")
    holds("401", entered, foo, "/headers", "-H", "Authorization: Bearer deadbeef")
    good = ("-H", f"Authorization: Bearer {ISSUER.token()}")
    until(lambda: entered(foo, "/headers", *good) == "200")
    holds("401", entered, foo, "/headers", "-H", f"Authorization: Bearer {ISSUER.token(life=-100)}")
    must = 'from: [{source: {notRequestPrincipals: ["*"]}}], to: [{operation: {paths: [/headers]}}]'
    where = "selector: {matchLabels: {istio: ingressgateway}}"
    foo.apply(policy("frontend", f"{where}, action: DENY, rules: [{{{must}}}]"), namespace="istio-system")
    holds("403", entered, foo, "/headers")
    holds("200", entered, foo, "/headers", *good)
    holds("200", entered, foo, "/ip")


def test_authorization_with_jwt_and_claim_to_header(foo: Class) -> None:
    more = ", outputClaimToHeaders: [{header: x-jwt-claim-foo, claim: foo}]"
    foo.apply(tokens("jwt", "app: httpbin", INLINE, more))
    holds("401", asked, foo, "/headers", "-H 'Authorization: Bearer invalidToken'")
    holds("200", asked, foo, "/headers")
    token = bearer(foo="bar")
    told = foo.type("curl", f"curl -sS -H {token} http://httpbin:8000/headers")
    assert json.loads(told)["headers"]["X-Jwt-Claim-Foo"] == ["bar"]
    whose = f'from: [{{source: {{requestPrincipals: ["{ISSUER.name}/{ISSUER.name}"]}}}}]'
    group = "when: [{key: 'request.auth.claims[groups]', values: [group1]}]"
    foo.apply(policy("require-jwt", f"{SELECTED}, action: ALLOW, rules: [{{{whose}, {group}}}]"))
    holds("200", asked, foo, "/headers", f"-H {bearer(groups=['group1', 'group2'])}")
    holds("403", asked, foo, "/headers", f"-H {bearer()}")
    holds("403", asked, foo, "/headers")


def test_claims_choose_the_route(foo: Class) -> None:
    foo.apply(tokens("jwt", "istio: ingressgateway", INLINE), namespace="istio-system")
    claim = "match: [{uri: {prefix: /headers}, headers: {'@request.auth.claims.groups': {exact: group1}}}]"
    foo.apply(
        virtual_service(
            *("httpbin", '["*"]', f"http: [{{{claim}, route: [{to('httpbin')}]}}]"), gateways="[way-in]"
        )
    )
    holds("404", entered, foo, "/headers")
    holds("200", entered, foo, "/headers", "-H", f"Authorization: Bearer {ISSUER.token(groups=['group1'])}")
    holds("404", entered, foo, "/headers", "-H", f"Authorization: Bearer {ISSUER.token(groups=['none'])}")
    holds("401", entered, foo, "/headers", "-H", "Authorization: Bearer some.invalid.token")
    all_of_it = f"http: [{{route: [{to('httpbin')}]}}]"
    foo.apply(virtual_service("httpbin", '["*"]', all_of_it, gateways="[way-in]"))


def test_explicit_deny(foo: Class) -> None:
    unless = "when: [{key: 'request.headers[x-token]', notValues: [admin]}]"
    rule = f"to: [{{operation: {{methods: [GET]}}}}], {unless}"
    foo.apply(policy("deny-get", f"{SELECTED}, action: DENY, rules: [{{{rule}}}]"))
    holds("200", asked, foo, "/get", "-H 'x-token: admin'")
    holds("403", asked, foo, "/get", "-H 'x-token: guest'")
    foo.apply(policy("allow-ip", f"{SELECTED}, rules: [{{to: [{{operation: {{paths: [/ip]}}}}]}}]"))
    holds("403", asked, foo, "/ip", "-H 'x-token: guest'")
    holds("200", asked, foo, "/ip", "-H 'x-token: admin'")
    holds("403", asked, foo, "/get", "-H 'x-token: admin'")
    assert foo.type("curl", "curl -sS http://httpbin:8000/get") == DENIED
    log = "rbac_access_denied_matched_policy[ns[lessons]-policy[deny-get]-rule[0]]"
    until(lambda: log in foo.kubectl("logs", "deploy/httpbin", "-c", "istio-proxy"))


def test_authorization_for_tcp(foo: Class) -> None:
    def say(port: int, host: str = "tcp-echo") -> str:
        return foo.type("curl", f"(echo 'port {port}'; sleep 0.3) | nc -w 5 {host} {port}", check=False)

    where = "selector: {matchLabels: {app: tcp-echo}}"
    foo.apply(policy("tcp", f"{where}, rules: [{{to: [{{operation: {{ports: ['9000']}}}}]}}]"))
    until(lambda: "hello port 9000" in say(9000) and "hello" not in say(9002, "tcp-other"))
    http_as_well = "to: [{operation: {methods: [GET], ports: ['9000']}}]"
    foo.apply(policy("tcp", f"{where}, rules: [{{{http_as_well}}}]"))
    until(lambda: "hello" not in say(9000))  # what only HTTP has makes the rule fit nothing
    foo.apply(policy("tcp", f"{where}, action: DENY, rules: [{{{http_as_well}}}]"))
    until(lambda: "hello" not in say(9000) and "hello port 9002" in say(9002, "tcp-other"))


def test_addresses_at_the_ingress(foo: Class) -> None:
    where = "selector: {matchLabels: {istio: ingressgateway}}"
    blocks = "rules: [{from: [{source: {ipBlocks: [192.0.2.0/24]}}]}]"
    foo.apply(policy("ingress", f"{where}, {blocks}"), namespace="istio-system")
    holds("403", entered, foo, "/headers")
    remote = "rules: [{from: [{source: {remoteIpBlocks: [127.0.0.0/8]}}]}]"
    foo.apply(policy("ingress", f"{where}, action: DENY, {remote}"), namespace="istio-system")
    holds("403", entered, foo, "/headers")
    elsewhere = remote.replace("127.0.0.0/8", "198.51.100.0/24")
    foo.apply(policy("ingress", f"{where}, action: DENY, {elsewhere}"), namespace="istio-system")
    holds("200", entered, foo, "/headers")


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_external_authorization(foo: Class, kind: str) -> None:
    at = f"ext-authz.{foo.namespace}.svc.cluster.local"
    providers = [
        {
            "name": "sample-ext-authz-grpc",
            "envoyExtAuthzGrpc": {"service": at, "port": 9000},
        },
        {
            "name": "sample-ext-authz-http",
            "envoyExtAuthzHttp": {
                "service": at,
                "port": 8000,
                "includeRequestHeadersInCheck": ["x-ext-authz"],
            },
        },
    ]
    settings(foo, {"extensionProviders": providers})
    rule = "rules: [{to: [{operation: {paths: [/headers]}}]}]"
    provider = f"provider: {{name: sample-ext-authz-{kind}}}"
    foo.apply(policy("ext-authz", f"{SELECTED}, action: CUSTOM, {provider}, {rule}"))
    holds("403", asked, foo, "/headers", "-H 'x-ext-authz: deny'")
    said = foo.type("curl", "curl -sS -H 'x-ext-authz: deny' http://httpbin:8000/headers")
    assert said.startswith("denied by ext_authz for not found header `x-ext-authz: allow` in the request")
    holds("200", asked, foo, "/headers", "-H 'x-ext-authz: allow'")
    holds("200", asked, foo, "/ip", "-H 'x-ext-authz: deny'")
    log = "[HTTP][denied]" if kind == "http" else "[gRPCv3][denied]"
    until(lambda: log in foo.kubectl("logs", "deploy/ext-authz", "-c", "ext-authz"))
    foo.apply(policy("ext-authz", f"{SELECTED}, action: CUSTOM, provider: {{name: nobody}}, {rule}"))
    holds("403", asked, foo, "/headers", "-H 'x-ext-authz: allow'")


def test_dry_run(foo: Class) -> None:
    rule = "rules: [{to: [{operation: {paths: [/headers]}}]}]"
    annotations = '{"istio.io/dry-run": "true"}'
    foo.apply(policy("deny-path", f"{SELECTED}, action: DENY, {rule}", annotations))
    holds("200", asked, foo, "/headers")
    until(lambda: would_be_denied(foo) > 0 and asked(foo, "/headers") == "200")


def would_be_denied(room: Class) -> int:
    """How often the policy on trial would have refused a request, by the proxy's own numbers."""
    command = "pilot-agent request GET stats/prometheus"
    told = room.exec("httpbin", *command.split(), container="istio-proxy")
    counted = 'authz_dry_run_action="deny",authz_dry_run_result="denied"'
    return sum(int(line.split()[-1]) for line in told.splitlines() if counted in line)


def test_trust_domain_migration(foo: Class) -> None:
    settings(foo, {"trustDomain": "old-td"})
    whose = f"rules: [{{from: [{{source: {{principals: [old-td/ns/{foo.namespace}/sa/curl]}}}}]}}]"
    foo.apply(policy("service-httpbin", f"{SELECTED}, {whose}"))
    until(lambda: asked(foo, "/ip") == "200")
    settings(foo, {"trustDomain": "new-td"})
    until(lambda: asked(foo, "/ip") == "403")
    settings(foo, {"trustDomain": "new-td", "trustDomainAliases": ["old-td"]})
    until(lambda: asked(foo, "/ip") == "200")


def test_minimum_tls_version(foo: Class) -> None:
    def offered(version: str) -> str:
        command = f"echo | openssl s_client -alpn istio -{version} -connect httpbin:8000 2>&1"
        return foo.type("curl", command, container="istio-proxy", check=False)

    assert "Cipher is ECDHE" in offered("tls1_2")
    settings(foo, {"meshMTLS": {"minProtocolVersion": "TLSV1_3"}})
    until(lambda: "alert protocol version" in offered("tls1_2"))
    assert "TLSv1.3, Cipher is TLS_" in offered("tls1_3")
    settings(foo, {"meshMTLS": {}})
    until(lambda: "Cipher is ECDHE" in offered("tls1_2"))
