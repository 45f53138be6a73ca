"""Controllers that nobody here wrote drive a release, as ordinary processes against the embedded cluster.

``LABKIT_ARGO_ROLLOUTS`` names a folder with ``rollouts-controller``, ``kubectl-argo-rollouts`` and their
definitions in ``crds/`` (``manifests/crds`` of the sources); ``LABKIT_FLAGGER`` one with ``flagger`` and its
``crd.yaml`` (``artifacts/flagger``); ``LABKIT_PROMETHEUS`` one with ``prometheus``, which Flagger asks. The
controllers are built from their public Go modules by ``go build -o FOLDER/ ./cmd/…``; Prometheus is in most
distributions of Linux as well.
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
import yaml
from scipy.stats import binomtest

from labkit import Lab
from labkit.errors import UsageError
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.connecting.connect import connect
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.traffic.answers import send

HERE = Path(__file__).parent
HOME = "shop"
HOST = "shop.example"
"""By which the world calls it."""
OLD, NEW = "ServiceB", "External Cluster Service"
"""How the two versions greet."""
IMAGES = "artashesavetisyan/istio-basics-course:service-"
IMAGE = {OLD: f"{IMAGES}b-java-11", NEW: f"{IMAGES}ext-java-11"}
PATIENCE = 120.0
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

    def __init__(self, url, headers):
        super().__init__(daemon=True)
        self.url, self.headers = url, headers
        self.over, self.frames, self._lock = threading.Event(), [], threading.Lock()

    def run(self):
        while not self.over.is_set():
            asked = {"requests": 100, "concurrency": 4, "headers": self.headers}
            found = send(self.url, **asked, stop=self.over.is_set)
            with self._lock:
                self.frames.append(found)

    def since(self, moment):
        """The answers to what was sent since *moment*."""
        with self._lock:
            found = [frame[frame["time"] >= moment] for frame in self.frames]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()

    @property
    def everything(self):
        """The answers to what was sent until now."""
        return self.since(pd.Timestamp(0, tz="UTC"))

    def close(self):
        self.over.set()
        self.join(PATIENCE)
        return self.everything


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

    def send(self, requests, **headers):
        """The answers to some requests."""
        return send(f"http://{self.bench.gateway}/", requests=requests, headers={"Host": HOST} | headers)

    def greeted(self, **headers):
        """Who answers twenty requests."""
        answers = self.send(20, **headers)
        assert set(answers["status"]) == {200}
        return set(answers["service"])

    @contextlib.contextmanager
    def load(self, **headers):
        """Requests meanwhile, of which none may fail."""
        running = Load(f"http://{self.bench.gateway}/", {"Host": HOST} | headers)
        running.start()
        try:
            yield running
        finally:
            everything = running.close()
        failed = everything[everything["status"] != 200]
        assert failed.empty, failed[["time", "status", "error", "body"]].to_string()
        assert len(everything), "nothing was sent"

    def came_to(self, labels):
        """How many requests the proxies of the pods with *labels* have logged."""
        words = ("-l", labels, "-c", "istio-proxy", "--tail=-1")
        return self.bench.kubectl("logs", "-n", HOME, *words).count("GET / HTTP")

    def is_left_alone(self, managers, to):
        """The lab finds the rule, says whose it is, and changes nothing of it, whichever way it is asked."""
        was, said = self.routes(), f"are set by {managers}, so the lab leaves them alone"
        with Lab(kubeconfig=self.bench.kubeconfig, scenario=HERE / "shop") as lab:
            assert tuple(lab.weights().values()) == self.weights()
            with pytest.raises(UsageError, match=said):
                lab.shift(to)
            with pytest.raises(UsageError, match=said):
                lab.apply(self._with_weights(0, 100))
            panel = lab.split_panel("/")
            panel.set(100)
            assert said in panel.controls.change.value
            assert said in panel.controls.note.value
            panel.close()
        assert self.routes() == was

    def _with_weights(self, *weights):
        found = self.api.get(VIRTUAL_SERVICES.path(HOME, "web"))
        for target, weight in zip(found["spec"]["http"][-1]["route"], weights, strict=True):
            target["weight"] = weight
        mine = {name: found[name] for name in ("apiVersion", "kind", "spec")}
        return yaml.safe_dump(mine | {"metadata": {"name": "web", "namespace": HOME}})

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
