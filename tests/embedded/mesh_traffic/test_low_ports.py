"""Pods whose ports are below the lowest one that the account may open, called through real proxies."""

import pytest

MESH = """
kind: Pod
metadata: {name: client, labels: {app: client}}
---
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
kind: Service
metadata: {name: peers}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}
---
kind: Service
metadata: {name: hidden, annotations: {networking.istio.io/exportTo: "."}, namespace: other}
spec: {selector: {app: alone}, ports: [{name: http, port: 81, targetPort: 81}]}
---
kind: Pod
metadata: {name: web1, labels: {app: web}}
spec: {containers: [{name: app, ports: [{containerPort: 80}, {containerPort: 82}]}]}
---
kind: Pod
metadata: {name: alone, labels: {app: alone}, namespace: other}
spec: {containers: [{name: app, ports: [{containerPort: 81}]}]}
---
kind: Pod
metadata:
  name: world
  namespace: outside-world
  labels: {}
  annotations: {labkit.dev/outside-hosts: '["en.wiki.example", "real.example"]'}
---
kind: ServiceEntry
metadata: {name: wiki}
spec:
  hosts: ["*.wiki.example"]
  ports: [{number: 80, name: http, protocol: HTTP}]
---
kind: AuthorizationPolicy
metadata: {name: not-here}
spec:
  action: DENY
  selector: {matchLabels: {app: web}}
  rules: [{to: [{operation: {ports: ["80", "84"], paths: [/secret]}}]}]
---
kind: Mesh
spec: {accessLogFile: /dev/stdout}
"""


@pytest.fixture
async def mesh(stage):
    """Proxies of the client and of ``web``, whose app is on 80, 82 and, undeclared, 84; others have none."""
    made = stage(MESH)
    made.mesh.state.open_ports = {made.ip("web1"): frozenset({84})}
    for port in (80, 82, 84):
        await made.backend("web1", port=port, behind_sidecar=True)
    await made.backend("alone.other", port=81)
    await made.backend("world.outside-world", port=80)
    made.client, made.web = await made.envoy("client"), await made.envoy("web1")
    return made


async def test_a_low_port_is_reached_however_it_is_called(mesh):
    web, alone, world = map(mesh.ip, ("web1", "alone.other", "world.outside-world"))
    services = {each.name: each.addresses for each in mesh.mesh.state.kubernetes_services}
    ways = {
        "a Service": (*services["web"], 8000, "web", "web1"),
        "a headless Service": (web, 80, "peers", "web1"),
        "a pod's address, by HTTP of another name": (web, 80, "nobody", "web1"),
        "a pod's address, on a port that no Service has": (web, 82, "nobody", "web1"),
        "a pod's address, on a port that nobody declares": (web, 84, "nobody", "web1"),
        "a pod without a proxy": (alone, 81, "nobody", "alone.other"),
        "a Service that is not exported": (*services["hidden"], 81, "nobody", "alone.other"),
        "a host that is played": (world, 80, "en.wiki.example", "world.outside-world"),
    }
    for way, (address, port, host, pod) in ways.items():
        answer = await mesh.through_sidecar(mesh.client, address, port, host)
        assert (answer.status, answer.json["pod"]) == (200, pod), way
    assert (await mesh.through_sidecar(mesh.client, web, 83, "nobody")).status == 0
    assert (await mesh.through_sidecar(mesh.client, services["web"][0], 80, "nobody")).status == 503


async def test_rules_and_the_callees_log_name_the_port_that_is_meant(mesh):
    address, port = *mesh.mesh.state.kubernetes_service("web.default.svc.cluster.local").addresses, 8000
    assert (await mesh.through_sidecar(mesh.client, address, port, "web", "/secret")).status == 403
    assert (await mesh.through_sidecar(mesh.client, address, port, "web", "/open")).status == 200
    line = await mesh.web.logged("GET /open")
    assert f'"{mesh.ip("web1")}:80" inbound|80||' in line
    web = mesh.ip("web1")
    assert (await mesh.through_sidecar(mesh.client, web, 84, "nobody", "/secret")).status == 403
    assert (await mesh.through_sidecar(mesh.client, web, 84, "nobody", "/undeclared")).status == 200
    assert f'"{web}:84" InboundPassthroughCluster' in await mesh.web.logged("GET /undeclared")
