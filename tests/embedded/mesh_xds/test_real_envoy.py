"""The control plane and real Envoys, with hand-made snapshots."""

import asyncio

import aiohttp


async def get(url, session=None):
    async with aiohttp.ClientSession() as own, (session or own).get(url) as answer:
        return answer.status, await answer.text()


async def test_envoy_connects_is_configured_and_serves(handmade, backend, resources):
    one = await backend("one")
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    page = await handmade.synced()
    (entry,) = page["proxies"]
    assert (entry["state"], entry["proxy"], entry["proxy_type"]) == ("SYNCED", "gw.default", "router")
    assert {name: each["state"] for name, each in entry["types"].items()} == dict.fromkeys(
        ["CDS", "EDS", "LDS", "RDS"], "SYNCED"
    )
    assert await get(f"http://{envoy.ip}:8080/") == (200, "one")
    assert (await get(f"http://{envoy.ip}:15021/healthz/ready"))[0] == 200
    assert "envoy_server_live{} 1" in (await get(f"http://{envoy.ip}:15090/stats/prometheus"))[1]


async def test_envoy_starts_without_a_warning(handmade):
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()
    assert envoy.log.read_text() == ""


async def test_access_log_lines_come_at_once(handmade, backend, resources):
    one = await backend("one")
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()
    async with aiohttp.ClientSession() as session:
        for expected in range(1, 6):
            await get(f"http://{envoy.ip}:8080/", session)
            async with asyncio.timeout(1):  # Envoy's own interval would be 10 s
                while len(envoy.log.read_text().splitlines()) < expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)


async def test_upstream_connections_come_from_the_pods_address(handmade, resources):
    callers = []

    async def serve(reader, writer):
        callers.append(writer.get_extra_info("peername")[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    host = handmade.address()
    server = await asyncio.start_server(serve, host, 8000)
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": (host, 8000)}, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()
    await get(f"http://{envoy.ip}:8080/")
    server.close()
    assert callers == [envoy.ip]


async def test_a_rejection_is_told_in_envoys_words_and_the_rest_goes_on(handmade, backend, resources):
    one, two = await backend("one"), await backend("two")
    handmade.snapshots["good"] = handmade.snapshots["bad"] = lambda proxy: resources.gateway(
        proxy, {"one": one, "two": two}, {"one": 100}
    )
    good, bad = handmade.envoy("good", kind="router"), handmade.envoy("bad", kind="router")
    await handmade.synced()

    def spoiled(proxy):
        snapshot = resources.gateway(proxy, {"one": one, "two": two}, {"two": 100})
        snapshot.routes["http.8080"]["virtualHosts"][0]["domains"] = ["a.example", "a.example"]
        return snapshot

    handmade.snapshots["good"] = lambda proxy: resources.gateway(
        proxy, {"one": one, "two": two}, {"two": 100}
    )
    handmade.snapshots["bad"] = spoiled
    page = await handmade.synced(handmade.change())
    entries = {each["pod"]: each for each in page["proxies"]}
    assert entries["good"]["state"] == "SYNCED"
    assert entries["bad"]["state"] == entries["bad"]["types"]["RDS"]["state"] == "NACK"
    assert "Only unique values for domains are permitted" in entries["bad"]["error"]
    assert await get(f"http://{good.ip}:8080/") == (200, "two")
    assert await get(f"http://{bad.ip}:8080/") == (200, "one"), "the last good configuration is kept"
    assert any("ACK ERROR" in line and "Only unique values" in line for line in handmade.lines)

    handmade.snapshots["bad"] = handmade.snapshots["good"]
    page = await handmade.synced(handmade.change())
    assert {each["state"] for each in page["proxies"]} == {"SYNCED"}
    assert await get(f"http://{bad.ip}:8080/") == (200, "two")


async def test_one_bad_cluster_leaves_the_good_ones_in_place(handmade, backend, resources):
    one, two = await backend("one"), await backend("two")

    def spoiled(proxy):
        snapshot = resources.gateway(proxy, {"one": one, "two": two, "bad": one}, {"one": 50, "two": 50})
        snapshot.clusters["bad"]["edsClusterConfig"]["edsConfig"] = {"path": "/nowhere"}
        return snapshot

    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()
    handmade.snapshots["gw"] = spoiled
    page = await handmade.synced(handmade.change())
    assert page["proxies"][0]["types"]["CDS"]["state"] == "NACK"
    assert "bad" in page["proxies"][0]["error"]
    answers = {(await get(f"http://{envoy.ip}:8080/"))[1] for _ in range(40)}
    assert answers == {"one", "two"}


async def test_what_is_faulty_in_a_snapshot_is_never_sent(handmade, backend, resources):
    one = await backend("one")
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()

    def incomplete(proxy):
        snapshot = resources.gateway(proxy, {"one": one}, {"one": 100})
        other = resources.gateway(proxy, {"one": one}, {"one": 100}, port=8081)
        snapshot.listeners.update(other.listeners)
        return snapshot

    for faulty, words in [
        (incomplete, "asks for the routes 'http.8081', which are missing"),
        (lambda proxy: {}["typo"], "KeyError: 'typo'"),
    ]:
        handmade.snapshots["gw"] = faulty
        page = await handmade.synced(handmade.change())
        (entry,) = page["proxies"]
        assert entry["state"] == "ERROR"
        assert words in entry["error"]
        assert await get(f"http://{envoy.ip}:8080/") == (200, "one")


async def test_traffic_goes_on_while_istiod_is_away_and_changes_come_when_it_is_back(
    handmade, backend, resources
):
    one, two = await backend("one"), await backend("two")
    both = {"one": one, "two": two}
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, both, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()
    await handmade.stop()
    assert await get(f"http://{envoy.ip}:8080/") == (200, "one")
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, both, {"two": 100})
    handmade.change()
    await handmade.start()
    page = await handmade.synced()
    assert page["proxies"][0]["state"] == "SYNCED"
    assert await get(f"http://{envoy.ip}:8080/") == (200, "two")


async def test_a_restarted_envoy_comes_back_on_the_same_sockets(handmade, backend, resources):
    one = await backend("one")
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 100})
    pod = handmade.pod("gw", kind="router")
    envoy = handmade.launch(pod)
    await handmade.synced()
    envoy.process.kill()
    envoy.process.wait()
    handmade.launch(pod)
    await handmade.logged("new connection", times=2)
    await handmade.synced()
    assert await get(f"http://{envoy.ip}:8080/") == (200, "one")


