"""A state reached by changing VirtualServices alone: the same as one made from nothing, with less work."""

import copy

import pytest

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.resources import VIRTUAL_SERVICES
from labkit.embedded.mesh.translate import translate

TOWN = """
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp, port: 90}]}
---
kind: Service
metadata: {name: db, namespace: other}
spec: {selector: {app: db}, ports: [{name: tcp, port: 90}]}
---
kind: Service
metadata: {name: gate}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80, targetPort: 80}]}
---
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}}}}
---
kind: Deployment
metadata: {name: gate}
spec: {template: {metadata: {labels: {istio: ingressgateway}}}}
---
kind: Gateway
metadata: {name: door}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  gateways: [mesh, door]
  http: [{route: [{destination: {host: web, port: {number: 80}}}]}]
  tcp: [{route: [{destination: {host: web, port: {number: 90}}}]}]
"""
NARROW = """
---
kind: Sidecar
metadata: {name: default}
spec: {egress: [{hosts: ["./*"]}]}
"""
STRICT = """
---
kind: Sidecar
metadata: {name: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
"""


def _led_elsewhere(objects):
    changed = copy.deepcopy(objects)
    for rule in (*changed[0]["spec"]["http"], *changed[0]["spec"]["tcp"]):
        rule["route"][0]["destination"] = {"host": "db.other.svc.cluster.local", "port": {"number": 90}}
    return changed


@pytest.mark.parametrize("rest", ["", NARROW, STRICT], ids=["plain", "scope", "mode"])
@pytest.mark.parametrize("name", ["web", "gate"])
def test_one_reached_by_changes_is_as_one_made_from_nothing(mesh, name, rest):
    town = mesh(TOWN + rest)
    state, proxy = town.state, town.proxy(name)
    before, first = translate(state, proxy), state.objects[VIRTUAL_SERVICES]
    for services in (_led_elsewhere(first), [], first):
        state = state.unrouted.routed(services)
        objects = {**state.objects, VIRTUAL_SERVICES: services}
        anew = MeshState(objects, mesh=town.state.mesh, lowest_port=town.lowest_port)
        assert translate(state, proxy) == translate(anew, proxy)
    assert translate(state, proxy) == before


def test_what_no_virtual_service_acts_on_is_made_once(mesh):
    town = mesh(TOWN)
    proxy = town.proxy("web")
    before = translate(town.state, proxy)
    services = _led_elsewhere(town.state.objects[VIRTUAL_SERVICES])
    after = translate(town.state.unrouted.routed(services), proxy)
    assert after.routes != before.routes
    assert after.clusters is before.clusters
    inbound = [name for name, each in before.listeners.items() if each["traffic_direction"] == "INBOUND"]
    assert inbound
    assert all(after.listeners[name] is before.listeners[name] for name in inbound)


def test_only_virtual_services_may_differ(mesh):
    state = mesh(TOWN).state
    same = dict(state.objects)
    assert state.is_routed_anew({**same, VIRTUAL_SERVICES: []}, {}, {})
    for resource in same.keys() - {VIRTUAL_SERVICES}:
        assert not state.is_routed_anew({**same, resource: [*same[resource], {"metadata": {}}]}, {}, {})
        if same[resource]:
            assert not state.is_routed_anew({**same, resource: copy.deepcopy(same[resource])}, {}, {})
    assert not state.is_routed_anew(same, {("issuer", "https://keys.example"): "{}"}, {})
    assert not state.is_routed_anew(same, {}, {"127.42.0.2": frozenset({7000})})
