"""Controllers that nobody here wrote drive a release, as ordinary processes against the embedded cluster.

``LABKIT_ARGO_ROLLOUTS`` names a folder with ``rollouts-controller``, ``kubectl-argo-rollouts`` and their
definitions in ``crds/`` (``manifests/crds`` of the sources); ``LABKIT_FLAGGER`` one with ``flagger`` and its
``crd.yaml`` (``artifacts/flagger``). Both are built from their public Go modules by ``go build ./cmd/…``.
"""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest

from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.connecting.connect import connect
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.traffic.answers import send

HERE = Path(__file__).parent
HOME = "shop"
OLD, NEW = "ServiceB", "External Cluster Service"
"""How the two versions greet."""
IMAGES = "artashesavetisyan/istio-basics-course:service-"
IMAGE = {OLD: f"{IMAGES}b-java-11", NEW: f"{IMAGES}ext-java-11"}
PATIENCE = 60.0
CHANCE = 1e-6
"""How seldom honest weights may look wrong."""


def folder(variable, *programs):
    """The folder that *variable* names, with *programs*; a visible skip without it."""
    found = Path(os.environ.get(variable, "/nowhere"))
    for name in programs:
        if not (found / name).exists():
            pytest.skip(f"{variable} names no folder with {name}")
    return found


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def process(command, log, env):
    """*command* as an ordinary process until the end; what it said is shown where a test fails."""
    with log.open("wb") as out:
        running = subprocess.Popen([str(word) for word in command], env=env, stdout=out, stderr=out)
    try:
        yield running
        assert running.poll() is None, f"it ended by itself: {log.read_text()[-3000:]}"
    finally:
        running.terminate()
        running.wait(30)


class Load(threading.Thread):
    """Requests all the time, by the lab's own sender."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.over, self.frames, self._lock = url, threading.Event(), [], threading.Lock()

    def run(self):
        while not self.over.is_set():
            found = send(self.url, requests=100, concurrency=4, stop=self.over.is_set)
            with self._lock:
                self.frames.append(found)

    def since(self, moment):
        """The answers to what was sent since *moment*."""
        with self._lock:
            found = [frame[frame["time"] >= moment] for frame in self.frames]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()

    def close(self):
        self.over.set()
        self.join(PATIENCE)
        return pd.concat(self.frames, ignore_index=True)


class Shop:
    """A namespace with a release in it, and what to ask of it."""

    def __init__(self, bench, api, plugin=None):
        self.bench, self.api, self.plugin = bench, api, plugin

    def apply(self, text):
        self.bench.kubectl("apply", "-n", HOME, "-f", "-", input=text)

    def get(self, kind, name):
        return self.bench.get(kind, name, "-n", HOME)

    def until(self, question, what=""):
        """Ask again and again, until it is so."""
        deadline = time.monotonic() + PATIENCE
        while not (found := question()):
            assert time.monotonic() < deadline, f"{what or question}: not in {PATIENCE:.0f} s; {self.told()}"
            time.sleep(0.1)  # between two questions
        return found

    def told(self):
        return self.bench.kubectl("get", "rollouts,canaries,analysisruns,pods,vs,dr", "-A", check=False)

    def routes(self, name="web"):
        return self.api.get(VIRTUAL_SERVICES.path(HOME, name))["spec"]["http"]

    def weights(self, route=-1, name="web"):
        """The weights as the rule has them."""
        return tuple(each.get("weight", 0) for each in self.routes(name)[route]["route"])

    def settled(self):
        """From which moment on every proxy has what is in the objects."""
        wait_for_proxies(self.api)
        return pd.Timestamp.now("UTC")

    @contextlib.contextmanager
    def load(self):
        """Requests meanwhile, of which none may fail."""
        running = Load(f"http://{self.bench.gateway}/")
        running.start()
        try:
            yield running
        finally:
            everything = running.close()
        failed = everything[everything["status"] != 200]
        assert failed.empty, failed[["time", "status", "error", "body"]].to_string()

    def fits(self, load, percent, count=300):
        """*percent* of what is sent from now on comes to the new version, by an exact binomial test."""
        since = self.settled()
        self.until(lambda: len(load.since(since)) >= count, "requests were sent")
        who = Counter(load.since(since)["service"])
        total, new = sum(who.values()), who[NEW]
        assert set(who) <= {OLD, NEW}, who
        chance = binomtest(new, total, percent / 100).pvalue
        assert chance > CHANCE, f"{new} of {total} by {percent} %: {chance}"


@pytest.fixture(scope="module")
def shop_bench(own_cluster):
    """A cluster with Istio and a namespace."""
    own_cluster.kubectl("create", "namespace", HOME)
    own_cluster.kubectl("label", "namespace", HOME, "istio-injection=enabled")
    return own_cluster


@pytest.fixture(scope="module")
def api(shop_bench):
    found = connect(kubeconfig=shop_bench.kubeconfig)
    yield found
    found.close()
