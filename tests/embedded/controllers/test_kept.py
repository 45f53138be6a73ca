"""What is kept of storage goes when nobody uses it; ReplicationControllers keep their pods."""

from __future__ import annotations

from labkit.embedded.objects import name_of

from .conftest import World

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def test_a_claim_stays_while_a_pod_names_it(world: World) -> None:
    world.create("persistentvolumeclaims", "data", spec=CLAIM)
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    world.create("pods", "p", spec={"containers": [{"name": "c", "image": "i"}], "volumes": [volume]})
    world.delete("persistentvolumeclaims", "data")
    assert world.client.find("persistentvolumeclaims", "data", "dev")
    world.delete("pods", "p", grace_seconds=0)
    assert world.client.find("persistentvolumeclaims", "data", "dev") is None


async def test_a_volume_that_is_bound_to_none_goes(world: World) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
    world.create("persistentvolumes", "disk", "", spec=spec)
    world.delete("persistentvolumes", "disk", "")
    assert world.client.find("persistentvolumes", "disk") is None


async def test_a_replication_controller_keeps_its_pods(world: World) -> None:
    template = {"metadata": {"labels": {"app": "old"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    world.create("replicationcontrollers", "old", spec={"replicas": 2, "template": template})
    first = world.pods()[0]
    world.delete("pods", name_of(first))
    assert len(world.pods()) == 2
    world.run_all()
    status = world.client.get("replicationcontrollers", "old", "dev")["status"]
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
