"""A Sidecar's outbound policy: for one namespace, for chosen pods, over the mesh's own."""

import pytest

PODS = """
kind: Deployment
metadata: {name: client, namespace: mine}
spec:
  template: {metadata: {labels: {app: client}}}
---
kind: Deployment
metadata: {name: other, namespace: theirs}
spec:
  template: {metadata: {labels: {app: other}}}
---
kind: Deployment
metadata: {name: backend, namespace: theirs}
spec:
  template: {metadata: {labels: {app: backend}}}
---
kind: Service
metadata: {name: backend, namespace: theirs}
spec: {selector: {app: backend}, ports: [{name: http, port: 80}]}
---
kind: Mesh
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
---
"""
OPEN = """
kind: Sidecar
metadata: {name: default, namespace: mine}
spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}
---
"""
CLOSED_FOR_CLIENTS = """
kind: Sidecar
metadata: {name: clients, namespace: mine}
spec:
  workloadSelector: {labels: {app: client}}
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
---
"""
SILENT = """
kind: Sidecar
metadata: {name: default, namespace: mine}
spec: {egress: [{hosts: ["*/*"]}]}
---
"""


def catch_all(mesh, pod):
    return mesh.snapshot(pod).routes["80"]["virtual_hosts"][-1]["name"]


def for_bytes(mesh, pod):
    chains = mesh.snapshot(pod).listeners["virtualOutbound"]["filter_chains"]
    rest = next(each for each in chains if each["name"].endswith("catchall-tcp"))
    return rest["filters"][0]["typed_config"]["cluster"]


def test_it_opens_one_namespace(mesh):
    found = mesh(PODS + OPEN)

    assert (catch_all(found, "client"), for_bytes(found, "client")) == ("allow_any", "PassthroughCluster")
    assert (catch_all(found, "other"), for_bytes(found, "other")) == ("block_all", "BlackHoleCluster")


@pytest.mark.parametrize("order", [OPEN + CLOSED_FOR_CLIENTS, CLOSED_FOR_CLIENTS + OPEN])
def test_one_for_chosen_pods_comes_first(mesh, order):
    assert catch_all(mesh(PODS + order), "client") == "block_all"


def test_one_that_says_nothing_changes_nothing(mesh):
    assert catch_all(mesh(PODS + SILENT), "client") == "block_all"


def test_the_root_namespaces_is_for_all(mesh):
    found = mesh(PODS + OPEN.replace("mine", "istio-system"))

    assert catch_all(found, "other") == "allow_any"


def test_the_mesh_stays_as_it_was_for_others(mesh):
    """Whoever is translated first: nothing leaks from one proxy's view into another's."""
    found = mesh(PODS + OPEN)

    assert [catch_all(found, pod) for pod in ("other", "client", "other")] == [
        "block_all",
        "allow_any",
        "block_all",
    ]
