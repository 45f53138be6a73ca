"""10,000 ConfigMaps: what a list and a watch of them cost, and how long others wait meanwhile."""

import base64
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from labkit.embedded.cluster import processes
from labkit.kube.connecting.connect import connect

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

COUNT, TIMES = 10_000, 5
MAPS = "/api/v1/namespaces/many/configmaps"
SMALL = f"{MAPS}/map-00000"
JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
BEGINNING = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
READER = """
import json, ssl, sys, time, urllib.request, zlib

url, authority, token, accept, times, is_watch = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)

def read(url):
    headers = {"Authorization": "Bearer " + token, "Accept": accept, "Accept-Encoding": "gzip"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=context) as answer:
        if is_watch == "True":
            return sum(1 for line in iter(answer.readline, b"") if is_watched(line, answer))
        body = answer.read()
        return zlib.decompress(body, 31) if answer.headers["Content-Encoding"] == "gzip" else body

def is_watched(line, answer):
    if b"initial-events-end" in line:
        answer.close()
    return True

def rest(body):
    head = body[:600].partition(b',"items"')[0].partition(b',"columnD')[0]
    return json.loads(head + b"}")["metadata"].get("continue")

for _ in range(int(times)):
    began, more = time.perf_counter(), ""
    while more is not None:
        body = read(url + ("&continue=" + more if more else ""))
        more = rest(body) if isinstance(body, bytes) else None
    print(time.perf_counter() - began, flush=True)
"""


@pytest.fixture(scope="module")
def api(own_cluster):
    """A cluster's API that has them all."""
    server = connect(kubeconfig=own_cluster.kubeconfig)
    headers, tls = server.credentials()
    pool = urllib3.PoolManager(8, headers=headers, ssl_context=tls, maxsize=8)
    own_cluster.kubectl("create", "namespace", "many")

    def make(number):
        labels = {"number": str(number), "share": str(number % 10)}
        metadata = {"name": f"map-{number:05}", "labels": labels}
        body = {"metadata": metadata, "data": {"text": "x" * 200, "number": str(number)}}
        assert pool.request("POST", server.host + MAPS, json=body).status == 201

    with ThreadPoolExecutor(4) as others:
        list(others.map(make, range(COUNT)))
    yield own_cluster, server, pool
    pool.clear()
    server.close()


def _reader(cluster, server, path, accept, times):
    """Somebody else's program that reads *path*, time and again."""
    headers, _ = server.credentials()
    token = headers["authorization"].removeprefix("Bearer ")
    authority = cluster.root / "authority.pem"
    authority.write_text(_authority(cluster), encoding="ascii")
    words = [
        sys.executable,
        "-c",
        READER,
        server.host + path,
        authority,
        token,
        accept,
        times,
        "watch=" in path,
    ]
    return subprocess.Popen([str(each) for each in words], stdout=subprocess.PIPE, text=True)


def _authority(cluster):
    path = "jsonpath={.clusters[0].cluster.certificate-authority-data}"
    return base64.b64decode(cluster.kubectl("config", "view", "--raw", "--flatten", "-o", path)).decode()


def _waits(api, until):
    """Seconds for each of many small requests, one after the other, and the daemon's largest size."""
    cluster, server, pool = api
    waits, largest = [], 0
    while not until.is_set():
        began = time.perf_counter()
        assert pool.request("GET", server.host + SMALL).status == 200
        waits.append(time.perf_counter() - began)
        if len(waits) % 20 == 1:
            largest = max(largest, processes.memory(cluster.running.pid))
        until.wait(0.001)
    return waits, largest


def _measured(api, path, accept):
    cluster, server, _ = api
    done = threading.Event()
    before = processes.memory(cluster.running.pid)
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(_waits, api, done)
        with _reader(cluster, server, path, accept, TIMES) as reader:
            seconds = [float(line) for line in reader.stdout]
        done.set()
        waits, largest = waiting.result()
    assert len(seconds) == TIMES
    return statistics.median(seconds), waits, before, largest


@pytest.mark.timeout(300)
def test_nobody_asks_for_much(api, figure):
    done = threading.Event()
    threading.Timer(3, done.set).start()
    waits, size = _waits(api, done)
    figure(
        f"{COUNT:,} objects: a small request, nothing else asked",
        f"{_shown(waits)}; daemon {size / 1e6:.0f} MB",
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("what", "path", "accept"),
    [
        ("whole list", f"{MAPS}?limit=0", JSON),
        ("list by pages of 500", f"{MAPS}?limit=500", JSON),
        ("list by label, 1,000", f"{MAPS}?labelSelector=share%3D3", JSON),
        ("whole list as a table", f"{MAPS}?limit=0", TABLE),
        ("table by pages of 500", f"{MAPS}?limit=500", TABLE),
        ("watch from the beginning", f"{MAPS}?{BEGINNING}", JSON),
    ],
)
def test_many(api, figure, what, path, accept):
    seconds, waits, before, largest = _measured(api, path, accept)
    measured = f"{seconds:.2f} s; others: {_shown(waits)}; +{max(largest - before, 0) / 1e6:.0f} MB"
    figure(f"{COUNT:,} objects: {what}", measured)


def _shown(waits):
    centiles = statistics.quantiles(waits, n=100, method="inclusive")
    return f"p50 {centiles[49] * 1000:.0f}, p99 {centiles[98] * 1000:.0f}, most {max(waits) * 1000:.0f} ms"
