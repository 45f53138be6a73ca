"""What real Envoys open because a manifest names it: their container's own, and nothing else here."""

import pytest
from aiohttp import web

MESH = """
kind: Pod
metadata: {name: caller, labels: {app: caller}}
spec:
  containers:
  - {name: app, ports: [{containerPort: 8080}]}
  - name: istio-proxy
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: shared, mountPath: /part, subPath: part}
    - {name: shared, mountPath: /seen, readOnly: true}
    - {name: settings, mountPath: /settings}
  volumes: [{name: shared, emptyDir: {}}, {name: settings, configMap: {name: settings}}]
---
"""
LOGS = """
kind: Mesh
spec: {extensionProviders: [PROVIDERS]}
---
kind: Telemetry
metadata: {name: mesh, namespace: istio-system}
spec: {accessLogging: [{providers: [NAMES]}]}
"""
OWN = {
    "/dev/stdout": "caller.log",
    "/tmp/it.log": "caller.d/tmp/it.log",
    "/shared/it.log": "volumes/shared/it.log",
    "/part/it.log": "volumes/shared/part/it.log",
}
NOT_OWN = (
    "HERE/host.log",
    "/tmp/../HERE/host.log",
    "/shared/../HERE/host.log",
    "/shared/../../../host.log",
    "/shared/sub/it.log",
    "/shared/",
    "/shared",
    "/seen/seen.log",
    "/settings/settings.log",
    "../host.log",
)


@pytest.fixture
def here(stage):
    """The folder of the stage, with the folders that the kubelet makes for the pod."""
    folder = stage("").folder
    for each in ("caller.d/tmp", "volumes/shared/part", "volumes/settings"):
        (folder / each).mkdir(parents=True)
    return folder


def logs(paths, here):
    named = dict(enumerate(each.replace("HERE", str(here)) for each in paths))
    providers = [f'{{name: l{n}, envoyFileAccessLog: {{path: "{path}"}}}}' for n, path in named.items()]
    return LOGS.replace("PROVIDERS", ", ".join(providers)).replace(
        "NAMES", ", ".join(f"{{name: l{n}}}" for n in named)
    )


async def called(stage, text):
    made = stage(MESH + text)
    await made.backend("caller", behind_sidecar=True)
    envoy = await made.envoy("caller")
    assert (await made.get(f"http://{envoy.ip}:8080/x")).status == 200
    return made


async def test_logs_are_written_to_the_containers_own_files_and_to_no_others(stage, here):
    made = await called(stage, logs([*OWN, *NOT_OWN], here))
    for place in OWN.values():
        await made.until(lambda where=here / place: where.exists() and "GET /x " in where.read_text())

    written = {str(each.relative_to(here)) for each in here.rglob("*.log")}
    assert written == set(OWN.values())


async def test_the_meshs_own_log_too(stage, here):
    made = await called(stage, f"kind: Mesh\nspec: {{accessLogFile: {here}/host.log}}\n")
    assert not list(made.folder.rglob("host.log"))


SOCKETS = """
kind: ServiceEntry
metadata: {name: own}
spec:
  hosts: [own.example]
  addresses: [127.10.9.1]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: "unix:///shared/own"}]
---
kind: ServiceEntry
metadata: {name: host}
spec:
  hosts: [host.example]
  addresses: [127.10.9.2]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: "unix://HERE/host"}]
---
kind: Sidecar
metadata: {name: caller}
spec:
  ingress:
  - {port: {number: 9001, protocol: HTTP, name: own}, defaultEndpoint: "unix:///shared/own"}
  - {port: {number: 9002, protocol: HTTP, name: host}, defaultEndpoint: "unix://HERE/host"}
"""


async def test_unix_sockets_are_those_of_the_containers_volumes(stage, here):
    async def answer(_):
        return web.Response(text="from a socket")

    server = web.ServerRunner(web.Server(answer))
    await server.setup()
    for place in ("volumes/shared/own", "host"):
        await web.UnixSite(server, str(here / place)).start()
    made = stage(MESH + SOCKETS.replace("HERE", str(here)))
    envoy = await made.envoy("caller")

    async def inbound(port):
        return (await made.get(f"http://{envoy.ip}:{port}/")).status

    async def outbound(address, host):
        return (await made.through_sidecar(envoy, address, 80, host)).status

    assert [await inbound(9001), await outbound("127.10.9.1", "own.example")] == [200, 200]
    assert [await inbound(9002), await outbound("127.10.9.2", "host.example")] == [503, 503]
    await server.cleanup()
