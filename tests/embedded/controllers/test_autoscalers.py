"""Autoscalers: by what pods use, not too fast, and not without evidence."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.controllers import autoscalers, autoscaling_rules
from labkit.embedded.interfaces import Usage
from labkit.embedded.objects import Obj, condition_of

from .conftest import World

HPAS = "horizontalpodautoscalers.autoscaling"


class Load:
    """What each pod uses: *cpu* cores, where it is measured at all."""

    def __init__(self) -> None:
        self.cpu: float | None = 0.0

    def __call__(self, _namespace: str, _pod: str) -> dict[str, Usage]:
        return {} if self.cpu is None else {"app": Usage(self.cpu, 64 << 20, 15.0)}


@pytest.fixture
def load(world: World) -> Load:
    """What the pods use; the controller that goes by it is there."""
    load = Load()
    kinds = {("apps", "Deployment"): "deployments.apps"}
    world.loop._controllers = [
        *world.loop._controllers,
        autoscalers.Autoscalers(world.client, kinds, load),
    ]
    return load


def start(world: World, replicas: int = 2, **spec: Any) -> None:
    world.deploy(replicas=replicas)
    resources = {"requests": {"cpu": "100m"}}
    container = {"name": "app", "image": "v1", "resources": resources}
    world.change(template={"spec": {"containers": [container]}})
    world.run_all()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    world.create(HPAS, "web", spec={"scaleTargetRef": target, "maxReplicas": 10, **spec})


def size(world: World) -> int:
    return int(world.deployment()["spec"]["replicas"])


def condition(status: Obj, kind: str) -> tuple[str, str]:
    found = condition_of({"status": status}, kind)
    assert found is not None
    return found["status"], found["reason"]


async def test_load_makes_it_grow_to_what_is_needed(world: World, load: Load) -> None:
    load.cpu = 0.16  # 160 % of what is requested; 80 % is wanted
    start(world)
    assert size(world) == 4
    status = world.client.get(HPAS, "web", "dev")["status"]
    assert status["currentMetrics"][0]["resource"]["current"] == {
        "averageUtilization": 160,
        "averageValue": "160m",
    }
    assert condition(status, "ScalingActive") == ("True", "ValidMetricFound")
    assert condition(status, "AbleToScale") == ("True", "SucceededRescale")
    reason = "cpu resource utilization (percentage of request) above target"
    assert world.events("SuccessfulRescale") == [f"New size: 4; reason: {reason}"]


@pytest.mark.parametrize(
    ("cpu", "spec", "wanted", "limited"),
    [
        (0.084, {}, 2, "DesiredWithinRange"),
        (0.9, {"maxReplicas": 5}, 5, "TooManyReplicas"),
        (0.9, {}, 6, "ScaleUpLimit"),
        (0.01, {"minReplicas": 2}, 2, "DesiredWithinRange"),
    ],
)
async def test_it_stays_within_bounds(
    world: World, load: Load, cpu: float, spec: Obj, wanted: int, limited: str
) -> None:
    load.cpu = cpu
    start(world, **spec)
    assert size(world) == wanted
    status = world.client.get(HPAS, "web", "dev")["status"]
    assert condition(status, "ScalingLimited")[1] == limited


async def test_it_shrinks_when_nothing_else_was_wanted_of_late(
    world: World, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoscaling_rules, "_DOWNSCALE_WINDOW", 0)
    load.cpu = 0.02
    start(world, replicas=4)
    assert size(world) == 1


async def test_without_evidence_it_does_nothing(world: World, load: Load) -> None:
    load.cpu = None
    start(world)
    status = world.client.get(HPAS, "web", "dev")["status"]
    assert (size(world), condition(status, "ScalingActive")) == (2, ("False", "FailedGetResourceMetric"))


async def test_a_target_that_is_not_there(world: World, load: Load) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}
    world.create(HPAS, "web", spec={"scaleTargetRef": target, "maxReplicas": 3})
    status = world.client.get(HPAS, "web", "dev")["status"]
    assert condition(status, "AbleToScale") == ("False", "FailedGetScale")


def test_what_was_added_lately_counts_against_the_rate() -> None:
    memory, spec = autoscaling_rules.Memory(), {"minReplicas": 1, "maxReplicas": 100}
    assert autoscaling_rules.limited(spec, memory, 4, 50)[0] == 8
    memory.note(4)
    assert autoscaling_rules.limited(spec, memory, 8, 50)[0] == 8
