"""TLS at gateways and TLS that proxies begin: who gets in, and whom a proxy believes."""

import asyncio
import base64
import contextlib
import ssl
import tempfile

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ...certificates import authority, pair, pem
from .conftest import mesh_of_yaml

BASE = """
kind: Pod
metadata: {name: ingress, namespace: istio-system, labels: {istio: ingressgateway}}
spec:
  containers:
  - name: istio-proxy
    volumeMounts: [{name: certs, mountPath: /etc/certs}, {name: roots, mountPath: /etc/roots}]
  volumes: [{name: certs, secret: {secretName: web}}, {name: roots, configMap: {name: roots}}]
---
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: https, port: 443, targetPort: 8443}]}
---
kind: Pod
metadata: {name: b, labels: {app: b}}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Mesh
spec: {accessLogFile: /dev/stdout}
---
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
    SERVERS
---
kind: VirtualService
metadata: {name: v}
spec: {hosts: ["*"], gateways: [gw], http: [{route: [{destination: {host: b, port: {number: 80}}}]}]}
---
kind: VirtualService
metadata: {name: bytes}
spec:
  hosts: [ended.example, passed.example]
  gateways: [gw]
  tcp: [{route: [{destination: {host: b, port: {number: 80}}}]}]
  tls:
  - match: [{sniHosts: [passed.example]}]
    route: [{destination: {host: outside.example, port: {number: 443}}}]
"""
WORLD = """
---
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  containers: [{name: istio-proxy, volumeMounts: [{name: certs, mountPath: /etc/certs}]}]
  volumes: [{name: certs, secret: {secretName: client}}]
---
kind: Pod
metadata: {name: outside, labels: {app: outside}}
---
kind: Service
metadata: {name: outside}
spec: {selector: {app: outside}, ports: [{name: tls, port: 8443}]}
"""


WEB_FILES = "serverCertificate: /etc/certs/tls.crt, privateKey: /etc/certs/tls.key"
SERVERS = {
    "simple": "mode: SIMPLE, credentialName: web",
    "mutual": "mode: MUTUAL, credentialName: generic",
    "optional": "mode: OPTIONAL_MUTUAL, credentialName: web",
    "named": "mode: MUTUAL, credentialName: generic, subjectAltNames: [other.example]",
    "files": f"mode: MUTUAL, {WEB_FILES}, caCertificates: /etc/roots/ca.pem",
    "modern": "mode: SIMPLE, credentialName: web, minProtocolVersion: TLSV1_3",
    "suite": "mode: SIMPLE, credentialName: web, maxProtocolVersion: TLSV1_2, "
    "cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]",
    "mesh": "mode: ISTIO_MUTUAL",
    "pinned": "mode: MUTUAL, credentialName: generic, verifyCertificateHash: [PIN]",
    "ended": "mode: SIMPLE, credentialName: web",
    "passed": "mode: PASSTHROUGH",
}
AS_BYTES = ("ended", "passed")


def servers():
    """The Gateway's, one for each name, and one that sends to https."""
    yield '{port: {number: 8081, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}'
    for name, tls in SERVERS.items():
        protocol = "TLS" if name in AS_BYTES else "HTTPS"
        port = f"{{number: 443, name: {name}, protocol: {protocol}}}"
        yield f"{{port: {port}, hosts: [{name}.example], tls: {{{tls}}}}}"


def entry(*hosts, more=""):
    return f"""
---
kind: ServiceEntry
metadata: {{name: {hosts[0].split(".")[0]}}}
spec:
  hosts: [{", ".join(hosts)}]
  ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 443, name: tls, protocol: TLS}}]
  resolution: DNS
  endpoints: [{{address: outside.default.svc.cluster.local, ports: {{http: 8443, tls: 8443}}}}]
  {more}
"""


def rule(host, tls):
    """For the client alone: a Secret is not for every sidecar."""
    name, more = host.split(".")[0], "workloadSelector: {matchLabels: {app: client}},"
    return f"""
---
kind: DestinationRule
metadata: {{name: {name}}}
spec: {{host: {host}, {more} trafficPolicy: {{tls: {tls}}}}}
"""


def secret(name, namespace="istio-system", **data):
    found = {key.replace("__", "."): base64.b64encode(each).decode() for key, each in data.items()}
    return "---\n" + yaml.safe_dump(
        {"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": found}
    )


WEB = pair("web", "servers", "simple.example", "web.example")
CLIENT = pair("client", "clients", "client.example")
CLIENTS = pem(authority("clients")[0])
OUTSIDE = pair("outside", "servers", "plain.example", "named.example", "aliased.example")
PIN = x509.load_pem_x509_certificate(CLIENT[0]).fingerprint(hashes.SHA256()).hex()
SECRETS = "".join(
    [
        secret("web", tls__crt=WEB[0], tls__key=WEB[1], ca__crt=CLIENTS),
        secret("generic", cert=WEB[0], key=WEB[1]),
        secret("generic-cacert", cacert=CLIENTS),
        secret(
            "client", "default", tls__crt=CLIENT[0], tls__key=CLIENT[1], ca__crt=pem(authority("servers")[0])
        ),
        "---\n"
        + yaml.safe_dump(
            {
                "kind": "ConfigMap",
                "metadata": {"name": "roots", "namespace": "istio-system"},
                "data": {"ca.pem": CLIENTS.decode()},
            }
        ),
    ]
)


