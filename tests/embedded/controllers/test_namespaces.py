"""Namespaces: what they are born with, and how they end."""

import pytest

from labkit.embedded.objects import condition_of, is_terminating, mutable, name_of


def condition(world, kind):
    found = condition_of(world.client.get("namespaces", "dev"), kind)
    return found["status"], found["reason"], found["message"]


async def test_every_namespace_has_its_account_and_certificate(world):
    for namespace in ("default", "kube-system", "dev"):
        assert world.client.find("serviceaccounts", "default", namespace)
        assert world.client.get("configmaps", "kube-root-ca.crt", namespace)["data"] == {
            "ca.crt": "a certificate"
        }


@pytest.mark.parametrize(
    ("resource", "name"), [("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")]
)
async def test_they_come_back(world, resource, name):
    world.delete(resource, name)
    assert world.client.find(resource, name, "dev")


async def test_a_spoiled_certificate_is_put_right(world):
    spoiled = mutable(world.client.get("configmaps", "kube-root-ca.crt", "dev")) | {"data": {}}
    world.client.update("configmaps", spoiled)
    world.settle()
    assert world.client.get("configmaps", "kube-root-ca.crt", "dev")["data"]["ca.crt"] == "a certificate"


async def test_an_empty_namespace_goes_at_once(world):
    world.delete("namespaces", "dev", "")
    assert world.client.find("namespaces", "dev") is None


async def test_a_namespace_waits_for_its_pods_and_says_so(world):
    world.deploy(replicas=2)
    world.create("services", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    world.run_all()
    pods = world.pods()
    world.delete("namespaces", "dev", "")
    assert world.client.get("namespaces", "dev")["status"]["phase"] == "Terminating"
    assert all(is_terminating(pod) for pod in world.client.list("pods", "dev"))
    assert world.client.list("services", "dev"), "what pods need is there to their end"
    remaining = "Some resources are remaining: pods. has 2 resource instances"
    assert condition(world, "NamespaceContentRemaining") == ("True", "SomeResourcesRemain", remaining)
    for pod in pods:
        world.end(pod)
    assert world.client.find("namespaces", "dev") is None
    assert world.events() == []


async def test_nothing_is_made_anew_meanwhile(world):
    world.deploy(replicas=2)
    world.run_all()
    world.delete("namespaces", "dev", "")
    names = {name_of(pod) for pod in world.client.list("pods", "dev")}
    assert len(names) == 2
    for pod in world.client.list("pods", "dev")[:1]:
        world.end(pod)
    assert {name_of(pod) for pod in world.client.list("pods", "dev")} < names


async def test_finalizers_are_waited_for_and_named(world):
    world.create("configmaps", "kept", metadata={"finalizers": ["example.org/backup"]})
    world.delete("namespaces", "dev", "")
    there = (
        "Some content in the namespace has finalizers remaining: example.org/backup in 1 resource instances"
    )
    assert condition(world, "NamespaceFinalizersRemaining") == ("True", "SomeFinalizersRemain", there)
    kept = mutable(world.client.get("configmaps", "kept", "dev"))
    kept["metadata"]["finalizers"] = []
    world.client.update("configmaps", kept)
    world.settle()
    assert world.client.find("namespaces", "dev") is None


async def test_other_namespaces_are_not_touched(world):
    world.create("configmaps", "mine", "default")
    world.delete("namespaces", "dev", "")
    assert world.client.find("configmaps", "mine", "default")
