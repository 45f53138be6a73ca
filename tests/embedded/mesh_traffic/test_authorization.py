"""Who may do what, as two real Envoys have it: sidecars that ask policies, tokens and a provider."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from ...tokens import Issuer

ISSUER, OTHER = Issuer(), Issuer()
JWT = "requestPrincipals: [testing@secure.example/alice]"


def rule(path, who="", more=""):
    source = f"from: [{{source: {{{who}}}}}], " if who else ""
    return f"  - {{{source}to: [{{operation: {{paths: [{path}]{more}}}}}]}}\n"


def when(path, key, values):
    return f"  - {{to: [{{operation: {{paths: [{path}]}}}}], when: [{{key: '{key}', {values}}}]}}\n"


ALLOWED = "".join(
    [
        rule("/principal", "principals: [cluster.local/ns/default/sa/caller]"),
        rule("/not-principal", "notPrincipals: [cluster.local/ns/default/sa/caller]"),
        rule("/namespace", "namespaces: [def*]"),
        rule("/account", "serviceAccounts: [caller]"),
        rule("/other-account", "serviceAccounts: [elsewhere/caller]"),
        rule("/block", "ipBlocks: [127.0.0.0/8], notIpBlocks: [192.0.2.0/24]"),
        rule("/other-block", "ipBlocks: [192.0.2.0/24]"),
        rule("/forwarded", "remoteIpBlocks: [127.0.0.0/8]"),
        rule("/method", more=", methods: [GET, 'PA*']"),
        rule("/host", more=", hosts: ['*.shop.example', B]"),
        rule("/port", more=", ports: ['8080']"),
        rule("/service-port", more=", ports: ['80']"),
        rule("'/pre*', '*/end', '/one/{*}/two', '/all/{**}'"),
        when("/header", "request.headers[x-who]", "values: [me, 'you*'], notValues: [yours]"),
        when("/source", "source.namespace", "values: [default]"),
        when("/to", "destination.ip", "notValues: [192.0.2.1]"),
        when("/sni", "connection.sni", "values: ['*b.default.svc.cluster.local']"),
        rule("/token", JWT),
        when("/claim", "request.auth.claims[groups]", "values: [admins]"),
        when("/nested", "request.auth.claims[user][role]", "values: ['op*']"),
        when("/audience", "request.auth.audiences", "values: [shop]"),
        rule("/anybody, /denied, '/asked*', /seen, /tried"),
        "  - {from: [{source: {principals: [cluster.local/ns/default/sa/caller]}}], "
        "to: [{operation: {ports: ['8082']}}]}\n",
    ]
)
MESH = f"""
kind: Mesh
spec:
  accessLogFile: /dev/stdout
  extensionProviders:
  - name: over-http
    envoyExtAuthzHttp:
      service: decides.default.svc.cluster.local
      port: 8000
      includeRequestHeadersInCheck: [x-ext-authz]
      headersToUpstreamOnAllow: [x-decided]
---
kind: Pod
metadata: {{name: client, labels: {{app: client, security.istio.io/tlsMode: istio}}}}
spec: {{serviceAccountName: caller}}
---
kind: Service
metadata: {{name: b}}
spec:
  selector: {{app: b}}
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp, port: 82, targetPort: 8082}}]
---
kind: Pod
metadata: {{name: b1, labels: {{app: b, security.istio.io/tlsMode: istio}}}}
spec: {{serviceAccountName: backend}}
---
kind: Service
metadata: {{name: decides}}
spec: {{selector: {{app: decides}}, ports: [{{name: http, port: 8000}}]}}
---
kind: Pod
metadata: {{name: decides, labels: {{app: decides}}}}
---
kind: RequestAuthentication
metadata: {{name: tokens}}
spec:
  selector: {{matchLabels: {{app: b}}}}
  jwtRules:
  - issuer: {ISSUER.name}
    jwks: '{ISSUER.jwks}'
    audiences: [shop, depot]
    fromHeaders: [{{name: authorization, prefix: "Bearer "}}, {{name: x-token}}]
    fromParams: [token]
    fromCookies: [session]
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [{{header: x-sub, claim: sub}}]
    forwardOriginalToken: true
---
kind: AuthorizationPolicy
metadata: {{name: some}}
spec:
  selector: {{matchLabels: {{app: b}}}}
  rules:
{ALLOWED}
---
kind: AuthorizationPolicy
metadata: {{name: not}}
spec:
  action: DENY
  rules:
  - {{to: [{{operation: {{paths: [/denied], ports: ["8080"]}}}}]}}
  - {{to: [{{operation: {{ports: ["8080"]}}}}], when: [{{key: "request.headers[x-bad]", values: ["*"]}}]}}
