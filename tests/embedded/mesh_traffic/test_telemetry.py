"""What real Envoys log and trace, as Telemetries say: by side, provider and filter; spans to a collector."""

import asyncio
import json
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
  ports: [{name: http-zipkin, port: 9411}, {name: grpc-otlp, port: 4317}, {name: http-otlp, port: 4318}]
---
kind: Pod
metadata: {name: collector, labels: {app: collector}}
---
kind: Mesh
spec:
  extensionProviders:
  - name: zipkin
    zipkin: {service: collector.default.svc.cluster.local, port: 9411}
  - name: otlp
    opentelemetry:
      service: collector.default.svc.cluster.local
      port: 4317
      grpc: {timeout: 3s, initialMetadata: [{name: x-team, value: lab}]}
  - name: otlp-http
    opentelemetry:
      service: collector.default.svc.cluster.local
      port: 4318
      http: {path: v1/traces, timeout: 5s}
  - name: als
    envoyOtelAls: {service: collector.default.svc.cluster.local, port: 4317}
  - name: short
    envoyFileAccessLog: {path: /dev/stdout, logFormat: {labels: {code: "%RESPONSE_CODE%", short: "yes"}}}
---
kind: Telemetry
metadata: {name: mesh, namespace: istio-system}
spec:
"""
B = "127.10.0.10"


@pytest.fixture
async def mesh(stage):
    """``mesh(spec)``: a caller and a callee behind real sidecars, with a Telemetry of the mesh."""

    async def build(spec):
        made = stage(MESH + spec)

        async def answer(request):
            return web.Response(status=int(request.query.get("status", 200)))

        await made.backend("b1", behind_sidecar=True, answer=answer)
        made.callee, made.caller = await made.envoy("b1"), await made.envoy("client")
        return made

    return build


async def ask(made, path="/"):
    return (await made.through_sidecar(made.caller, B, 80, "b", path)).status


def written(envoy, part="/"):
    return [line for line in envoy.lines() if part in line and "GET" in line]


async def test_a_filter_keeps_out_what_went_well(mesh):
    made = await mesh("""
  accessLogging:
  - providers: [{name: envoy}]
    filter: {expression: "response.code >= 400"}
""")
    assert [await ask(made, f"/?status={code}") for code in (200, 404, 503)] == [200, 404, 503]
    await made.callee.logged("status=503")

    assert ["status=404" in each for each in written(made.callee, "status=")] == [True, False]
    assert len(written(made.caller, "status=")) == 2


async def test_logs_of_one_side_in_a_format_of_its_own(mesh):
    made = await mesh("""
  accessLogging:
  - providers: [{name: short}]
    match: {mode: SERVER}
""")
    assert await ask(made) == 200
    line = json.loads(await made.callee.logged('"short"'))

    assert line == {"code": 200, "short": "yes"}
    assert [each for each in made.caller.lines() if '"short"' in each] == []


async def test_spans_reach_a_zipkin_collector(mesh):
    made = await mesh("""
  tracing:
  - providers: [{name: zipkin}]
    randomSamplingPercentage: 100
    customTags:
      stage: {literal: {value: lab}}
      agent: {header: {name: user-agent, defaultValue: nobody}}
      home: {environment: {name: LABKIT_UNKNOWN}}
""")
    spans = []

    async def collect(request):
        spans.extend(await request.json())
        return web.Response(status=202)

    await made.backend("collector", port=9411, answer=collect)
    assert await ask(made, "/traced") == 200
    await made.until(lambda: {each["kind"] for each in spans} == {"CLIENT", "SERVER"})
    client, server = sorted(spans, key=lambda each: each["kind"])

    assert client["traceId"] == server["traceId"]
    assert server["parentId"] == client["id"]
    tags = server["tags"]
    assert (tags["stage"], tags["agent"], tags["home"]) == ("lab", "nobody", "unknown")
    assert (tags["istio.namespace"], tags["istio.mesh_id"]) == ("default", "unknown")
    assert tags["http.status_code"] == "200"


@pytest.fixture
def otlp():
    """``otlp(address)``: an OTLP collector; its calls: (method, message, metadata)."""
    servers = []

    def serve(address):
        got = []

        def handle(data, context):
            got.append((method, data, dict(context.invocation_metadata())))
            return b""

        class Any(grpc.GenericRpcHandler):
            def service(self, details):
                nonlocal method
                method = details.method
                return grpc.unary_unary_rpc_method_handler(handle)

        method = ""
        server = grpc.server(ThreadPoolExecutor(2), handlers=[Any()])
        server.add_insecure_port(address)
        server.start()
        servers.append(server)
        return got

    yield serve
    for each in servers:
        each.stop(None).wait()


async def test_spans_and_logs_reach_an_opentelemetry_collector(mesh, otlp):
    made = await mesh("""
  accessLogging:
  - providers: [{name: als}]
  tracing:
  - providers: [{name: otlp}]
    randomSamplingPercentage: 100
""")
    got = otlp(f"{made.ip('collector')}:4317")
    assert await ask(made, "/traced") == 200
    traces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    logs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
    await made.until(lambda: {method for method, _, _ in got} >= {traces, logs})

    assert any(b"/traced" in data for method, data, _ in got if method == logs)
    assert {sent.get("x-team") for method, _, sent in got if method == traces} == {"lab"}
    assert made.callee.process.poll() is None


async def test_spans_reach_it_over_http_too(mesh):
    made = await mesh("""
  tracing:
  - providers: [{name: otlp-http}]
    randomSamplingPercentage: 100
""")
    got = asyncio.Queue()

    async def collect(request):
        await got.put((request.path, await request.read()))
        return web.Response()

    await made.backend("collector", port=4318, answer=collect)
    assert await ask(made, "/traced") == 200
    async with asyncio.timeout(15):
        path, body = await got.get()

    assert path == "/v1/traces"
    assert b"istio.canonical_service" in body