async def test_a_changed_cluster_becomes_warm_though_its_endpoints_did_not_change(
    handmade, backend, resources
):
    one = await backend("one")
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 100})
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()

    def slower(proxy):
        snapshot = resources.gateway(proxy, {"one": one}, {"one": 100})
        snapshot.clusters["one"] = resources.cluster("one", timeout="7s")
        return snapshot

    handmade.snapshots["gw"] = slower
    await handmade.synced(handmade.change())
    assert await envoy.stats("^cluster_manager.warming_clusters$") == {"cluster_manager.warming_clusters": 0}
    assert '"connect_timeout": "7s"' in await envoy.admin("/config_dump?resource=dynamic_active_clusters")
    assert await get(f"http://{envoy.ip}:8080/") == (200, "one")


async def test_changing_weights_and_clusters_under_load_loses_no_request(handmade, backend, resources):
    addresses = [await backend(f"b{number}") for number in range(4)]
    backends = {"b0": addresses[0]}
    weights = {"b0": 100}
    handmade.snapshots["gw"] = lambda proxy: resources.gateway(proxy, dict(backends), dict(weights))
    envoy = handmade.envoy("gw", kind="router")
    await handmade.synced()
    answers, done = [], asyncio.Event()

    async def load(session):
        while not done.is_set():
            answers.append(await get(f"http://{envoy.ip}:8080/", session))

    async with aiohttp.ClientSession() as session:
        loads = [asyncio.create_task(load(session)) for _ in range(8)]
        for turn in range(1, 40):
            new, old = f"b{turn % 4}", f"b{(turn - 1) % 4}"  # every cluster comes new, warm, and goes
            backends, weights = {new: addresses[turn % 4]}, {new: 100}
            if turn % 3 == 0:
                backends[old], weights = addresses[(turn - 1) % 4], {new: 70, old: 30}
            await handmade.synced(handmade.change())
        done.set()
        await asyncio.gather(*loads)
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} == {"b0", "b1", "b2", "b3"}
