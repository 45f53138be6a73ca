"""Who is let in, and as whom: mutual TLS between two real Envoys, plain text beside it."""

import asyncio

import pytest

MESH = """
kind: Pod
metadata: {name: client, labels: {app: client, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: caller}
---
kind: Service
metadata: {name: b}
spec:
  selector: {app: b}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: any, port: 81, targetPort: 8081}
  - {name: tcp, port: 82, targetPort: 8082}
---
kind: Pod
metadata: {name: b1, labels: {app: b, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: backend, containers: [{name: app, ports: [{containerPort: 9999}]}]}
---
kind: Mesh
spec: {accessLogFile: /dev/stdout}
"""
B = "127.10.0.10"
CALLER = "URI=spiffe://cluster.local/ns/default/sa/caller"
SNI = "outbound_.80_._.b.default.svc.cluster.local"


def policy(mode, **spec):
    return f"---\nkind: PeerAuthentication\nmetadata: {{name: p}}\nspec: {{mtls: {{mode: {mode}}}}}\n"


def rule(mode):
    return f"""
---
kind: DestinationRule
metadata: {{name: b}}
spec: {{host: b, trafficPolicy: {{tls: {{mode: {mode}}}}}}}
"""


BY_PORT = """
---
kind: PeerAuthentication
metadata: {name: all}
spec: {mtls: {mode: STRICT}}
---
kind: PeerAuthentication
metadata: {name: b}
spec: {selector: {matchLabels: {app: b}}, portLevelMtls: {8080: {mode: DISABLE}}}
"""


@pytest.fixture
async def mesh(stage):
    """``mesh(text)``: a caller and a callee, both behind real sidecars."""

    async def build(text="", **shown):
        made = stage(MESH + text)
        for port in (8080, 8081, 9999):
            await made.backend("b1", port=port, behind_sidecar=True)
        made.callee = await made.envoy("b1", **shown)
        made.caller = await made.envoy("client")
        return made

    return build


@pytest.mark.parametrize(
    ("text", "secured", "stranger"),
    [
        ("", True, "200"),
        (policy("PERMISSIVE"), True, "200"),
        (policy("STRICT"), True, "closed"),
        (policy("DISABLE"), False, "200"),
        (BY_PORT, False, "200"),
        (rule("DISABLE"), False, "200"),
        (rule("ISTIO_MUTUAL") + policy("STRICT"), True, "closed"),
        ("---\nkind: Mesh\nspec: {accessLogFile: /dev/stdout, enableAutoMtls: false}\n", False, "200"),
    ],
    ids=[
        "by default",
        "permissive",
        "strict",
        "disable",
        "by port",
        "rule: plain",
        "rule: TLS",
        "no automatic mutual TLS",
    ],
)
async def test_who_gets_in_and_how(mesh, text, secured, stranger):
    made = await mesh(text)
    answer = await made.through_sidecar(made.caller, B, 80, "b")

    assert answer.status == 200
    shown = made.seen[-1].headers.get("x-forwarded-client-cert", "")
    assert (CALLER in shown) is secured
    line = await made.callee.logged(" 200 ")
    assert line.split()[-2] == (SNI if secured else "-")
    assert await made.stranger(made.callee, 8080) == stranger


async def test_http_on_a_port_that_names_no_protocol(mesh):
    made = await mesh(policy("STRICT"))
    answer = await made.through_sidecar(made.caller, B, 81, "b")

    assert answer.status == 200
    assert CALLER in made.seen[-1].headers["x-forwarded-client-cert"]
    assert '"GET / HTTP/1.1" 200' in await made.callee.logged("outbound_.81_._.b.default")
    assert await made.stranger(made.callee, 8081) == "closed"


async def test_bytes(mesh):
    made = await mesh(policy("STRICT"))

    async def echo(reader, writer):
        writer.write(b"echo " + await reader.readline())
        await writer.drain()
        writer.close()

    block, _, rest = made.callee.ip.removeprefix("127.").partition(".")
    server = await asyncio.start_server(echo, f"127.{int(block) + 1}.{rest}", 8082)
    made.at_end(server.close)
    reader, writer = await asyncio.open_unix_connection(made.caller.outbound)
    writer.write(f"PROXY TCP4 {made.caller.ip} {B} 40000 82\r\nhello\n".encode())
    async with asyncio.timeout(10):
        assert await reader.read() == b"echo hello\n"
    writer.close()
    await made.callee.logged("outbound_.82_._.b.default")


async def test_a_port_that_no_service_names_is_guarded_as_well(mesh):
    made = await mesh(policy("STRICT"))

    assert await made.stranger(made.callee, 9999) == "closed"


async def test_who_shows_another_identity_is_not_the_service(mesh):
    made = await mesh(identity="spiffe://cluster.local/ns/default/sa/impostor")
    answer = await made.through_sidecar(made.caller, B, 80, "b")

    assert answer.status == 503
    assert " 503 " in await made.caller.logged("CERTIFICATE_VERIFY_FAILED")
    assert made.seen == []


async def test_who_is_of_another_trust_domain_is_a_stranger(stage):
    made = stage(MESH + policy("STRICT"))
    await made.backend("b1", behind_sidecar=True)
    await made.envoy("b1")
    caller = await made.envoy("client", identity="spiffe://elsewhere/ns/default/sa/caller")
    answer = await made.through_sidecar(caller, B, 80, "b")

    assert answer.status == 503
    assert made.seen == []
