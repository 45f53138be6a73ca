"""What starting and keeping a cluster costs (rows of the design's budget table)."""

import subprocess
import sys
import time

import pytest

from labkit.embedded.cluster import processes

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

MANIFEST = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: any}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""


def _print(what, measured, budget):
    print(f"\n{what}: {measured} (budget {budget})")


def test_cold_up(bench):
    """From nothing to the ingress gateway answering."""
    began = time.perf_counter()
    bench.labkit("up")
    up = time.perf_counter() - began
    bench.kubectl("apply", "-f", "-", input=MANIFEST)
    answer = bench.run(
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--retry",
        "20",
        "--retry-connrefused",
        "--retry-delay",
        "0",
        f"http://{bench.gateway}/",
    ).stdout
    assert answer == "404", "an Envoy without routes"
    _print("labkit up, cold", f"{up:.2f} s", "2 s")
    bench.labkit("down")
    began = time.perf_counter()
    bench.labkit("up")
    _print("labkit up, again", f"{time.perf_counter() - began:.2f} s", "2 s")
    assert up < 10


def test_at_rest(cluster):
    """Memory of the daemon and of all, and CPU over some seconds in which nobody asks for anything."""
    pids = processes.of(cluster.running.pid)
    sizes = {pid: processes.memory(pid) / 1e6 for pid in pids}
    _print("daemon, PSS", f"{sizes[cluster.running.pid]:.0f} MB", "90 MB")
    _print("cluster, PSS", f"{sum(sizes.values()):.0f} MB with {len(pids)} processes", "450 MB")
    before, seconds = _cpu_seconds(pids), 10
    time.sleep(seconds)  # what is measured is time going by
    share = (_cpu_seconds(pids) - before) / seconds
    _print("at rest, CPU", f"{share:.2%} of a core", "2 %")
    assert share < 0.1


def _cpu_seconds(pids):
    import psutil

    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


def test_kubeconfig_is_quick(bench):
    """``export KUBECONFIG=$(labkit kubeconfig)`` in a shell's start-up file."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        bench.labkit("kubeconfig")
        times.append(time.perf_counter() - began)
    bare = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - bare
    _print("labkit kubeconfig", f"{min(times) * 1000:.0f} ms, {bare * 1000:.0f} of them Python's", "150 ms")
    assert min(times) < 0.5
