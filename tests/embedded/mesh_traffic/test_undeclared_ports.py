"""A port that no Service names, behind a real sidecar: who gets in, by mutual TLS or not, and what counts.

The pod declares it, or not even that; both lead through ``InboundPassthroughCluster``. A caller in the mesh
shows its certificate there where a ServiceEntry of another namespace leads to the port (one of the pod's own
would declare it); who dials the pod's address shows none.
"""

import re

import pytest

MESH = """
kind: Pod
metadata: {name: client, labels: {app: client, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: caller}
---
kind: Pod
metadata: {name: b1, labels: {app: b, version: v1, security.istio.io/tlsMode: istio}}
spec:
  serviceAccountName: backend
  containers: [{name: app, ports: [{containerPort: 9998}, {containerPort: 9999}]}]
status: {conditions: [{type: Ready, status: "True"}]}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: ServiceEntry
metadata: {name: numbers, namespace: elsewhere}
spec:
  hosts: [numbers.example]
  addresses: [192.0.2.9]
  location: MESH_INTERNAL
  ports: [{number: 99, name: any, targetPort: 9999}]
  resolution: STATIC
  endpoints: [{address: NETWORK.11, labels: {security.istio.io/tlsMode: istio}}]
---
kind: Mesh
spec: {accessLogFile: /dev/stdout, defaultProviders: {metrics: [prometheus]}}
"""
CALLER = "spiffe://cluster.local/ns/default/sa/caller"
CLOSED = 0
"""No status at all: bytes are passed through to the address, and their connection ends."""


def policy(mode, ports=""):
    text = f"---\nkind: PeerAuthentication\nmetadata: {{name: all}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
    if ports:
        spec = f"{{selector: {{matchLabels: {{app: b}}}}, portLevelMtls: {{{ports}}}}}"
        text += f"---\nkind: PeerAuthentication\nmetadata: {{name: b}}\nspec: {spec}\n"
    return text


@pytest.fixture
async def mesh(stage):
    """``mesh(text)``: a caller and a callee, both behind real sidecars."""

    async def build(text=""):
        made = stage(MESH + text)
        for port in (9998, 9999):
            await made.backend("b1", port=port, behind_sidecar=True)
        made.callee, made.caller = await made.envoy("b1"), await made.envoy("client")
        return made

    return build


async def with_certificate(made):
    return (await made.through_sidecar(made.caller, "192.0.2.9", 99, "numbers.example")).status


async def by_address(made, port):
    ip = made.callee.ip
    return (await made.through_sidecar(made.caller, ip, port, f"{ip}:{port}")).status


@pytest.mark.parametrize(
    ("text", "secured", "plain", "beside"),
    [
        ("", 200, "200", "200"),
        (policy("STRICT"), 200, "closed", "closed"),
        (policy("DISABLE"), 503, "200", "200"),
        (policy("STRICT", "9999: {mode: DISABLE}"), 503, "200", "closed"),
        (policy("STRICT", "9999: {mode: PERMISSIVE}"), 200, "200", "closed"),
        (policy("DISABLE", "9999: {mode: STRICT}"), 200, "closed", "200"),
        (policy("STRICT", "9999: {mode: UNSET}"), 200, "closed", "closed"),
    ],
    ids=[
        "by default",
        "strict",
        "disable",
        "strict, the port not at all",
        "strict, the port as it comes",
        "the port alone is strict",
        "the port as all",
    ],
)
async def test_who_gets_in(mesh, text, secured, plain, beside):
    made = await mesh(text)

    assert await with_certificate(made) == secured
    if secured == 200:
        assert CALLER in made.seen[-1].headers["x-forwarded-client-cert"]
    assert await made.stranger(made.callee, 9999) == plain
    assert await by_address(made, 9999) == (200 if plain == "200" else CLOSED)
    assert await made.stranger(made.callee, 9998) == beside
    assert await by_address(made, 9998) == (200 if beside == "200" else CLOSED)


async def counted(made, total):
    """The labels of the requests that the callee has counted, once they come to *total*."""

    async def found():
        lines = (await made.callee.ask("/stats/prometheus")).splitlines()
        samples = [each for each in lines if "istio_requests_total{" in each]
        seen = [(dict(re.findall(r'(\w+)="(.*?)"', each)), float(each.split()[-1])) for each in samples]
        return [labels for labels, _ in seen] if sum(value for _, value in seen) == total else None

    return await made.until(found)


async def test_what_is_counted_there(mesh):
    made = await mesh()
    assert await with_certificate(made) == 200
    assert await made.stranger(made.callee, 9999) == "200"
    by_policy = {each["connection_security_policy"]: each for each in await counted(made, 2)}
    ours = {
        "reporter": "destination",
        "destination_workload": "b1",
        "destination_service": "b",
        "destination_service_name": "InboundPassthroughCluster",
        "destination_service_namespace": "default",
        "destination_canonical_revision": "v1",
        "response_code": "200",
    }

    assert by_policy["mutual_tls"].items() >= ours.items()
    assert by_policy["none"].items() >= ours.items()
    assert by_policy["mutual_tls"]["source_principal"] == CALLER
    assert by_policy["mutual_tls"]["source_workload"] == "client"
    assert by_policy["none"]["source_principal"] == by_policy["none"]["source_workload"] == "unknown"


DECLARED = """
---
kind: ServiceEntry
metadata: {name: own}
spec:
  hosts: [own.example]
  location: MESH_INTERNAL
  ports: [{number: 98, name: http, protocol: HTTP, targetPort: 9998}]
  resolution: STATIC
  workloadSelector: {labels: {app: b}}
"""


async def test_a_service_entry_of_the_pods_own_namespace_declares_it(mesh):
    made = await mesh(DECLARED)
    assert await by_address(made, 9998) == 200
    (labels,) = await counted(made, 1)

    assert '"GET / HTTP/1.1" 200' in await made.callee.logged(" inbound|9998|| ")
    assert labels["destination_service"] == labels["destination_service_name"] == "own.example"
