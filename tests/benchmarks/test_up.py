"""What starting and keeping a cluster costs (rows of the design's budget table)."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from labkit.embedded.cluster import processes
from labkit.kube.api.manifests import Source
from labkit.kube.api.wait import wait_for_rollouts
from labkit.kube.applying.apply import apply
from labkit.kube.connecting.connect import connect

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: any}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: quick}
spec:
  selector: {matchLabels: {app: quick}}
  template:
    metadata: {labels: {app: quick}}
    spec:
      containers: [{name: app, image: "artashesavetisyan/istio-basics-course:service-b-java-11"}]
"""


def test_cold_up(bench, figure):
    """From nothing to the ingress gateway answering."""
    began = time.perf_counter()
    bench.labkit("up")
    up = time.perf_counter() - began
    bench.kubectl("apply", "-f", "-", input=GATEWAY)
    patience = ["--retry", "20", "--retry-connrefused", "--retry-delay", "1"]
    code = ["-s", "-o", "/dev/null", "-w", "%{http_code}"]
    assert bench.run("curl", *code, *patience, f"http://{bench.gateway}/").stdout == "404"
    figure("labkit up, cold, to the gateway serving", f"{up:.2f} s", "0.8 s", met=up < 0.8)
    bench.labkit("down")
    began = time.perf_counter()
    bench.labkit("up")
    figure("labkit up, again", f"{time.perf_counter() - began:.2f} s")


def test_deployment_to_ready(cluster, figure):
    """From sending a Deployment to its pod being Ready 2/2, sidecar and all."""
    api = connect(kubeconfig=cluster.kubeconfig)
    cluster.kubectl("create", "namespace", "quick")
    cluster.kubectl("label", "namespace", "quick", "istio-injection=enabled")
    try:
        began = time.perf_counter()
        apply(api, Source(DEPLOYMENT), "quick")
        wait_for_rollouts(api, [("quick", "quick")])
        seconds = time.perf_counter() - began
        pod = cluster.get("pods", "-n", "quick")["items"][0]
        assert [each["ready"] for each in pod["status"]["containerStatuses"]] == [True, True]
    finally:
        cluster.kubectl("delete", "namespace", "quick")
    figure("Deployment applied → pod Ready 2/2", f"{seconds:.2f} s", "0.3 s", met=seconds < 0.3)


def test_at_rest(bench, figure):
    """The cluster with all services and gateways, and nobody who asks for anything."""
    bench.run(sys.executable, "-c", "from labkit import Lab; Lab().goto(6, finished=True)")
    daemon = bench.running.pid
    pids = processes.of(daemon)
    sizes = {pid: processes.memory(pid) / 1e6 for pid in pids}
    figure("daemon, PSS", f"{sizes[daemon]:.0f} MB", "90 MB", met=sizes[daemon] < 90)
    total = sum(sizes.values())
    measured = f"{total:.0f} MB, {len(pids)} processes"
    figure("cluster, all services and gateways, PSS", measured, "350 MB", met=total < 350)
    before, seconds = _cpu_seconds(pids), 10
    time.sleep(seconds)  # what is measured is time going by
    share = (_cpu_seconds(pids) - before) / seconds
    figure("at rest, CPU", f"{share:.2%} of a core", "1 %", met=share < 0.01)


def _cpu_seconds(pids):
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


def test_kubeconfig_is_quick(bench, figure):
    """``export KUBECONFIG=$(labkit kubeconfig)`` in a shell's start-up file."""
    times = [_seconds(bench.labkit, "kubeconfig") for _ in range(5)]
    bare = _seconds(subprocess.run, [sys.executable, "-c", "pass"], check=True)
    figure("labkit kubeconfig", f"{min(times) * 1000:.0f} ms, {bare * 1000:.0f} of them Python's")


def test_service_to_listening(figure):
    """A service's own part of a pod's start."""
    words = [sys.executable, "-m", "labkit.services", "service-b"]
    began = time.perf_counter()
    with subprocess.Popen(words, env=os.environ | {"PORT": "0"}, stdout=subprocess.PIPE) as service:
        assert service.stdout.readline()
        figure("a service started → listening", f"{time.perf_counter() - began:.2f} s")
        service.terminate()


def _seconds(call, *arguments, **options):
    began = time.perf_counter()
    call(*arguments, **options)
    return time.perf_counter() - began
