"""A Sidecar's ingress: it leads to the app on another port, and ends TLS that is not the mesh's."""

import base64
import ssl

import aiohttp
import pytest
import yaml

from ...certificates import authority, pair, pem

MESH = """
kind: Pod
metadata: {name: b1, labels: {app: b}}
spec:
  containers:
  - {name: app, ports: [{containerPort: 9999}]}
  - name: istio-proxy
    volumeMounts: [{name: shown, mountPath: /certificates/}, {name: callers, mountPath: /callers}]
  volumes: [{name: shown, secret: {secretName: shown}}, {name: callers, secret: {secretName: callers}}]
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 7070}]}
---
kind: Sidecar
metadata: {name: b}
spec:
  workloadSelector: {labels: {app: b}}
  ingress:
  - {port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:8080"}
  - port: {number: 9443, protocol: HTTPS, name: https}
    defaultEndpoint: 0.0.0.0:8080
    tls:
      mode: MODE
      serverCertificate: /certificates/tls.crt
      privateKey: /certificates/tls.key
      caCertificates: /callers/ca.crt
---
kind: PeerAuthentication
metadata: {name: b}
spec:
  selector: {matchLabels: {app: b}}
  mtls: {mode: PERMISSIVE}
  portLevelMtls: {9443: {mode: PEER}}
---
kind: Mesh
spec: {accessLogFile: /dev/stdout}
---
"""
SHOWN, CALLER = pair("b", "servers", "b.example"), pair("caller", "callers", "caller.example")


def secret(name, **data):
    found = {key.replace("__", "."): base64.b64encode(each).decode() for key, each in data.items()}
    meta = {"name": name, "namespace": "default"}
    return "---\n" + yaml.safe_dump({"kind": "Secret", "metadata": meta, "data": found})


@pytest.fixture
async def server(stage):
    """``server(mode, peer)``: the stage, with ``sidecar``, the proxy of an app that listens on 8080."""

    async def build(mode="SIMPLE", peer="DISABLE"):
        text = MESH.replace("MODE", mode).replace("PEER", peer)
        text += secret("shown", tls__crt=SHOWN[0], tls__key=SHOWN[1])
        made = stage(text + secret("callers", ca__crt=pem(authority("callers")[0])))
        await made.backend("b1", behind_sidecar=True)
        made.sidecar = await made.envoy("b1")
        return made

    return build


async def secured(made, path, shown, folder):
    context = ssl.create_default_context(cadata=pem(authority("servers")[0]).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if shown:
        file = folder / "caller.pem"
        file.write_bytes(shown[0] + shown[1])
        context.load_cert_chain(file)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
    url = f"https://{made.sidecar.ip}:9443{path}"
    async with session, session.get(url, server_hostname="b.example") as answer:
        return await answer.json()


async def test_a_port_of_its_own_leads_to_the_apps(server):
    made = await server()
    assert (await made.get(f"http://{made.sidecar.ip}:9080/x")).json == {"pod": "b1", "path": "/x"}
    assert " inbound|9080|| " in await made.sidecar.logged("/x")


@pytest.mark.parametrize(("mode", "shown"), [("SIMPLE", None), ("MUTUAL", CALLER)])
async def test_tls_ends_at_the_sidecar(server, tmp_path, mode, shown):
    made = await server(mode)
    assert await secured(made, "/y", shown, tmp_path) == {"pod": "b1", "path": "/y"}
    assert " inbound|9443|| " in await made.sidecar.logged("/y")


async def test_mutual_tls_wants_the_callers_certificate(server, tmp_path):
    made = await server("MUTUAL")
    with pytest.raises(aiohttp.ClientError):
        await secured(made, "/", None, tmp_path)


async def test_where_the_meshs_own_tls_is_on_the_other_does_not_count(server, tmp_path):
    made = await server("SIMPLE", "PERMISSIVE")
    with pytest.raises(aiohttp.ClientError):
        await secured(made, "/", None, tmp_path)
    assert (await made.get(f"http://{made.sidecar.ip}:9443/plain")).status == 200
