"""Sidecars seen from both sides: what leaves by virtualOutbound, what enters by the pod's own ports."""

import asyncio
import contextlib
import json

import pytest
from aiohttp import web

CLIENT = """
kind: Pod
metadata: {name: client, labels: {app: client}}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Pod
metadata: {name: b1, labels: {app: b, version: v1}}
spec: {containers: [{name: app, ports: [{containerPort: 8080}, {containerPort: 9999}]}]}
"""
B = "127.10.0.10"
ALLOW_ANY = "---\nkind: Mesh\nspec: {accessLogFile: /dev/stdout}\n"
REGISTRY_ONLY = (
    "---\nkind: Mesh\nspec: {accessLogFile: /dev/stdout, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n"
)


@pytest.fixture
async def client(stage):
    """``client(text)``: a stage whose client pod has a running sidecar; b1 answers without one."""

    async def build(text="", settings=ALLOW_ANY):
        made = stage(CLIENT + settings + text)
        await made.backend("b1")
        made.sidecar = await made.envoy("client")
        return made

    return build


async def test_the_outbound_log_line_field_by_field(client):
    made = await client()
    answer = await made.through_sidecar(made.sidecar, B, 80, "b", extra="User-Agent: me\r\n")
    assert answer.json["pod"] == "b1"
    line = await made.sidecar.logged(' "GET / HTTP/1.1" 200 - via_upstream - "-" ')
    fields = line.split(" ")
    assert '"-" "me" "' in line
    assert fields[-7:-6] == [f'"{made.ip("b1")}:8080"']
    assert fields[-6] == "outbound|80||b.default.svc.cluster.local"
    assert fields[-5].startswith(f"{made.sidecar.ip}:")
    assert fields[-4] == f"{B}:80"
    assert fields[-3].startswith(f"{made.sidecar.ip}:")
    assert fields[-2:] == ["-", "default"]


async def test_the_inbound_log_line_names_the_pods_own_port(stage):
    made = stage(CLIENT + ALLOW_ANY)
    await made.backend("b1", behind_sidecar=True)
    sidecar = await made.envoy("b1")
    answer = await made.get(f"http://{sidecar.ip}:8080/x")
    assert answer.status == 200
    assert answer.headers["server"] == "istio-envoy"
    assert made.seen[0].peer == "127.0.0.6"
    line = await sidecar.logged(" 200 ")
    assert f'"{sidecar.ip}:8080" inbound|8080|| 127.0.0.6:' in line
    assert line.endswith(" - default")


async def test_an_inbound_port_that_no_service_names(stage):
    made = stage(CLIENT + ALLOW_ANY)
    await made.backend("b1", behind_sidecar=True, port=9999)
    sidecar = await made.envoy("b1")
    assert (await made.get(f"http://{sidecar.ip}:9999/")).json["pod"] == "b1"
    assert f'"{sidecar.ip}:9999" InboundPassthroughCluster' in await sidecar.logged(" 200 ")


async def test_an_app_that_does_not_listen(stage):
    made = stage(CLIENT + ALLOW_ANY)
    sidecar = await made.envoy("b1")
    assert (await made.get(f"http://{sidecar.ip}:8080/")).status == 503
    line = await sidecar.logged(" 503 URX,UF ", "inbound|8080||")  # connecting is tried three times
    assert "delayed_connect_error:_Connection_refused" in line


async def test_json_logs(client):
    settings = "---\nkind: Mesh\nspec: {accessLogFile: /dev/stdout, accessLogEncoding: JSON}\n"
    made = await client(settings=settings)
    await made.through_sidecar(made.sidecar, B, 80, "b", "/j")
    line = json.loads(await made.sidecar.logged('"/j"'))
    assert (line["response_code"], line["route_name"]) == (200, "default")
    assert line["upstream_cluster"] == "outbound|80||b.default.svc.cluster.local"
    assert line["upstream_host"] == f"{made.ip('b1')}:8080"


@pytest.mark.parametrize(
    "host", ["b", "b.default", "b.default.svc", "b.default.svc.cluster.local", B, "b:80"]
)
async def test_every_name_of_a_service(client, host):
    made = await client()
    assert (await made.through_sidecar(made.sidecar, B, 80, host)).status == 200


async def test_registry_only(client):
    made = await client(settings=REGISTRY_ONLY)
    unknown = await made.through_sidecar(made.sidecar, B, 80, "nobody")
    assert (unknown.status, unknown.text) == (502, "")
    assert (await made.sidecar.logged(" 502 - direct_response ")).endswith(" block_all")
    closed = await made.through_sidecar(made.sidecar, made.ip("b1"), 8080, "b")
    assert closed.status == 0, "a port no listener takes: the connection is closed"
    await made.sidecar.logged("BlackHoleCluster")


async def test_allow_any_goes_where_the_caller_wanted(client):
    made = await client(
        "\n---\nkind: Service\nmetadata: {name: c}\nspec: {ports: [{name: http, port: 8080}]}\n"
    )
    pod = made.ip("b1")
    assert (await made.through_sidecar(made.sidecar, pod, 8080, "nobody")).json["pod"] == "b1"
    line = await made.sidecar.logged(" 200 ", f'"{pod}:8080" PassthroughCluster')
    assert line.endswith(" allow_any")
    assert (await made.through_sidecar(made.sidecar, pod, 8080, "c")).status == 503, "c has no pods"


