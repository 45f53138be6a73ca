"""How soon every proxy has what was applied, and what a proxy costs (rows of the design's budget table).

The whole scenario runs: services A, B, C and External with sidecars, both gateways, six Envoys.
"""

import base64
import collections
import concurrent.futures
import ssl
import statistics
import threading
import time
from pathlib import Path

import psutil
import pytest
import urllib3
import yaml

from labkit.embedded.cluster import processes

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

MANIFESTS = Path(__file__).parents[2] / "manifests"
EGRESS = "components.egressGateways[0]"
OWN, OTHER = "dev-service-mesh", "external-cluster"
TIMES = 200


class Scenario:
    """The mesh of the last step, and a connection to its API that is kept open."""

    def __init__(self, bench):
        self.bench = bench
        bench.labkit("up")
        bench.labkit("istio", "install", "-y", "--set", f"{EGRESS}.name=istio-egressgateway",
                     "--set", f"{EGRESS}.enabled=true")  # fmt: skip
        for name in (OWN, OTHER):
            bench.kubectl("create", "namespace", name)
            bench.kubectl("label", "namespace", name, "istio-injection=enabled")
        for step in sorted(MANIFESTS.glob("0[0-9]-*")):
            if step.is_dir() and not step.name.startswith("00"):
                bench.kubectl("apply", "-n", OTHER if step.name.startswith("04") else OWN, "-f", step)
        for name in (OWN, OTHER):
            bench.kubectl("wait", "-n", name, "--for=condition=Ready", "pod", "--all", "--timeout=20s")
        entry = yaml.safe_load(bench.kubeconfig.read_text())["clusters"][0]["cluster"]
        authority = base64.b64decode(entry["certificate-authority-data"]).decode()
        self.server = entry["server"]
        self.connection = urllib3.PoolManager(ssl_context=ssl.create_default_context(cadata=authority))
        pods = bench.get("pods", "-n", "istio-system", "-l", "app=istiod")["items"]
        istiod = next(each for each in pods if "deletionTimestamp" not in each["metadata"])["metadata"][
            "name"
        ]
        self.istiod = f"/api/v1/namespaces/istio-system/pods/{istiod}:15014/proxy"

    def request(self, method, path, body=None):
        headers = {"Content-Type": "application/merge-patch+json"}
        headers["Authorization"] = f"Bearer {self.bench.home.token.read_text().strip()}"
        answer = self.connection.request(method, self.server + path, headers=headers, json=body)
        assert answer.status == 200, answer.data
        return answer.json()

    def weights(self, b, c):
        """Split ServiceA's calls; the revision of the change."""
        shares = {"producer-internal-host": b, "service-c-srv": c}
        to = [
            {"destination": {"host": host, "port": {"number": 80}}, "weight": share}
            for host, share in shares.items()
        ]
        path = f"/apis/networking.istio.io/v1/namespaces/{OWN}/virtualservices/producer-internal-host-vs"
        changed = self.request("PATCH", path, {"spec": {"http": [{"route": to}]}})
        return changed["metadata"]["resourceVersion"]

    def synced(self, revision):
        page = self.request("GET", f"{self.istiod}/debug/syncz?revision={revision}&timeout=10")
        assert page["converged"], page
        return {each["pod"] for each in page["proxies"] if each["state"] == "SYNCED"}

    def envoys(self):
        pids = processes.of(self.bench.running.pid)
        return {pid: name for pid, name in pids.items() if "envoy" in name}


class Load:
    """Somebody who asks ServiceA all the time, from ``with`` to its end."""

    def __init__(self, gateway, clients):
        self.url, self.clients = f"http://{gateway}/service-a", clients
        self.answers = collections.Counter()
        self.done = threading.Event()

    def __enter__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(self.clients)
        self.running = [self.pool.submit(self._ask) for _ in range(self.clients)]
        return self

    def __exit__(self, *_):
        self.done.set()
        self.pool.shutdown()
        for each in self.running:
            each.result()

    def _ask(self):
        with urllib3.PoolManager() as connection:
            while not self.done.is_set():
                answer = connection.request("GET", self.url, retries=False, timeout=10)
                self.answers[answer.status, answer.data.decode()] += 1


@pytest.fixture
def scenario(bench):
    return Scenario(bench)


@pytest.mark.promise
def test_weight_changes_under_load_lose_no_request(scenario, figure):
    """200 changes, a few of which take all traffic away from one service, while requests come steadily."""
    seconds = []
    scenario.synced(scenario.weights(50, 50))
    with Load(scenario.bench.gateway, clients=4) as load:
        for turn in range(TIMES):
            b = (0, 10, 50, 90, 100)[turn % 5]
            began = time.perf_counter()
            scenario.synced(scenario.weights(b, 100 - b))
            seconds.append(time.perf_counter() - began)
    requests = sum(load.answers.values())
    statuses = {status for status, _ in load.answers}
    assert statuses == {200}, load.answers
    assert len(load.answers) == 2, "through B, and through C to the external cluster"
    median = statistics.median(seconds)
    measured = f"{_ms(median)}, none of {requests} requests failed"
    figure(f"{TIMES} weight changes under load", measured, "none fails", met=True)


def test_weights_to_acknowledgement(scenario, figure):
    """From sending the change to knowing that all six proxies have answered for it."""
    scenario.synced(scenario.weights(50, 50))
    seconds = []
    for turn in range(TIMES):
        began = time.perf_counter()
        proxies = scenario.synced(scenario.weights(turn % 100, 100 - turn % 100))
        seconds.append(time.perf_counter() - began)
    assert len(proxies) == 6
    median, worst = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    measured = f"median {_ms(median)}, p99 {_ms(worst)}"
    met = median < 0.02 and worst < 0.05
    figure("weights changed → every proxy acknowledged", measured, "20 ms, p99 50 ms", met=met)


def test_envoys(scenario, figure):
    """Memory and CPU of the proxies at rest."""
    envoys = scenario.envoys()
    assert len(envoys) == 6
    sizes = [processes.memory(pid) / 1e6 for pid in envoys]
    before, seconds = _cpu_seconds(envoys), 5
    time.sleep(seconds)  # what is measured is time going by
    share = (_cpu_seconds(envoys) - before) / seconds
    figure("an Envoy, PSS", f"{statistics.mean(sizes):.0f} MB, the largest {max(sizes):.0f} MB")
    figure("six Envoys at rest, CPU", f"{share:.2%} of a core")


def _cpu_seconds(pids):
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


def _ms(seconds):
    return f"{seconds * 1000:.1f} ms"
