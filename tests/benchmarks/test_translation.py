"""Budget: a snapshot of 200 services and 200 VirtualServices is computed in 50 ms, growing linearly."""

import time

import pytest

from labkit.embedded.mesh import resources
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import node_id
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.translate import translate

pytestmark = pytest.mark.benchmark


def meta(name, **more):
    return {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z", **more}


def objects(count, ports):
    """*count* services with a pod and a VirtualService each, spread over so many *ports*."""
    found = {
        resources.SERVICES: [],
        resources.ENDPOINT_SLICES: [],
        resources.VIRTUAL_SERVICES: [],
        resources.PODS: [],
        resources.GATEWAYS: [],
    }
    for n in range(count):
        port, ip = 8000 + n % ports, f"127.42.{n // 250}.{n % 250 + 1}"
        labels = {"app": f"s{n}", "version": "v1"}
        spec = {
            "selector": {"app": f"s{n}"},
            "clusterIP": f"127.10.{n // 250}.{n % 250 + 1}",
            "ports": [{"name": "http", "port": port, "targetPort": 8080}],
        }
        found[resources.SERVICES].append({"metadata": meta(f"s{n}"), "spec": spec})
        pod = {"metadata": meta(f"s{n}-1", labels=labels), "status": {"podIP": ip}, "spec": {}}
        found[resources.PODS].append(pod)
        owner = {"kubernetes.io/service-name": f"s{n}"}
        endpoint = {"addresses": [ip], "targetRef": {"kind": "Pod", "name": f"s{n}-1"}}
        found[resources.ENDPOINT_SLICES].append(
            {
                "metadata": meta(f"s{n}-x", labels=owner),
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": [endpoint],
            }
        )
        to = [
            {"destination": {"host": f"s{n}"}, "weight": 90},
            {"destination": {"host": f"s{(n + 1) % count}"}, "weight": 10},
        ]
        rule = {"match": [{"uri": {"prefix": f"/s{n}"}}], "route": to, "timeout": "5s"}
        spec = {"hosts": [f"s{n}"], "gateways": ["mesh", "gw"], "http": [rule, {"route": to[:1]}]}
        found[resources.VIRTUAL_SERVICES].append({"metadata": meta(f"s{n}"), "spec": spec})
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    found[resources.GATEWAYS].append({"metadata": meta("gw"), "spec": {"selector": {}, "servers": [server]}})
    return found


def seconds(kind, count, ports):
    """The best of three whole computations: index and snapshot."""
    given, mesh = objects(count, ports), MeshConfig(access_log_file="/dev/stdout")
    proxy = Proxy.from_node(node_id(kind, "127.42.0.1", "s0-1", "default"), {"LABELS": {"app": "s0"}})
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        snapshot = translate(MeshState(given, mesh=mesh), proxy)
        best = min(best, time.perf_counter() - start)
    assert len(snapshot.clusters) >= count
    return best


@pytest.mark.parametrize(
    ("kind", "ports"),
    [("sidecar", 1), ("sidecar", 200), ("router", 1)],
    ids=["one-port", "200-ports", "gateway"],
)
def test_snapshot_of_200_services(kind, ports, figure):
    small, large = seconds(kind, 100, ports), seconds(kind, 400, ports)
    budgeted = seconds(kind, 200, ports)
    measured = f"{budgeted * 1000:.0f} ms; from 100 to 400 services × {large / small:.1f}"
    what = f"snapshot of 200 services, {kind}, {ports} port{'s' * (ports > 1)}"
    figure(what, measured, "50 ms, linear", met=budgeted < 0.05 and large / small < 5)
