"""The loop under the controllers: nothing that one object does stops the others."""

import asyncio
import logging

import pytest

from labkit.embedded.controllers.runtime import FIRST_RETRY, LAST_RETRY, Loop
from labkit.embedded.interfaces import WatchEvent
from labkit.embedded.objects import name_of
from labkit.embedded.status import conflict


class Client:
    """A watch whose events a test sends."""

    def __init__(self):
        self.events = asyncio.Queue()
        self.closed = asyncio.Event()

    async def watch(self, *resources):
        try:
            while True:
                yield await self.events.get()
        finally:
            self.closed.set()

    def tell(self, name, kind="ADDED"):
        self.events.put_nowait(WatchEvent(kind, "things", {"metadata": {"name": name}}))

    def sync(self):
        self.events.put_nowait(WatchEvent("SYNCED", "", {}))


class Controller:
    resources = ("things",)

    def __init__(self):
        self.seen = []
        self.failing = {}
        self.changed = asyncio.Event()

    def keys(self, event):
        if name_of(event.object) == "unreadable":
            raise KeyError("metadata")
        return [("", name_of(event.object))]

    def reconcile(self, key):
        self.seen.append(key[1])
        self.changed.set()
        if self.failing.get(key[1], 0):
            self.failing[key[1]] -= 1
            raise conflict("things", key[1])

    async def until(self, *names):
        async with asyncio.timeout(5):
            while self.seen != list(names):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def client():
    return Client()


@pytest.fixture
async def controller():
    return Controller()


@pytest.fixture
async def running(client, controller):
    task = asyncio.create_task(Loop(client, [controller]).run())
    yield task
    task.cancel()
    await asyncio.wait([task])
    assert client.closed.is_set()


async def test_many_changes_of_one_object_are_one_look(client, controller, running):
    for name in ("a", "b", "a", "a"):
        client.tell(name)
    client.sync()
    await controller.until("a", "b")


async def test_nothing_is_decided_before_all_is_known(client, controller, running):
    client.tell("a")
    for _ in range(10):
        await asyncio.sleep(0)
    assert controller.seen == []
    client.sync()
    await controller.until("a")


async def test_a_failure_is_tried_again_and_holds_up_nobody(client, controller, running):
    controller.failing["a"] = 2
    client.tell("a")
    client.tell("b")
    client.sync()
    await controller.until("a", "b", "a", "a")


async def test_an_unreadable_object_is_logged_and_left(client, controller, running, caplog):
    client.tell("unreadable")
    client.tell("b")
    client.sync()
    await controller.until("b")
    assert "Controller can't read ADDED things" in caplog.text


async def test_the_pause_doubles_up_to_a_limit(controller, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    loop, pauses = Loop(Client(), [controller]), []
    monkeypatch.setattr(loop, "_later", lambda item, seconds: pauses.append(seconds))
    controller.failing["a"] = 30
    for _ in range(30):
        loop.see(WatchEvent("ADDED", "things", {"metadata": {"name": "a"}}))
        loop.drain(1)
    assert pauses[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert pauses[-1] == LAST_RETRY


async def test_a_watch_that_breaks_ends_the_loop(client, controller):
    class Broken(Client):
        async def watch(self, *resources):
            raise OSError("gone")
            yield

    with pytest.raises(ExceptionGroup) as raised:
        await Loop(Broken(), [controller]).run()
    assert raised.group_contains(OSError, match="gone")
