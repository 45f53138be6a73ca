"""Spans of real Envoys reach Datadog, SkyWalking and OpenTelemetry collectors, as these speak."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from aiohttp import web

MESH = """
kind: Pod
metadata: {name: client, labels: {app: client}}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Pod
metadata: {name: b1, labels: {app: b}}
---
kind: Service
metadata: {name: collector}
spec:
  selector: {app: collector}
  ports: [{name: http-datadog, port: 8126}, {name: grpc-oap, port: 11800}, {name: http-otlp, port: 4318}]
---
kind: Pod
metadata: {name: collector, labels: {app: collector}}
---
kind: Mesh
spec:
  extensionProviders:
  - name: datadog
    datadog: {service: collector.default.svc.cluster.local, port: 8126}
  - name: skywalking
    skywalking: {service: collector.default.svc.cluster.local, port: 11800}
  - name: otlp
    opentelemetry:
      service: collector.default.svc.cluster.local
      port: 4318
      serviceAttributeEnrichment: OTEL_SEMANTIC_CONVENTIONS
      http: {path: v1/traces, timeout: 5s, headers: [{name: x-token, envName: COLLECTOR_TOKEN}]}
  - name: sampled
    opentelemetry:
      service: collector.default.svc.cluster.local
      port: 4318
      http: {path: v1/traces, timeout: 5s, headers: [{name: x-token, envName: COLLECTOR_TOKEN}]}
      dynatraceSampler: {tenant: lab, clusterId: 7}
---
kind: Telemetry
metadata: {name: mesh, namespace: istio-system}
spec:
  tracing:
  - randomSamplingPercentage: 100
    providers:
"""
B = "127.10.0.10"


@pytest.fixture
async def mesh(stage):
    """``mesh(provider)``: a caller and a callee behind real sidecars, whose spans go to *provider*."""

    async def build(provider):
        made = stage(f"{MESH}    - name: {provider}\n")
        await made.backend("b1", behind_sidecar=True)
        made.callee, made.caller = await made.envoy("b1"), await made.envoy("client")
        return made

    return build


@pytest.fixture
def collected():
    """``collected(made, port)``: a collector over HTTP, and the queue of what it is sent."""

    async def serve(made, port):
        got = asyncio.Queue()

        async def collect(request):
            await got.put((request.path, dict(request.headers), await request.read()))
            return web.json_response({})

        await made.backend("collector", port=port, answer=collect)
        return got

    return serve


async def first(got, wanted):
    """The first thing sent to the path *wanted*."""
    async with asyncio.timeout(20):
        while True:
            path, headers, body = await got.get()
            if path == wanted:
                return headers, body


async def ask(made):
    assert (await made.through_sidecar(made.caller, B, 80, "b", "/traced")).status == 200


async def test_datadogs_agent_gets_traces(mesh, collected):
    made = await mesh("datadog")
    got = await collected(made, 8126)
    await ask(made)
    headers, body = await first(got, "/v0.4/traces")

    assert headers["Host"] == "collector.default.svc.cluster.local"
    assert headers["Content-Type"] == "application/msgpack"
    assert any(each in body for each in (b"client.default", b"b.default"))


async def test_skywalkings_backend_gets_segments(mesh):
    made = await mesh("skywalking")
    sent = asyncio.Queue()

    async def collect(segments, _):
        async for each in segments:
            await sent.put(each)
        return b""

    handler = grpc.method_handlers_generic_handler(
        "skywalking.v3.TraceSegmentReportService", {"collect": grpc.stream_unary_rpc_method_handler(collect)}
    )
    server = grpc.aio.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"{made.ip('collector')}:11800")
    await server.start()
    try:
        await ask(made)
        async with asyncio.timeout(20):
            segments = [await sent.get() for _ in range(2)]
    finally:
        await server.stop(None)

    assert all(b"/traced" in each for each in segments), "one of each proxy"


async def test_a_header_may_come_from_istiods_environment_and_a_name_by_conventions(mesh, collected):
    made = await mesh("otlp")
    got = await collected(made, 4318)
    await ask(made)
    headers, body = await first(got, "/v1/traces")

    assert headers["x-token"] == made.mesh.state.environment["COLLECTOR_TOKEN"]
    assert b"service.name" in body
    assert b"client.default" not in body
    assert b"b.default.svc" in body


async def test_dynatrace_is_asked_what_to_trace(mesh, collected):
    made = await mesh("sampled")
    got = await collected(made, 4318)
    headers, _ = await first(got, "/api/v2/samplingConfiguration")
    await ask(made)
    _, body = await first(got, "/v1/traces")

    assert headers["x-token"] == made.mesh.state.environment["COLLECTOR_TOKEN"]
    assert b"traced" in body
