"""Requests go where a locality's setting sends them: by shares, and on to others when those nearby fail."""

import pytest
from aiohttp import web

MESH = """
kind: Node
metadata:
  name: here
  labels: {topology.kubernetes.io/region: near, topology.kubernetes.io/zone: zone1}
---
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {nodeName: here, containers: [{name: app}]}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Pod
metadata: {name: same, labels: {app: b}}
spec: {nodeName: here, containers: [{name: app}]}
---
kind: Pod
metadata: {name: zone2, labels: {app: b, istio-locality: near.zone2}}
---
kind: Pod
metadata: {name: away, labels: {app: b, istio-locality: away.zone1}}
---
kind: Pod
metadata: {name: remote, labels: {app: b, istio-locality: remote.zone1}}
---
kind: DestinationRule
metadata: {name: b}
spec:
  host: b
  trafficPolicy:
    connectionPool: {http: {maxRequestsPerConnection: 1}}
"""
EJECTION = """
    outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 10m, maxEjectionPercent: 100}
"""
B, PODS = "127.10.0.10", ("same", "zone2", "away", "remote")


@pytest.fixture
async def asked(stage):
    """``asked(more, failing, count)``: which pods answered, in order, and with what."""

    async def ask(more, *, failing=(), count=12):
        made = stage(MESH + more)

        def answering(name):
            async def answer(_):
                return web.Response(status=503 if name in failing else 200)

            return answer

        for name in PODS:
            await made.backend(name, answer=answering(name))
        client = await made.envoy("client")
        statuses = []

        async def one():
            statuses.append((await made.through_sidecar(client, B, 80, "b")).status)
            return statuses[-1] == 200

        await made.until(one)  # Envoy gathers ejections for up to a second
        for _ in range(count):
            await one()
        return list(zip([each.backend for each in made.seen], statuses, strict=True))

    return ask


def names(answers):
    return [name for name, _ in answers]


async def test_without_ejection_all_are_used_alike(asked):
    assert set(names(await asked("", count=40))) == set(PODS)


@pytest.mark.parametrize(
    ("failing", "order", "then"),
    [
        ((), ["same"], {"same"}),
        (("same",), ["same", "zone2"], {"zone2"}),
        (("same", "zone2"), ["same", "zone2"], {"away", "remote"}),
    ],
)
async def test_those_nearby_come_first_then_their_region_then_any(asked, failing, order, then):
    answers = await asked(EJECTION, failing=failing, count=20)
    assert turns(answers)[: len(order)] == order
    assert {name for name, status in answers if status == 200} == then


async def test_failover_names_the_region_that_comes_next(asked):
    setting = "    loadBalancer: {localityLbSetting: {failover: [{from: near, to: remote}]}}\n"
    answers = await asked(EJECTION + setting, failing=("same", "zone2"))
    assert turns(answers) == ["same", "zone2", "remote"]


def turns(answers):
    """Who answered, in the order of the first time."""
    return list(dict.fromkeys(names(answers)))


async def test_shares_by_locality(asked):
    to = "{near/zone1/*: 70, near/zone2/*: 20, remote/*: 10}"
    setting = f"    loadBalancer: {{localityLbSetting: {{distribute: [{{from: near/*, to: {to}}}]}}}}\n"
    found = names(await asked(setting, count=200))
    assert "away" not in found
    assert 100 < found.count("same") < 180
    assert 10 < found.count("zone2") < 80
    assert 2 < found.count("remote") < 60


async def test_labels_shared_with_the_caller_order_them(asked):
    labels = "{localityLbSetting: {failoverPriority: [topology.kubernetes.io/region, 'app=b']}}"
    found = names(await asked(f"{EJECTION}    loadBalancer: {labels}\n", count=40))
    assert set(found) == {"same", "zone2"}


async def test_switched_off(asked):
    found = await asked(f"{EJECTION}    loadBalancer: {{localityLbSetting: {{enabled: false}}}}\n", count=40)
    assert set(names(found)) == set(PODS)
