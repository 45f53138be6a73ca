"""How soon new weights are acknowledged where the proxies themselves are asked, and how much is read for it.

On the embedded cluster, and on the one that ``LABKIT_CONTEXT`` names (a real Kubernetes with a real istiod):

    python -m tests.real_cluster.kubernetes pytest tests/benchmarks/test_convergence_by_proxies.py -k real
"""

import datetime
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import Lab
from labkit.kube.api.delete import delete
from labkit.kube.api.manifests import Source
from labkit.kube.api.resources import NAMESPACES
from labkit.kube.api.wait import wait_until_gone
from labkit.kube.applying.apply import apply
from labkit.kube.convergence.ask_proxies import AskProxies
from labkit.kube.proxies import admin_connections
from labkit.kube.proxies.proxies import find_proxies
from labkit.kube.proxies.proxy_admin import ask

from .. import the_book as cast
from ..shares import give

pytestmark = [pytest.mark.benchmark, pytest.mark.slow, pytest.mark.timeout(600)]

CHANGES, MANY = 20, 400
SEEN = (*cast.NAMESPACES, cast.SYSTEM)
LABKIT = Path(sys.executable).parent / "labkit"


@pytest.fixture(params=["embedded", "real"])
def lab(request, tmp_path, monkeypatch):
    if request.param == "real":
        context = os.environ.get("LABKIT_CONTEXT")
        if not context:
            pytest.skip("LABKIT_CONTEXT names no cluster")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        subprocess.run([LABKIT, "look", "--yes", "--production"], check=True, capture_output=True)
        where = {"context": context}
    else:
        where = {"kubeconfig": request.getfixturevalue("cluster").kubeconfig}
    with Lab(**where) as made:
        made.place = request.param
        made.goto(3, finished=True)
        yield made
        made.reset()


@pytest.fixture
def many(lab):
    """Hundreds of Services, and as many hosts outside."""
    name = "labkit-many"
    lab.api.request("POST", NAMESPACES.path(), body={"metadata": {"name": name}})
    apply(lab.api, Source("---".join(_service(number) for number in range(MANY))), name)
    yield
    delete(lab.api, NAMESPACES, "", name)
    wait_until_gone(lab.api, NAMESPACES, "", name)


def _service(number):
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: s-{number}}}
spec: {{selector: {{app: none}}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e-{number}}}
spec:
  hosts: [host-{number}.example.com]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: DNS
"""


class Meter:
    """What is read of proxies: bytes of each look."""

    def __init__(self, monkeypatch):
        self.read, self.looks = 0, []
        self._ask, self._look = admin_connections.AdminConnections.get, AskProxies._look
        monkeypatch.setattr(admin_connections.AdminConnections, "get", lambda *a: self._measured(*a))
        monkeypatch.setattr(AskProxies, "_look", lambda *a, **k: self._counted(*a, **k))

    def _measured(self, *words):
        status, body = self._ask(*words)
        self.read += len(body)
        return status, body

    def _counted(self, *words, **more):
        before = self.read
        found = self._look(*words, **more)
        self.looks.append(self.read - before)
        return found


@pytest.fixture
def meter(monkeypatch):
    return Meter(monkeypatch)


def test_few_services(lab, meter, figure):
    _measure(lab, meter, figure, "")


def test_many_services(lab, meter, many, figure):
    _measure(lab, meter, figure, f", {MANY} Services and {MANY} hosts more")


def _measure(lab, meter, figure, where):
    strategy = AskProxies(lab.api, SEEN)
    strategy.wait("", 60)
    meter.looks.clear()
    seconds, since = [], []
    for turn in range(CHANGES):
        change = give(lab.api, "ServiceC", 20 + turn, strategy=strategy)
        seconds.append(change.acknowledged.seconds)
        since.append(change.at - _pushed(lab))
    place = f"proxies asked, {lab.place}{where}"
    figure(f"weights changed → acknowledged; {place}", _ms(seconds))
    figure(f"pushed → acknowledged; {place}", _ms(since), "150 ms", met=statistics.median(since) < 0.15)
    looks = (
        f"{statistics.median(meter.looks) / 1000:.0f} KB (median), largest {max(meter.looks) / 1000:.0f} KB"
    )
    figure(f"one look at all proxies; {place}", looks, "1 MB", met=max(meter.looks) < 1e6)


def _pushed(lab):
    """When the last proxy took over its last routes, by its own clock, which here is ours."""
    page = "config_dump?resource=dynamic_route_configs&mask=last_updated"
    dumps = [ask(lab.api, proxy, page) for proxy in find_proxies(lab.api, SEEN)]
    moments = [one["last_updated"] for dump in dumps for one in dump.get("configs", [])]
    return max(datetime.datetime.fromisoformat(moment).timestamp() for moment in moments)


def _ms(seconds):
    return f"{1000 * statistics.median(seconds):.0f} ms (median), slowest {1000 * max(seconds):.0f} ms"