---
kind: AuthorizationPolicy
metadata: {{name: tried, annotations: {{istio.io/dry-run: "true"}}}}
spec: {{action: DENY, rules: [{{to: [{{operation: {{paths: [/tried], ports: ["8080"]}}}}]}}]}}
---
kind: AuthorizationPolicy
metadata: {{name: seen}}
spec: {{action: AUDIT, rules: [{{to: [{{operation: {{paths: [/seen]}}}}]}}]}}
---
kind: AuthorizationPolicy
metadata: {{name: asked}}
spec:
  action: CUSTOM
  provider: {{name: over-http}}
  selector: {{matchLabels: {{app: b}}}}
  rules: [{{to: [{{operation: {{paths: [/asked, /asked-and-denied]}}}}]}}]
"""
B = "127.10.0.10"
DENIED = "RBAC: access denied"
GOOD = ISSUER.token(sub="alice", aud="shop", groups=["admins", "staff"], user={"role": "operator"})
POOR = ISSUER.token(sub="bob", aud="depot", groups="staff")


def bearer(token):
    return f"Authorization: Bearer {token}\r\n"


CASES = [
    ("/principal", "", "caller"),
    ("/not-principal", "", "stranger"),
    ("/namespace", "", "caller"),
    ("/account", "", "caller"),
    ("/other-account", "", "nobody"),
    ("/block", "", "both"),
    ("/other-block", "", "nobody"),
    ("/forwarded", "", "both"),
    ("/method", "", "both"),
    ("/host", "", "both"),
    ("/port", "", "both"),
    ("/service-port", "", "nobody"),
    ("/prefix", "", "both"),
    ("/the/end", "", "both"),
    ("/one/x/two", "", "both"),
    ("/one/x/y/two", "", "nobody"),
    ("/all/x/y", "", "both"),
    ("/anything-else", "", "nobody"),
    ("/header", "", "nobody"),
    ("/header", "X-Who: me\r\n", "both"),
    ("/header", "X-Who: you too\r\n", "both"),
    ("/header", "X-Who: yours\r\n", "nobody"),
    ("/source", "", "caller"),
    ("/to", "", "both"),
    ("/sni", "", "caller"),
    ("/anybody", "", "both"),
    ("/anybody?x=1", "", "both"),
    ("/anybody", "X-Bad: 1\r\n", "nobody"),
    ("/seen", "", "both"),
    ("/tried", "", "both"),
    ("/denied", "", "nobody"),
    ("/token", "", "nobody"),
    ("/token", bearer(GOOD), "both"),
    ("/token", f"X-Token: {GOOD}\r\n", "both"),
    ("/token", f"Cookie: a=b; session={GOOD}\r\n", "both"),
    (f"/token?token={GOOD}", "", "both"),
    ("/token", bearer(POOR), "nobody"),
    ("/claim", bearer(GOOD), "both"),
    ("/claim", bearer(POOR), "nobody"),
    ("/nested", bearer(GOOD), "both"),
    ("/nested", bearer(POOR), "nobody"),
    ("/audience", bearer(GOOD), "both"),
    ("/audience", bearer(POOR), "nobody"),
    ("/asked", "", "nobody"),
    ("/asked", "X-Ext-Authz: allow\r\n", "both"),
    ("/asked-not", "", "both"),
]
UNSOUND = {
    "Jwt is expired": ISSUER.token(aud="shop", life=-3600),
    "Jwt verification fails": OTHER.token(aud="shop"),
    "Audiences in Jwt are not allowed": ISSUER.token(aud="elsewhere"),
    "Jwt issuer is not configured": ISSUER.token(aud="shop", iss="nobody"),
    "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections": "x",
}


@pytest.fixture
async def shop(stage):
    """A caller and a callee, both behind real sidecars, and a service that decides."""
    made = stage(MESH)

    async def decide(request):
        allowed = request.headers.get("x-ext-authz") == "allow"
        return web.Response(status=200 if allowed else 403, text="decided", headers={"x-decided": "yes"})

    await made.backend("decides", port=8000, answer=decide)
    await made.backend("b1", behind_sidecar=True)
    made.callee = await made.envoy("b1")
    made.caller = await made.envoy("client")
    return made


async def as_stranger(made, path, extra="", method="GET"):
    """What somebody without a proxy gets; a head of (status, …) and the body."""
    reader, writer = await asyncio.open_connection(made.callee.ip, 8080)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: b\r\n{extra}Connection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        text = (await reader.read()).decode()
    writer.close()
    head, _, body = text.partition("\r\n\r\n")
    return int(head.split()[1]), head, body


async def test_who_is_let_in(shop):
    found = await asyncio.gather(*(wrong(shop, *case) for case in CASES))
    assert [each for each in found if each] == []


async def wrong(shop, path, extra, whom):
    """What is not as it should be, if anything."""
    caller = await shop.through_sidecar(shop.caller, B, 80, "b", path, extra)
    status, _, body = await as_stranger(shop, path, extra)
    let_in = {(True, True): "both", (True, False): "caller", (False, True): "stranger"}
    got = let_in.get((caller.status == 200, status == 200), "nobody")
    refused = {(one, text) for one, text in ((caller.status, caller.text), (status, body)) if one != 200}
    fine = got == whom and not refused - {(403, DENIED), (403, "decided")}
    return None if fine else (path, extra[:40], f"{got}, not {whom}", refused)


async def test_methods_and_hosts(shop):
    posted = await shop.through_sidecar(shop.caller, B, 80, "b", "/method", method="POST")
    assert (posted.status, posted.text) == (403, DENIED)
    assert (await shop.through_sidecar(shop.caller, B, 80, "b", "/method", method="PATCH")).status == 200
    assert (await shop.through_sidecar(shop.caller, B, 80, "b.default", "/host")).status == 403


async def test_what_the_access_log_says(shop):
    async def said(path, extra=""):
        await shop.through_sidecar(shop.caller, B, 80, "b", path, extra)
        return await shop.callee.logged(f'"GET {path} HTTP/1.1"')

    assert " 403 - rbac_access_denied_matched_policy[none] " in await said("/nothing")
    by_rule = " 403 - rbac_access_denied_matched_policy[ns[default]-policy[not]-rule[0]] "
    assert by_rule in await said("/denied")
    assert " 403 UAEX ext_authz_denied " in await said("/asked-and-denied")
    assert " 401 - jwt_authn_access_denied{Jwt_is_not" in await said("/token", bearer("x"))
    assert " 200 - via_upstream " in await said("/tried")
    counted = await shop.callee.ask("/stats?filter=shadow_denied")
    assert "http.inbound_0.0.0.0_8080;.rbac.istio_dry_run_deny_.shadow_denied: 1\n" in counted


async def test_tokens_that_are_not_good(shop):
    for words, token in UNSOUND.items():
        answer = await shop.through_sidecar(shop.caller, B, 80, "b", "/anybody", bearer(token))
        status = 403 if words.startswith("Audiences") else 401
        assert (answer.status, answer.text) == (status, words)
        if status == 401:
            assert answer.headers["www-authenticate"].startswith('Bearer realm="http://b/anybody"')


async def test_what_the_service_is_told(shop):
    await shop.through_sidecar(shop.caller, B, 80, "b", "/token", bearer(GOOD) + "X-Sub: forged\r\n")
    seen = shop.seen[-1].headers
    assert seen["x-sub"] == "alice"
    assert seen["authorization"] == f"Bearer {GOOD}"
    assert GOOD.split(".")[1].startswith(seen["x-payload"].rstrip("="))
    await shop.through_sidecar(shop.caller, B, 80, "b", "/asked", "X-Ext-Authz: allow\r\n")
    assert shop.seen[-1].headers["x-decided"] == "yes"


async def test_certificates_of_callers_can_not_be_forged(shop):
    forged = "X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/default/sa/admin\r\n"
    await shop.through_sidecar(shop.caller, B, 80, "b", "/anybody", forged)
    shown = shop.seen[-1].headers["x-forwarded-client-cert"]
    assert shown.startswith("By=spiffe://cluster.local/ns/default/sa/backend;Hash=")
    assert shown.endswith('Subject="";URI=spiffe://cluster.local/ns/default/sa/caller')
    await as_stranger(shop, "/anybody", forged)
    assert "x-forwarded-client-cert" not in shop.seen[-1].headers


async def test_bytes(shop):
    async def echo(reader, writer):
        writer.write(b"echo " + await reader.readline())
        await writer.drain()
        writer.close()

    block, _, rest = shop.callee.ip.removeprefix("127.").partition(".")
    server = await asyncio.start_server(echo, f"127.{int(block) + 1}.{rest}", 8082)
    shop.at_end(server.close)
    reader, writer = await asyncio.open_unix_connection(shop.caller.outbound)
    writer.write(f"PROXY TCP4 {shop.caller.ip} {B} 40000 82\r\nhello\n".encode())
    assert await reader.read() == b"echo hello\n"
    writer.close()
    heard = b""
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection(shop.callee.ip, 8082)
        writer.write(b"hello\n")
        heard = await reader.read()
        writer.close()
    assert heard == b""
    await shop.callee.logged("rbac_access_denied_matched_policy[none]")
