"""The controllers as the daemon runs them: over a real watch, until cancelled."""

import asyncio

from labkit.embedded.objects import name_of


async def test_what_is_applied_becomes_pods_and_a_cancel_ends_it(world):
    running = asyncio.create_task(world.manager.run())
    container = {"name": "app", "image": "v1"}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    world.client.create("deployments.apps", {"metadata": {"name": "web", "namespace": "dev"}, "spec": spec})
    made = set()
    async with asyncio.timeout(5):
        async for event in world.client.watch("pods"):
            if event.type == "ADDED":
                made.add(name_of(event.object))
            if len(made) == 3:
                break
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_it_takes_up_what_it_finds(world):
    world.deploy(replicas=2)
    world.client.patch("deployments.apps", "web", "dev", {"spec": {"replicas": 4}})
    running = asyncio.create_task(world.manager.run())
    async with asyncio.timeout(5):
        async for _ in world.client.watch("pods"):
            if len(world.pods()) == 4:
                break
    running.cancel()
    await asyncio.wait([running])
