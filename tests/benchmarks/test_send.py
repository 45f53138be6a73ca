"""Requests sent and recorded, against wrk in the same run (a row of the design's budget table)."""

import re
import shutil
import subprocess

import pytest

from labkit.traffic.answers import send

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

ROUTE = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bench-gw, namespace: bench}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bench-vs, namespace: bench}
spec:
  hosts: ["*"]
  gateways: [bench-gw]
  http:
    - match: [{uri: {exact: /bench}}]
      directResponse: {status: 200, body: {string: Hello from ServiceB!}}
"""


@pytest.fixture
def url(cluster):
    """A route of the gateway that Envoy answers itself: nothing behind it slows either down."""
    cluster.kubectl("create", "namespace", "bench")
    cluster.kubectl("apply", "-f", "-", input=ROUTE)
    yield f"http://{cluster.gateway}/bench"
    cluster.kubectl("delete", "namespace", "bench")


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed: there is nothing to compare with")
@pytest.mark.parametrize(("concurrency", "share"), [(4, 0.7), (16, 0.9), (64, 0.9)])
def test_share_of_wrk(url, concurrency, share, figure):
    ours, theirs = [], []
    for _ in range(3):  # in turns, so that a busy moment hits both
        theirs.append(wrk(url, concurrency))
        frame = send(url, requests=15_000, concurrency=concurrency)
        assert frame["status"].eq(200).all()
        ours.append(len(frame) / frame.attrs["seconds"])
    ratio = max(ours) / max(theirs)
    rates = f"{max(ours):.0f}/s, wrk {max(theirs):.0f}/s: {ratio:.0%}"
    figure(f"requests into a frame, {concurrency} at once", rates, f"{share:.0%} of wrk", met=ratio >= share)


def wrk(url, concurrency):
    command = ["wrk", "-t1", f"-c{concurrency}", "-d1s", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
