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


REGISTRY = (
    PODS
    + """
kind: Service
metadata: {name: front, namespace: mine}
spec: {ports: [{name: http, port: 80}, {name: http-admin, port: 81}]}
---
kind: Service
metadata: {name: store, namespace: theirs}
spec: {ports: [{name: tcp, port: 9000}]}
---
kind: ServiceEntry
metadata: {name: world, namespace: theirs}
spec: {hosts: [api.world.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
"""
)
FRONT, BACKEND = "front.mine.svc.cluster.local", "backend.theirs.svc.cluster.local"
STORE, WORLD = "store.theirs.svc.cluster.local", "api.world.example"


def heard_of(mesh, egress, more="", pod="client.mine"):
    """(hosts with routes on port 80, hosts and ports with clusters), where a Sidecar has *egress*."""
    sidecar = (
        f"kind: Sidecar\nmetadata: {{name: default, namespace: mine}}\nspec: {{egress: {egress}}}\n---\n"
    )
    snapshot = mesh(REGISTRY + more + sidecar).snapshot(pod)
    routes = snapshot.routes.get("80", {}).get("virtual_hosts", [])
    called = {tuple(name.split("|")[1::2]) for name in snapshot.clusters if name.startswith("outbound|")}
    return {each["name"].removesuffix(":80") for each in routes[:-1]}, {f"{h}:{p}" for p, h in called}


@pytest.mark.parametrize(
    ("egress", "served", "called"),
    [
        ("[{hosts: ['*/*']}]", {FRONT, BACKEND, WORLD}, {FRONT, BACKEND, STORE, WORLD}),
        ("[{hosts: ['./*']}]", {FRONT}, {FRONT}),
        ("[{hosts: ['theirs/*']}]", {BACKEND, WORLD}, {BACKEND, STORE, WORLD}),
        (f"[{{hosts: ['./*', '*/{BACKEND}']}}]", {FRONT, BACKEND}, {FRONT, BACKEND}),
        ("[{hosts: ['*/*.world.example']}]", {WORLD}, {WORLD}),
        ("[{hosts: ['~/*']}]", set(), set()),
    ],
)
def test_egress_says_what_is_heard_of(mesh, egress, served, called):
    routes, clusters = heard_of(mesh, egress)
    assert routes == served
    assert {each.partition(":")[0] for each in clusters} == called


def test_other_pods_hear_of_everything(mesh):
    assert heard_of(mesh, "[{hosts: ['./*']}]", pod="other")[0] == {FRONT, BACKEND, WORLD}


def test_an_entry_with_a_port_is_for_that_port_alone(mesh):
    egress = "[{port: {number: 81, protocol: HTTP, name: a}, hosts: ['./*']}, {hosts: ['theirs/*']}]"
    assert heard_of(mesh, egress) == (
        {BACKEND, WORLD},
        {f"{FRONT}:81", f"{BACKEND}:80", f"{STORE}:9000", f"{WORLD}:80"},
    )


def test_what_a_rule_leads_to_has_a_cluster_and_no_routes(mesh):
    rule = f"""
kind: VirtualService
metadata: {{name: front, namespace: mine}}
spec: {{hosts: [front], http: [{{route: [{{destination: {{host: {BACKEND}, port: {{number: 80}}}}}}]}}]}}
---
"""
    routes, clusters = heard_of(mesh, "[{hosts: ['./*']}]", rule)
    assert routes == {FRONT}
    assert clusters == {f"{FRONT}:80", f"{FRONT}:81", f"{BACKEND}:80"}


def test_rules_of_hosts_that_are_not_heard_of_do_not_count(mesh):
    rule = """
kind: VirtualService
metadata: {name: stranger, namespace: theirs}
spec: {hosts: [stranger.example], http: [{directResponse: {status: 418}}]}
---
"""
    assert "stranger.example" in heard_of(mesh, "[{hosts: ['*/*']}]", rule)[0]
    assert "stranger.example" not in heard_of(mesh, "[{hosts: ['./*']}]", rule)[0]