def context(shown=None, suites="", **limits):
    """A client's: it knows the root of servers, and shows *shown*."""
    made = ssl.create_default_context(cadata=pem(authority("servers")[0]).decode())
    made.check_hostname, made.verify_mode = False, ssl.CERT_REQUIRED
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for name, value in limits.items():
        setattr(made, name, value)
    if suites:
        made.set_ciphers(suites)
    if shown:
        with tempfile.NamedTemporaryFile() as file:
            file.write(shown[0] + shown[1])
            file.flush()
            made.load_cert_chain(file.name)
    return made


def server(shown, *, insists=False):
    """A server's side, outside of the mesh; *insists*: on a certificate of the clients' authority."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(shown[0] + shown[1])
        file.flush()
        made.load_cert_chain(file.name)
    if insists:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=CLIENTS.decode())
    return made


async def outside(made, port, tls):
    """Someone beyond the mesh who answers every HTTP request with 200 and the name that was asked for."""
    names = []
    tls.sni_callback = lambda _, name, __: names.append(name)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\noutside")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, made.ip("outside"), port, ssl=tls)
    made.at_end(server.close)
    return names


async def asked(address, port, tls, host):
    """The status of a request to *host* there, or ``refused``."""
    try:
        reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=host)
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            head = (await reader.readline()).decode()
        writer.close()
    except (ssl.SSLError, ConnectionError):
        return "refused"
    return head.split(" ")[1] if head else "refused"


def _town():
    listed = "\n    ".join(f"- {each}" for each in servers())
    text = BASE.replace("SERVERS", listed) + entry("outside.example") + WORLD
    return text.replace("PIN", PIN)


@pytest.fixture
async def door(stage):
    """A gateway with a server for each mode; ``ask(host, shown)``: the status, or ``refused``."""
    made = stage(_town() + SECRETS)
    await made.backend("b")
    await outside(made, 8443, server(OUTSIDE))
    made.gateway = await made.envoy("ingress")

    async def ask(host, shown=None, **limits):
        return await asked(made.gateway.ip, 8443, context(shown, **limits), host)

    made.ask = ask
    return made


V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
STRANGER = pair("stranger", "strangers", "client.example")
OTHER = pair("other", "clients", "other.example")
CASES = [
    ("simple.example", None, {}, "200"),
    ("mutual.example", None, {}, "refused"),
    ("mutual.example", STRANGER, {}, "refused"),
    ("mutual.example", CLIENT, {}, "200"),
    ("optional.example", None, {}, "200"),
    ("optional.example", CLIENT, {}, "200"),
    ("optional.example", STRANGER, {}, "refused"),
    ("named.example", CLIENT, {}, "refused"),
    ("named.example", OTHER, {}, "200"),
    ("files.example", None, {}, "refused"),
    ("files.example", CLIENT, {}, "200"),
    ("modern.example", None, {"maximum_version": V1_2}, "refused"),
    ("modern.example", None, {"minimum_version": V1_3}, "200"),
    ("suite.example", None, {"suites": "ECDHE-ECDSA-AES128-GCM-SHA256", "maximum_version": V1_2}, "refused"),
    ("suite.example", None, {"suites": "ECDHE-ECDSA-AES256-GCM-SHA384"}, "200"),
    ("mesh.example", CLIENT, {}, "refused"),
    ("pinned.example", OTHER, {}, "refused"),
    ("pinned.example", CLIENT, {}, "200"),
    ("ended.example", None, {}, "200"),
    ("passed.example", None, {}, "200"),
    ("unknown.example", None, {}, "refused"),
]


async def test_who_gets_in_at_a_gateway(door):
    found = [await door.ask(host, shown, **limits) for host, shown, limits, _ in CASES]
    told = [(host, bool(shown), status) for (host, shown, *_), status in zip(CASES, found, strict=True)]

    assert told == [(host, bool(shown), status) for host, shown, _, status in CASES]


async def test_what_is_told_of_the_client(door):
    assert await door.ask("mutual.example", CLIENT) == "200"
    shown = door.seen[-1].headers["x-forwarded-client-cert"]
    assert 'Subject="CN=client"' in shown
    assert "DNS=client.example" in shown
    assert await door.ask("optional.example") == "200"
    assert "x-forwarded-client-cert" not in door.seen[-1].headers
    assert door.seen[-1].headers["x-forwarded-proto"] == "https"
    assert "simple.example" not in await door.gateway.logged(" 200 ", "mutual.example")
    redirected = await door.get(f"http://{door.gateway.ip}:8081/page", host="simple.example")
    assert redirected.status == 301
    assert redirected.headers["location"] == "https://simple.example/page"


MY_ROOT = "caCertificates: /etc/certs/ca.crt"
BEGUN = [
    ("plain.example", f"{{mode: SIMPLE, {MY_ROOT}}}", "", 200),
    ("untrusted.example", "{mode: SIMPLE}", "", 503),
    ("wrong.example", f"{{mode: SIMPLE, {MY_ROOT}}}", "", 503),
    ("listed.example", f"{{mode: SIMPLE, {MY_ROOT}}}", "subjectAltNames: [named.example]", 503),
    (
        "sent.example",
        f"{{mode: SIMPLE, {MY_ROOT}, sni: plain.example}}",
        "subjectAltNames: [named.example]",
        200,
    ),
    (
        "alt.example",
        f"{{mode: SIMPLE, {MY_ROOT}, sni: x.example, subjectAltNames: [elsewhere.example]}}",
        "",
        503,
    ),
    ("skipped.example", "{mode: SIMPLE, insecureSkipVerify: true}", "", 200),
    ("stored.example", "{mode: SIMPLE, credentialName: client, sni: plain.example}", "", 200),
]
ASKING = [
    ("anonymous.example", f"{{mode: SIMPLE, {MY_ROOT}, sni: plain.example}}", "", 503),
    (
        "files.example",
        "{mode: MUTUAL, clientCertificate: /etc/certs/tls.crt, privateKey: /etc/certs/tls.key, "
        f"{MY_ROOT}, sni: plain.example}}",
        "",
        200,
    ),
    ("credential.example", "{mode: MUTUAL, credentialName: client, sni: plain.example}", "", 200),
]


@pytest.fixture
def way_out(stage):
    """``way_out(cases, pod, insists)``: the proxy of *pod* with a rule for each host; someone out there."""

    async def build(cases, pod, *, insists=False):
        text = WORLD + "".join(entry(host, more=more) + rule(host, tls) for host, tls, more, _ in cases)
        made = stage(text + "---\nkind: Mesh\nspec: {accessLogFile: /dev/stdout}\n" + SECRETS)
        made.asked_for = await outside(made, 8443, server(OUTSIDE, insists=insists))
        made.proxy = await made.envoy(pod)
        return made

    return build


@pytest.mark.parametrize(("cases", "insists"), [(BEGUN, False), (ASKING, True)], ids=["simple", "mutual"])
async def test_whom_a_proxy_believes_and_what_it_shows(way_out, cases, insists):
    made = await way_out(cases, "client", insists=insists)
    found = {
        host: (await made.through_sidecar(made.proxy, "203.0.113.1", 80, host)).status for host, *_ in cases
    }
    assert found == {host: status for host, *_, status in cases}
    assert "plain.example" in made.asked_for


MESH_WIDE = """
---
kind: Mesh
spec: {accessLogFile: /dev/stdout, trustDomainAliases: [old.example], meshMTLS: {minProtocolVersion: TLSV1_3}}
---
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
kind: Pod
metadata: {name: east-west, namespace: istio-system, labels: {istio: eastwestgateway}}
---
kind: Pod
metadata: {name: b, labels: {app: b, security.istio.io/tlsMode: istio}}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Gateway
metadata: {name: cross-network}
spec:
  selector: {istio: eastwestgateway}
  servers:
    - port: {number: 15443, name: tls, protocol: TLS}
      hosts: ["*.default.svc.cluster.local"]
      tls: {mode: AUTO_PASSTHROUGH}
