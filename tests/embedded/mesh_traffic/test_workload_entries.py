"""Workloads without a pod of their own, and pods, behind the hosts that choose them by labels."""

import dataclasses

MESH = """
kind: Pod
metadata: {name: client, labels: {app: client}}
---
kind: Pod
metadata: {name: machine, labels: {app: elsewhere}}
---
kind: Pod
metadata: {name: b1, labels: {app: b}}
spec: {containers: [{name: app}]}
status: {conditions: [{type: Ready, status: "True"}]}
---
kind: Pod
metadata: {name: b2, labels: {app: b}}
status: {conditions: [{type: Ready, status: "False"}]}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b, machine: "true"}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: ServiceEntry
metadata: {name: b}
spec:
  hosts: [b.example]
  location: MESH_INTERNAL
  addresses: [127.10.7.7]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  resolution: STATIC
  workloadSelector: {labels: {app: b}}
---
kind: Mesh
spec: {accessLogFile: /dev/stdout}
"""


async def answering(stage, host, *, machine=False):
    """The pods that answer the client; *machine*: whether a WorkloadEntry stands for one of them."""
    made = stage(MESH)
    if machine:
        spec = {
            "address": made.ip("machine"),
            "labels": {"app": "b", "machine": "true"},
            "ports": {"http": 8090},
        }
        meta = {"name": "machine", "namespace": "default", "creationTimestamp": ""}
        objects = [*made.mesh.objects, {"kind": "WorkloadEntry", "metadata": meta, "spec": spec}]
        made.mesh = dataclasses.replace(made.mesh, objects=objects)
    await made.backend("b1")
    await made.backend("machine", port=8090)
    client = await made.envoy("client")
    answers = [await made.through_sidecar(client, "127.10.7.7", 80, host) for _ in range(30)]
    return {each.json["pod"] if each.status == 200 else each.status for each in answers}


async def test_a_service_entry_chooses_the_pods_that_are_ready(stage):
    assert await answering(stage, "b.example") == {"b1"}


async def test_workload_entries_stand_beside_pods(stage):
    assert await answering(stage, "b.example", machine=True) == {"b1", "machine"}


async def test_a_service_of_kubernetes_leads_to_a_machine(stage):
    assert await answering(stage, "b.default.svc.cluster.local", machine=True) == {"machine"}