async def test_allow_any_to_a_cluster_ip_meets_kube_proxy(client):
    text = """
---
kind: Service
metadata: {name: hidden, namespace: away, annotations: {networking.istio.io/exportTo: "."}}
spec: {selector: {app: far}, ports: [{name: http, port: 81, targetPort: 8080}]}
---
kind: Pod
metadata: {name: far, namespace: away, labels: {app: far}}
"""
    made = await client(text)
    await made.backend("far")
    hidden = "127.10.0.11"
    assert (await made.through_sidecar(made.sidecar, B, 80, "nobody")).json["pod"] == "b1"
    assert (await made.sidecar.logged(f"PassthroughCluster|{B}:80")).endswith(" allow_any")
    assert (await made.through_sidecar(made.sidecar, hidden, 81, "hidden.away")).json["pod"] == "far"
    await made.sidecar.logged(f"PassthroughCluster|{hidden}:81")
    assert (await made.through_sidecar(made.sidecar, "127.10.9.9", 80, "nobody")).status == 503
    assert (await made.through_sidecar(made.sidecar, hidden, 80, "nobody")).status == 503
    assert (await made.through_sidecar(made.sidecar, hidden, 82, "nobody")).status == 0
    assert await say(made.sidecar, B, 80, b"not HTTP\n") == b""


async def test_a_port_no_listener_takes_is_passed_through_as_bytes(client):
    made = await client()
    pod = made.ip("b1")
    assert (await made.through_sidecar(made.sidecar, pod, 8080, "x")).json["pod"] == "b1"
    await made.sidecar.logged(f'"{pod}:8080" PassthroughCluster', f" {pod}:8080 ")


async def test_a_service_entry_for_a_hidden_service(client):
    text = """
---
kind: Service
metadata: {name: far, namespace: away, annotations: {networking.istio.io/exportTo: "."}}
spec: {selector: {app: far}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Pod
metadata: {name: far, namespace: away, labels: {app: far}}
---
kind: ServiceEntry
metadata: {name: far}
spec:
  hosts: [far.away.svc.cluster.local]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
"""
    made = await client(text, settings=REGISTRY_ONLY)
    await made.backend("far")
    answer = await made.through_sidecar(made.sidecar, "127.10.0.11", 80, "far.away.svc.cluster.local")
    assert answer.json["pod"] == "far"
    await made.sidecar.logged("outbound|80||far.away.svc.cluster.local")


SERVICE = "---\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: b}, ports: [PORT]}\n"


async def echo(made, pod, port):
    async def answer(reader, writer):
        writer.write(b"echo " + await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, made.ip(pod), port)
    made.at_end(server.close)


async def say(envoy, address, port, words):
    reader, writer = await asyncio.open_unix_connection(envoy.outbound)
    writer.write(f"PROXY TCP4 {envoy.ip} {address} 1 {port}\r\n".encode() + words)
    answer = b""
    with contextlib.suppress(ConnectionError):  # how a proxy closes what it does not want to read
        async with asyncio.timeout(5):
            answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("name", ["tcp", "undeclared"])
async def test_bytes(client, name):
    made = await client(SERVICE.replace("PORT", f"{{name: {name}, port: 7007}}"))
    await echo(made, "b1", 7007)
    assert await say(made.sidecar, "127.10.0.11", 7007, b"hello\n") == b"echo hello\n"
    await made.sidecar.logged("outbound|7007||s.default.svc.cluster.local")


async def test_a_port_of_undeclared_protocol_speaks_http_too(client):
    made = await client(SERVICE.replace("PORT", "{name: web, port: 8080}"))
    answer = await made.through_sidecar(made.sidecar, "127.10.0.11", 8080, "whatever")
    assert answer.json["pod"] == "b1"
    assert (await made.sidecar.logged("outbound|8080||s.default")).endswith(" default")


RULE = "---\nkind: DestinationRule\nmetadata: {name: b}\nspec: {host: b, trafficPolicy: %s}\n"


async def test_circuit_breaker(client):
    limits = "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}"
    made = await client(RULE % limits)
    release = asyncio.Event()

    async def wait(request):
        await release.wait()
        return web.json_response({})

    await made.close()  # b1 answers at once; here it must not
    await made.backend("b1", answer=wait)
    made.sidecar = await made.envoy("client")
    calls = [asyncio.create_task(made.through_sidecar(made.sidecar, B, 80, "b")) for _ in range(6)]
    line = await made.sidecar.logged(" 503 UO ")
    release.set()
    answers = await asyncio.gather(*calls)
    assert "upstream_reset_before_response_started{overflow}" in line
    assert {answer.status for answer in answers} == {200, 503}
    assert next(each for each in answers if each.status == 503).headers["x-envoy-overloaded"] == "true"


async def test_outlier_detection(client):
    eject = "consecutive5xxErrors: 2, interval: 1ms, baseEjectionTime: 60s, maxEjectionPercent: 100"
    made = await client(
        RULE % f"{{outlierDetection: {{{eject}}}}}"
        + "---\nkind: Pod\nmetadata: {name: bad, labels: {app: b}}\n"
    )

    async def fail(request):
        return web.Response(status=500)

    await made.backend("bad", answer=fail)

    async def status():
        return (await made.through_sidecar(made.sidecar, B, 80, "b")).status

    async def is_ejected():
        await status()
        return "failed_outlier_check" in await made.sidecar.ask("/clusters")

    await made.until(is_ejected)
    asked = [each.backend for each in made.seen].count("bad")
    assert asked >= 2
    assert [await status() for _ in range(20)] == [200] * 20, "nobody asks it again"
    assert [each.backend for each in made.seen].count("bad") == asked
