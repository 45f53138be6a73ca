"""Keys that are fetched: once for all proxies, again when they are due, and soon after a failure."""

import asyncio

import pytest
from aiohttp import web

from labkit.embedded.mesh.security import key_sets
from labkit.embedded.mesh.security.fetching import Fetcher, FetchError
from labkit.embedded.mesh.security.key_sets import KeySets

SOURCE = ("issuer", "http://keys.example/jwks")


class Log:
    """What is said."""

    def __init__(self):
        self.lines = []

    def error(self, scope, text):
        self.lines.append(text)


class World:
    """Answers, in order; the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked, self.told = list(answers), [], asyncio.Event()
        self.log = Log()
        self.sets = KeySets(self.fetch, self.log, self.told.set)

    async def fetch(self, uri, patience):
        self.asked.append(uri)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def runs():
    tasks = []

    def start(sets):
        tasks.append(asyncio.create_task(sets.run()))

    yield start
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_new_is_fetched_once():
    world = World("keys")
    await world.sets.prepare({SOURCE: 5.0})
    await world.sets.prepare({SOURCE: 5.0})
    assert world.sets.known == {SOURCE: "keys"}
    assert world.asked == [SOURCE[1]]
    await world.sets.prepare({})
    assert world.sets.known == {}


async def test_an_issuer_tells_where_its_keys_are():
    world = World('{"jwks_uri": "http://keys.example/found"}', "keys")
    await world.sets.prepare({("http://issuer.example/", ""): 5.0})
    assert world.asked == [
        "http://issuer.example/.well-known/openid-configuration",
        "http://keys.example/found",
    ]


async def test_what_failed_is_tried_again_and_told_when_it_is_there(runs):
    world = World(FetchError("no route"), "keys")
    runs(world.sets)
    await world.sets.prepare({SOURCE: 5.0})
    assert world.sets.known == {}
    assert world.log.lines == [f"Failed to fetch public key from '{SOURCE[1]}': no route"]
    async with asyncio.timeout(10):
        await world.told.wait()
    assert world.sets.known == {SOURCE: "keys"}


async def test_keys_are_looked_at_again(runs, monkeypatch):
    monkeypatch.setattr(key_sets, "REFRESH", 0.05)
    world = World("keys", "keys", "others")
    runs(world.sets)
    await world.sets.prepare({SOURCE: 5.0})
    world.told.clear()
    async with asyncio.timeout(10):
        await world.told.wait()
    assert world.sets.known == {SOURCE: "others"}
    assert len(world.asked) >= 3


async def test_proxies_do_not_wait_long(monkeypatch):
    monkeypatch.setattr(key_sets, "GRACE", 0.05)
    world = World("keys")
    arrives = asyncio.Event()

    async def late(uri, patience):
        await arrives.wait()
        return "keys"

    world.sets = KeySets(late, world.log, world.told.set)
    await world.sets.prepare({SOURCE: 5.0})
    assert world.sets.known == {}
    arrives.set()
    async with asyncio.timeout(10):
        await world.told.wait()
    assert world.sets.known == {SOURCE: "keys"}


class Api:
    """A cluster of one Service."""

    def __init__(self, port):
        self._objects = {
            "services": [
                {
                    "metadata": {"name": "keys", "namespace": "foo"},
                    "spec": {"clusterIP": "10.43.0.9", "ports": [{"name": "http", "port": 8000}]},
                }
            ],
            "endpointslices.discovery.k8s.io": [
                {
                    "metadata": {
                        "name": "keys-1",
                        "namespace": "foo",
                        "labels": {"kubernetes.io/service-name": "keys"},
                    },
                    "ports": [{"name": "http", "port": port}],
                    "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
                }
            ],
        }

    def list(self, resource):
        return self._objects.get(resource, [])

    def find(self, resource, name, namespace=""):
        return None


async def test_a_service_of_the_cluster_is_asked_by_its_name():
    async def answer(request):
        return web.Response(
            text=f"{request.host}{request.path}", status=200 if request.path == "/jwks" else 404
        )

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fetcher = Fetcher(Api(runner.addresses[0][1]))
    try:
        for host in ("keys.foo", "keys.foo.svc", "keys.foo.svc.cluster.local"):
            assert await fetcher.fetch(f"http://{host}:8000/jwks", 5.0) == f"{host}:8000/jwks"
        with pytest.raises(FetchError, match="status 404"):
            await fetcher.fetch("http://keys.foo:8000/elsewhere", 5.0)
    finally:
        await runner.cleanup()


async def test_what_can_not_be_asked_is_told():
    fetcher = Fetcher(Api(1))
    with pytest.raises(FetchError):
        await fetcher.fetch("http://nobody.invalid/jwks", 5.0)
    with pytest.raises(FetchError, match="not supported"):
        await fetcher.fetch("ftp://keys.foo/jwks", 5.0)
