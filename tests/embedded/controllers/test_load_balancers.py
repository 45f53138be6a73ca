"""Services of type LoadBalancer: their addresses."""

from labkit.embedded.addresses import load_balancer_network
from labkit.embedded.controllers.load_balancers import address_of

SPEC = {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}
CAPACITY = sum(1 for _ in load_balancer_network(42).hosts())


def address(world, name):
    return address_of(world.client.get("services", name, "dev"))


async def test_each_has_its_own_and_keeps_it(world):
    for name in ("a", "b"):
        world.create("services", name, spec=SPEC)
    before = address(world, "a"), address(world, "b")
    assert before == ("127.42.255.1", "127.42.255.2")
    world.client.patch("services", "a", "dev", {"metadata": {"labels": {"x": "y"}}})
    world.settle()
    assert (address(world, "a"), address(world, "b")) == before
    assert world.events("EnsuredLoadBalancer") == ["Ensured load balancer"] * 2


async def test_an_address_is_free_again_when_its_service_goes_or_changes(world):
    for name in ("a", "b"):
        world.create("services", name, spec=SPEC)
    world.delete("services", "a")
    world.client.patch("services", "b", "dev", {"spec": {"type": "ClusterIP"}})
    world.settle()
    assert address(world, "b") == ""
    world.create("services", "c", spec=SPEC)
    assert address(world, "c") == "127.42.255.1"


async def test_who_comes_too_late_waits_and_is_told(world):
    world.create("services", "first", spec=SPEC)
    for number in range(CAPACITY - 1):
        world.client.create(
            "services", {"metadata": {"name": f"s{number}", "namespace": "dev"}, "spec": SPEC}
        )
    world.settle()
    world.create("services", "late", spec=SPEC)
    assert address(world, "late") == ""
    assert f"all {CAPACITY} addresses are taken" in world.events("SyncLoadBalancerFailed")[0]
    world.delete("services", "first")
    assert address(world, "late") == "127.42.255.1"


async def test_an_address_of_another_block_is_replaced(world):
    service = world.create("services", "a", spec=SPEC)
    status = {"loadBalancer": {"ingress": [{"ip": "127.60.255.9"}]}}
    world.client.update_status("services", {**world.client.get("services", "a", "dev"), "status": status})
    world.settle()
    assert service["spec"]["clusterIP"]
    assert address(world, "a") == "127.42.255.1"
