"""Services: who stands behind them."""

from labkit.embedded.objects import is_terminating, labels_of, mutable, name_of, uid_of

PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]


def service(world, name="web", selector=None, **spec):
    selector = {"app": "web"} if selector is None else selector
    return world.create("services", name, spec={"selector": selector, "ports": PORTS, **spec})


def slices(world, name="web"):
    labels = {"kubernetes.io/service-name": name}
    return world.client.list("endpointslices.discovery.k8s.io", "dev", labels=labels)


def conditions(world, name="web"):
    return {
        each["targetRef"]["name"]: each["conditions"]
        for part in slices(world, name)
        for each in part.get("endpoints") or []
    }


def subsets(world, name="web"):
    return world.client.get("endpoints", name, "dev").get("subsets") or []


async def test_ready_pods_and_others(world):
    service(world)
    world.deploy(replicas=2)
    first, second = world.pods()
    world.run(first)
    world.run(second, ready=False)
    assert conditions(world) == {
        name_of(first): {"ready": True, "serving": True, "terminating": False},
        name_of(second): {"ready": False, "serving": False, "terminating": False},
    }
    (subset,) = subsets(world)
    assert [each["targetRef"]["name"] for each in subset["addresses"]] == [name_of(first)]
    assert [each["targetRef"]["name"] for each in subset["notReadyAddresses"]] == [name_of(second)]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


async def test_slices_are_named_after_their_service_and_belong_to_it(world):
    made = service(world)
    world.deploy()
    (only,) = slices(world)
    assert name_of(only).startswith("web-")
    assert labels_of(only)["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert only["metadata"]["ownerReferences"][0]["uid"] == uid_of(made)


async def test_a_slice_keeps_its_name_while_pods_come_and_go(world):
    service(world)
    names = {name_of(each) for each in slices(world)}
    world.deploy(replicas=1)
    world.run_all()
    world.change(replicas=0)
    assert {name_of(each) for each in slices(world)} == names


async def test_a_pod_without_an_address_is_nowhere(world):
    service(world)
    world.deploy()
    assert conditions(world) == {}
    assert subsets(world) == []


async def test_an_ending_pod_still_serves_but_is_not_ready(world):
    service(world)
    world.deploy()
    world.run_all()
    (pod,) = world.pods()
    world.change(replicas=0)
    assert is_terminating(world.client.get("pods", name_of(pod), "dev"))
    assert conditions(world) == {name_of(pod): {"ready": False, "serving": True, "terminating": True}}
    assert subsets(world) == []
    world.end(pod)
    assert conditions(world) == {}


async def test_a_pod_that_is_relabelled_leaves(world):
    service(world)
    world.deploy()
    world.run_all()
    (pod,) = world.pods()
    world.client.patch("pods", name_of(pod), "dev", {"metadata": {"labels": {"app": "debug"}}})
    world.settle()
    assert name_of(pod) not in conditions(world)


async def test_unready_addresses_can_be_published(world):
    service(world, publishNotReadyAddresses=True)
    world.deploy()
    (pod,) = world.pods()
    world.run(pod, ready=False)
    assert conditions(world)[name_of(pod)]["ready"] is True


async def test_a_named_target_port_is_looked_up_in_each_pod(world):
    service(world, ports=[{"name": "http", "port": 80, "targetPort": "web"}])
    for number, image in ((8081, "v1"), (8082, "v2")):
        container = {"name": "app", "image": image, "ports": [{"name": "web", "containerPort": number}]}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
        world.deploy(template=template)
        world.run(next(pod for pod in world.pods() if pod["spec"]["containers"][0]["image"] == image))
        if image == "v1":
            world.change(minReadySeconds=300)  # keeps the old pod beside the new one
    ports = sorted(part["ports"][0]["port"] for part in slices(world) if part.get("endpoints"))
    assert ports == [8081, 8082]
    assert sorted(subset["ports"][0]["port"] for subset in subsets(world)) == [8081, 8082]


async def test_a_headless_service_says_so(world):
    service(world, clusterIP="None")
    assert labels_of(slices(world)[0])["service.kubernetes.io/headless"] == ""
    assert labels_of(world.client.get("endpoints", "web", "dev")) == {
        "service.kubernetes.io/headless": "",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
    }


async def test_an_external_name_has_no_endpoints(world):
    service(world, type="ExternalName", externalName="example.org")
    assert slices(world) == []
    assert world.client.find("endpoints", "web", "dev") is None


async def test_what_somebody_deletes_or_spoils_is_put_right(world):
    service(world)
    world.deploy()
    world.run_all()
    world.delete("endpointslices.discovery.k8s.io", name_of(slices(world)[0]))
    world.delete("endpoints", "web")
    assert len(conditions(world)) == 1
    spoiled = mutable(slices(world)[0]) | {"endpoints": []}
    world.client.update("endpointslices.discovery.k8s.io", spoiled)
    world.settle()
    assert len(conditions(world)) == 1
    assert len(subsets(world)) == 1


async def test_a_service_takes_its_endpoints_along(world):
    service(world)
    world.deploy()
    world.run_all()
    world.delete("services", "web")
    assert slices(world) == []
    assert world.client.find("endpoints", "web", "dev") is None


async def test_slices_of_others_stay(world):
    service(world)
    labels = {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "somebody"}
    endpoint = {"addresses": ["192.0.2.7"]}
    world.create(
        "endpointslices.discovery.k8s.io",
        "own",
        metadata={"labels": labels},
        addressType="IPv4",
        endpoints=[endpoint],
        ports=[],
    )
    world.deploy()
    world.run_all()
    assert "own" in map(name_of, slices(world))
