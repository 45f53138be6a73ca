"""Garbage collection by owner references."""

from labkit.embedded.objects import is_terminating, mutable, name_of, uid_of


def owner(obj, **more):
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": name_of(obj), "uid": uid_of(obj)}
    return reference | more


def owned(world, name, *owners, **metadata):
    return world.create("configmaps", name, metadata={"ownerReferences": list(owners), **metadata})


def there(world):
    return {name_of(each) for each in world.client.list("configmaps", "dev")} - {"kube-root-ca.crt"}


def let_go(world, name):
    obj = mutable(world.client.get("configmaps", name, "dev"))
    obj["metadata"]["finalizers"] = [
        each for each in obj["metadata"]["finalizers"] if each in ("foregroundDeletion", "orphan")
    ]
    world.client.update("configmaps", obj)
    world.settle()


async def test_background_what_is_owned_goes_after_its_owner(world):
    top = world.create("configmaps", "top")
    middle = owned(world, "middle", owner(top))
    owned(world, "leaf", owner(middle))
    world.delete("configmaps", "top")
    assert there(world) == set()


async def test_who_has_another_owner_stays_and_forgets_the_one_gone(world):
    first, second = world.create("configmaps", "first"), world.create("configmaps", "second")
    owned(world, "leaf", owner(first), owner(second))
    world.delete("configmaps", "first")
    leaf = world.client.get("configmaps", "leaf", "dev")
    assert [each["name"] for each in leaf["metadata"]["ownerReferences"]] == ["second"]
    world.delete("configmaps", "second")
    assert there(world) == set()


async def test_the_owner_is_meant_by_uid_not_by_name(world):
    old = world.create("configmaps", "top")
    world.delete("configmaps", "top")
    world.create("configmaps", "top")
    owned(world, "leaf", owner(old))
    assert there(world) == {"top"}


async def test_an_owner_of_an_unknown_kind_is_believed(world):
    reference = {"apiVersion": "example.org/v1", "kind": "Thing", "name": "x", "uid": "1"}
    owned(world, "leaf", reference)
    assert there(world) == {"leaf"}


async def test_foreground_the_owner_waits_for_what_blocks_it(world):
    top = world.create("configmaps", "top")
    finalizers = ["example.org/slow"]
    owned(world, "blocking", owner(top, blockOwnerDeletion=True), finalizers=finalizers)
    owned(world, "other", owner(top), finalizers=finalizers)
    world.delete("configmaps", "top", propagation="Foreground")
    assert there(world) == {"top", "blocking", "other"}
    assert all(is_terminating(world.client.get("configmaps", name, "dev")) for name in there(world))
    let_go(world, "blocking")
    assert there(world) == {"other"}
    let_go(world, "other")
    assert there(world) == set()


async def test_foreground_goes_all_the_way_down(world):
    top = world.create("configmaps", "top")
    middle = owned(world, "middle", owner(top, blockOwnerDeletion=True))
    owned(world, "leaf", owner(middle, blockOwnerDeletion=True), finalizers=["example.org/slow"])
    world.delete("configmaps", "top", propagation="Foreground")
    assert there(world) == {"top", "middle", "leaf"}
    let_go(world, "leaf")
    assert there(world) == set()


async def test_a_deployment_deleted_in_the_foreground_outlives_its_pods(world):
    world.deploy(replicas=1)
    world.run_all()
    (pod,) = world.pods()
    world.delete("deployments.apps", "web", propagation="Foreground")
    assert is_terminating(world.deployment())
    assert is_terminating(world.client.get("pods", name_of(pod), "dev"))
    world.end(pod)
    assert world.client.find("deployments.apps", "web", "dev") is None
    assert world.sets() == []


async def test_orphan_what_is_owned_stays(world):
    top = world.create("configmaps", "top")
    owned(world, "leaf", owner(top))
    world.delete("configmaps", "top", propagation="Orphan")
    assert there(world) == {"leaf"}
    assert not world.client.get("configmaps", "leaf", "dev")["metadata"].get("ownerReferences")


async def test_nothing_is_remembered_of_what_is_gone(world):
    (collector,) = [each for each in world.loop._controllers if hasattr(each, "_owned")]
    before = sum(map(len, collector._owned.values()))
    world.deploy(replicas=3)
    world.delete("deployments.apps", "web")
    assert sum(map(len, collector._owned.values())) == before