"""
ACCOUNT = "ns/default/sa/caller"
B_BY_SNI = "outbound_.80_._.b.default.svc.cluster.local"


def of_the_mesh(identity, **limits):
    """A workload's side: it shows a certificate of the mesh's authority for *identity*."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols(["istio"])
    for name, value in limits.items():
        setattr(made, name, value)
    mine = mesh_of_yaml.authority().issue(identity)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(mine.key + mine.chain)
        file.flush()
        made.load_cert_chain(file.name)
    return made


async def test_the_least_version_aliases_and_the_way_in_by_sni(stage):
    made = stage(MESH_WIDE)
    await made.backend("b", behind_sidecar=True)
    b, gateway = await made.envoy("b"), await made.envoy("east-west")

    async def ask(where, identity, **limits):
        context = of_the_mesh(f"spiffe://{identity}", **limits)
        return await asked(*where, context, B_BY_SNI)

    straight, around = (b.ip, 8080), (gateway.ip, 15443)
    assert await ask(straight, f"cluster.local/{ACCOUNT}") == "200"
    assert await ask(straight, f"cluster.local/{ACCOUNT}", maximum_version=V1_2) == "refused"
    assert await ask(straight, f"old.example/{ACCOUNT}") == "200"
    assert await ask(straight, f"elsewhere.example/{ACCOUNT}") == "refused"
    assert await ask(around, f"cluster.local/{ACCOUNT}") == "200"
    assert f"URI=spiffe://cluster.local/{ACCOUNT}" in made.seen[-1].headers["x-forwarded-client-cert"]
    await gateway.logged(B_BY_SNI)
