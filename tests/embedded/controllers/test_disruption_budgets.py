"""Disruption budgets count the pods of their selector, and evictions ask them."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.api.objects.evictions import evict
from labkit.embedded.api.request.options import DeleteOptions
from labkit.embedded.status import ApiError

from .conftest import World

BUDGETS = "poddisruptionbudgets.policy"
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def budget(world: World, **spec: Any) -> None:
    meta = {"name": "keep", "namespace": "dev"}
    world.client.create(
        BUDGETS, {"metadata": meta, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}
    )
    world.settle()


@pytest.fixture
async def pods(world: World) -> list[str]:
    """Three pods of a Deployment, of which all are ready."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    world.client.create("deployments.apps", {"metadata": {"name": "web", "namespace": "dev"}, "spec": spec})
    world.settle()
    for pod in world.client.list("pods", "dev"):
        world.client.patch("pods", pod["metadata"]["name"], "dev", {"status": READY}, subresource="status")
    world.settle()
    return [pod["metadata"]["name"] for pod in world.client.list("pods", "dev")]


def status(world: World) -> dict[str, Any]:
    return world.client.get(BUDGETS, "keep", "dev")["status"]


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 2}, 2, 1),
        ({"minAvailable": "50%"}, 2, 1),
        ({"maxUnavailable": 1}, 2, 1),
        ({"maxUnavailable": "34%"}, 1, 2),
        ({"minAvailable": 5}, 5, 0),
    ],
)
async def test_what_may_go(
    world: World, pods: list[str], spec: dict[str, Any], desired: int, allowed: int
) -> None:
    budget(world, **spec)
    found = status(world)
    assert (found["expectedPods"], found["currentHealthy"]) == (3, 3)
    assert (found["desiredHealthy"], found["disruptionsAllowed"]) == (desired, allowed)
    reason = "SufficientPods" if allowed else "InsufficientPods"
    assert [each["reason"] for each in found["conditions"]] == [reason]


async def test_an_eviction_takes_what_is_allowed_and_then_is_refused(world: World, pods: list[str]) -> None:
    budget(world, minAvailable=2)
    first, second, _ = (world.client.get("pods", name, "dev") for name in pods)
    evict(world.client.verbs, first, DeleteOptions())
    with pytest.raises(ApiError) as refused:
        evict(world.client.verbs, second, DeleteOptions())
    assert refused.value.code == 429
    assert refused.value.details["causes"][0]["message"] == (
        "The disruption budget keep needs 2 healthy pods and has 3 currently"
    )
    world.settle()
    assert status(world)["currentHealthy"] == 2
    assert pods[0] not in [each["metadata"]["name"] for each in world.client.list("pods", "dev")]


async def test_a_pod_that_is_not_ready_may_go_where_enough_others_are(world: World, pods: list[str]) -> None:
    ill = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    world.client.patch("pods", pods[0], "dev", ill, subresource="status")
    world.settle()
    budget(world, minAvailable=2)
    assert status(world)["disruptionsAllowed"] == 0
    evict(world.client.verbs, world.client.get("pods", pods[0], "dev"), DeleteOptions())
