"""What two real Envoys count about requests and connections between them, and what they are told not to."""

import asyncio
import re

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
  - {name: tcp, port: 82, targetPort: 8082}
  - {name: http-gone, port: 83, targetPort: 8083}
---
kind: Pod
metadata: {name: b1, labels: {app: b, version: v1, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: backend}
---
kind: Mesh
spec: {accessLogFile: /dev/stdout, defaultProviders: {metrics: [prometheus]}, %s}
"""
B = "127.10.0.10"
PRINCIPALS = {
    "source_principal": "spiffe://cluster.local/ns/default/sa/caller",
    "destination_principal": "spiffe://cluster.local/ns/default/sa/backend",
}
SAMPLE = re.compile(r"(?:envoy_wasmcustom_)?(istio_\w+)\{(.*)\} (\S+)")
"""The prefix goes where the bootstrap has made it a namespace of its own, as it does in a pod."""


async def samples(envoy, metric):
    """[(labels, value)] of *metric*: asked for twice, as what threads measured shows at the second time."""
    await envoy.ask("/stats/prometheus")
    lines = (await envoy.ask("/stats/prometheus")).splitlines()
    found = [match for each in lines if (match := SAMPLE.fullmatch(each)) and match[1] == metric]
    return [(dict(re.findall(r'(\w+)="(.*?)"', match[2])), float(match[3])) for match in found]


async def counted(made, envoy, metric, total=1):
    """The same, once they come to *total*."""

    async def found():
        seen = await samples(envoy, metric)
        return seen if sum(value for _, value in seen) == total else None

    return await made.until(found)


@pytest.fixture
async def mesh(stage):
    """``mesh(text, settings)``: a caller and a callee, both behind real sidecars."""

    async def build(text="", settings="", callee=True):
        made = stage(MESH % settings + text)
        for port in (8080, 8082):
            await made.backend("b1", port=port, behind_sidecar=True)
        made.callee = await made.envoy("b1") if callee else None
        made.caller = await made.envoy("client")
        return made

    return build


async def test_both_ends_count_a_request_and_know_each_other(mesh):
    made = await mesh()
    answers = [await made.through_sidecar(made.caller, B, 80, "b") for _ in range(2)]
    (sent,) = await counted(made, made.caller, "istio_requests_total", 2)
    (received,) = await counted(made, made.callee, "istio_requests_total", 2)
    (took,) = await samples(made.callee, "istio_request_duration_milliseconds_count")
    (size,) = await samples(made.caller, "istio_response_bytes_sum")
    ends = {
        "source_workload": "client",
        "source_workload_namespace": "default",
        "source_canonical_service": "client",
        "source_canonical_revision": "latest",
        "source_app": "client",
        "source_version": "unknown",
        "source_cluster": "Kubernetes",
        "destination_workload": "b1",
        "destination_workload_namespace": "default",
        "destination_canonical_service": "b",
        "destination_canonical_revision": "v1",
        "destination_app": "b",
        "destination_version": "v1",
        "destination_cluster": "Kubernetes",
        "destination_service": "b.default.svc.cluster.local",
        "destination_service_name": "b",
        "destination_service_namespace": "default",
        "request_protocol": "http",
        "response_code": "200",
        "grpc_response_status": "",
        "response_flags": "-",
        **PRINCIPALS,
    }

    assert [each.status for each in answers] == [200, 200]
    assert sent == (ends | {"reporter": "source", "connection_security_policy": "unknown"}, 2)
    assert received == (ends | {"reporter": "destination", "connection_security_policy": "mutual_tls"}, 2)
    assert took[1] == 2
    assert size[1] > 100
    assert "x-envoy-peer-metadata" not in made.seen[0].headers, "what proxies tell each other, apps don't see"


async def test_what_leads_nowhere_is_counted_too(mesh):
    made = await mesh("---\nkind: Mesh\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n")
    await made.through_sidecar(made.caller, B, 80, "stranger.example")
    await made.through_sidecar(made.caller, B, 83, "b")

    found = await counted(made, made.caller, "istio_requests_total", 2)
    by_code = {labels["response_code"]: labels for labels, _ in found}
    nowhere = {"destination_workload": "unknown", "destination_canonical_revision": "unknown"}

    assert by_code["502"].items() >= (nowhere | {"destination_service": "stranger.example"}).items()
    assert by_code["502"]["destination_service_name"] == "BlackHoleCluster"
    assert by_code["503"]["destination_service"] == "b.default.svc.cluster.local"


async def test_who_has_no_proxy_is_unknown(mesh):
    made = await mesh()
    await made.get(f"http://{made.callee.ip}:8080/")
    ((labels, _),) = await counted(made, made.callee, "istio_requests_total")

    assert labels["source_workload"] == labels["source_principal"] == "unknown"
    assert labels["connection_security_policy"] == "none"


async def test_a_connection_is_counted_when_it_opens_and_its_bytes_when_it_ends(mesh):
    made = await mesh()
    reader, writer = await asyncio.open_unix_connection(made.caller.outbound)
    writer.write(f"PROXY TCP4 {made.caller.ip} {B} 4242 82\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n".encode())
    await reader.readline()
    ((opened, count),) = await counted(made, made.callee, "istio_tcp_connections_opened_total")
    early = await samples(made.caller, "istio_tcp_connections_closed_total")
    lines = [each for each in made.caller.lines() if f"{B}:82" in each]
    writer.close()
    ((closed, ended),) = await counted(made, made.caller, "istio_tcp_connections_closed_total")
    ((_, sent),) = await samples(made.caller, "istio_tcp_received_bytes_total")

    assert (count, ended) == (1, 1)
    assert early == lines == [], "neither counted nor logged before it ends"
    assert opened["source_principal"] == PRINCIPALS["source_principal"]
    assert opened["connection_security_policy"] == "mutual_tls"
    assert (closed["destination_workload"], closed["request_protocol"]) == ("b1", "tcp")
    assert sent >= len("GET / HTTP/1.1\r\nHost: b\r\n\r\n")


CUSTOM = """
---
kind: Telemetry
metadata: {name: metrics, namespace: istio-system}
spec:
  metrics:
  - providers: [{name: prometheus}]
    overrides:
    - match: {metric: REQUEST_COUNT, mode: CLIENT}
      tagOverrides:
        request_host: {value: request.host}
        destination_x: {value: "string(destination.port)"}
        peer: {value: "upstream_peer.labels['app'].value"}
        response_code: {operation: REMOVE}
    - match: {metric: REQUEST_DURATION}
      disabled: true
    - match: {mode: SERVER}
      disabled: true
"""


async def test_a_telemetry_changes_labels_and_leaves_metrics_out(mesh):
    made = await mesh(CUSTOM)
    await made.through_sidecar(made.caller, B, 80, "b")
    ((labels, _),) = await counted(made, made.caller, "istio_requests_total")
    durations = await samples(made.caller, "istio_request_duration_milliseconds_count")
    ((sizes, _),) = await samples(made.caller, "istio_request_bytes_count")

    assert (labels["request_host"], labels["peer"]) == ("b", "b")
    assert "response_code" not in labels
    assert "response_code" in sizes
    assert durations == []
    assert await samples(made.callee, "istio_requests_total") == []
