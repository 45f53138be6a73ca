"""ResourceQuotas are counted and kept to; LimitRanges complete and refuse; PriorityClasses decide."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

from .conftest import World

QUOTAS, LIMITS, PRIORITIES = "resourcequotas", "limitranges", "priorityclasses.scheduling.k8s.io"


def pod(world: World, name: str = "p", *, spec: Obj | None = None, **resources: Obj) -> Obj:
    container = {"name": "c", "image": "tool", "resources": resources}
    return world.create("pods", name, spec={"containers": [container], **(spec or {})})


def refused(world: World, **resources: Any) -> str:
    with pytest.raises(ApiError) as error:
        pod(world, "bad", **resources)
    assert error.value.code == 403
    return str(error.value)


def used(world: World) -> dict[str, str]:
    return world.client.get(QUOTAS, "q", "dev")["status"]["used"]


async def test_what_is_used_is_counted_and_kept_to(world: World) -> None:
    world.create(QUOTAS, "q", spec={"hard": {"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi"}})
    assert used(world) == {"pods": "0", "requests.cpu": "0", "limits.memory": "0"}
    full = {"requests": {"cpu": "600m"}, "limits": {"memory": "512Mi"}}
    made = pod(world, **full)
    assert used(world) == {"pods": "1", "requests.cpu": "600m", "limits.memory": "512Mi"}
    assert refused(world, **full) == (
        'pods "bad" is forbidden: exceeded quota: q, requested: requests.cpu=600m, '
        "used: requests.cpu=600m, limited: requests.cpu=1"
    )
    assert refused(world) == (
        'pods "bad" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c'
    )
    world.delete("pods", made["metadata"]["name"])
    assert used(world)["pods"] == "0"


async def test_objects_are_counted_by_kind(world: World) -> None:
    world.create(QUOTAS, "q", spec={"hard": {"configmaps": "2", "count/deployments.apps": "1"}})
    world.deploy(replicas=0)
    assert used(world) == {"configmaps": "1", "count/deployments.apps": "1"}
    with pytest.raises(ApiError, match=r"exceeded quota: q, requested: count/deployments.apps=1"):
        world.deploy("other")


async def test_scopes_choose_pods(world: World) -> None:
    world.create(QUOTAS, "q", spec={"hard": {"pods": "1"}, "scopes": ["BestEffort"]})
    pod(world, "one", requests={"cpu": "1"})
    pod(world, "two")
    assert used(world) == {"pods": "1"}
    assert "exceeded quota" in refused(world)


async def test_a_deployment_says_why_its_pods_are_missing(world: World) -> None:
    world.create(QUOTAS, "q", spec={"hard": {"pods": "1"}})
    world.deploy(replicas=2)
    assert len(world.pods()) == 1
    (replica_set,) = world.sets()
    assert "exceeded quota: q" in replica_set["status"]["conditions"][0]["message"]


async def test_limits_complete_a_pod(world: World) -> None:
    limit = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}}
    world.create(LIMITS, "l", spec={"limits": [limit]})
    made = pod(world)
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "100m"},
    }
    note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == note


@pytest.mark.parametrize(
    ("limit", "resources", "why"),
    [
        ({"max": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, "maximum cpu usage per Pod is 1, but limit is 2"),
        ({"min": {"cpu": "1"}}, {}, "minimum cpu usage per Pod is 1.  No request is specified"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}},
            "cpu max limit to request ratio per Pod is 2, but provided ratio is 3.000000",
        ),
    ],
)
async def test_limits_refuse_a_pod(world: World, limit: Obj, resources: Obj, why: str) -> None:
    world.create(LIMITS, "l", spec={"limits": [{"type": "Pod", **limit}]})
    assert refused(world, **resources) == f'pods "bad" is forbidden: {why}'


async def test_priorities(world: World) -> None:
    world.create(PRIORITIES, "high", "", value=1000)
    made = pod(world, spec={"priorityClassName": "high"})
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (1000, "PreemptLowerPriority")
    world.create(PRIORITIES, "usual", "", value=10, globalDefault=True, preemptionPolicy="Never")
    made = pod(world, "plain")["spec"]
    assert (made["priorityClassName"], made["priority"], made["preemptionPolicy"]) == ("usual", 10, "Never")
    with pytest.raises(ApiError, match="Only one default can exist"):
        world.create(PRIORITIES, "second", "", value=1, globalDefault=True)


async def test_a_runtime_class_is_there_and_costs(world: World) -> None:
    with pytest.raises(ApiError, match='RuntimeClass "slow" not found'):
        pod(world, spec={"runtimeClassName": "slow"})
    scheduling = {"nodeSelector": {"kind": "big"}}
    overhead = {"podFixed": {"cpu": "250m"}}
    world.create(
        "runtimeclasses.node.k8s.io", "slow", "", handler="h", overhead=overhead, scheduling=scheduling
    )
    made = pod(world, spec={"runtimeClassName": "slow"})["spec"]
    assert (made["overhead"], made["nodeSelector"]) == ({"cpu": "250m"}, {"kind": "big"})
