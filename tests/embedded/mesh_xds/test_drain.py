"""A proxy lets its requests finish before it goes."""

import asyncio

import aiohttp

from labkit.embedded.mesh.drain import DRAIN_LIMIT, QUIET, drain

SOON = DRAIN_LIMIT / 2
"""Seconds: far from being given up, also on a busy machine."""


async def ask(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, answer.headers.get("connection")


async def serving(handmade, backend, resources, **options):
    one = await backend("one", **options)
    handmade.snapshots["a"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 1})
    envoy = handmade.envoy("a", kind="router")
    await handmade.synced()
    return envoy


async def took(awaitable):
    begun = asyncio.get_running_loop().time()
    await awaitable
    return asyncio.get_running_loop().time() - begun


async def test_an_idle_proxy_is_drained_soon(handmade, backend, resources):
    envoy = await serving(handmade, backend, resources)
    assert QUIET <= await took(envoy.command.drain()) < SOON


async def test_running_requests_are_waited_for(handmade, backend, resources):
    go = asyncio.Event()
    envoy = await serving(handmade, backend, resources, wait=go)
    request = asyncio.create_task(ask(f"http://{envoy.ip}:8080/"))
    await _requests(envoy, 1)
    drained = asyncio.create_task(envoy.command.drain())
    await asyncio.wait([drained], timeout=0.5)
    assert not drained.done()
    go.set()
    status, connection = await request
    assert (status, connection) == (200, "close"), "clients are asked to go elsewhere"
    await drained


async def test_new_requests_are_answered_while_draining(handmade, backend, resources):
    envoy = await serving(handmade, backend, resources)
    # Longer than a busy machine may take from one request to the next.
    drained = asyncio.create_task(drain(envoy.admin_socket, limit=60, quiet=1))
    for _ in range(30):
        assert (await ask(f"http://{envoy.ip}:8080/"))[0] == 200
        assert not drained.done()
    await drained


async def test_a_request_that_never_ends_is_given_up(handmade, backend, resources):
    go = asyncio.Event()
    envoy = await serving(handmade, backend, resources, wait=go)
    request = asyncio.create_task(ask(f"http://{envoy.ip}:8080/"))
    await _requests(envoy, 1)
    assert 0.3 <= await took(drain(envoy.admin_socket, limit=0.3)) < SOON
    go.set()
    await request


async def test_a_proxy_that_is_gone_needs_no_draining(handmade, tmp_path):
    assert await took(drain(tmp_path / "nothing.sock")) < SOON
    envoy = handmade.envoy("a")
    await handmade.synced()
    envoy.process.kill()
    envoy.process.wait()
    assert await took(envoy.command.drain()) < SOON


async def _requests(envoy, count):
    async with asyncio.timeout(30):
        while sum((await envoy.stats(r"^http\..*8080\.downstream_rq_active$")).values()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
