"""Flagger drives a canary on the embedded cluster by weights, to the whole.

Its metrics come over Prometheus' API from a small server here, which answers its query for the success rate
by what the proxies have counted themselves (``istio_requests_total`` since they started; no rates).
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labkit.kube.proxies.metrics import metrics
from labkit.release.finding import rule_of
from labkit.release.managers import managers_of

from .conftest import HERE, HOME, IMAGE, NEW, VIRTUAL_SERVICES, Shop, folder, free_port, process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
METRICS = [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}]


class Witness(ThreadingHTTPServer):
    """What Flagger asks over HTTP: metrics, and whether it may go on."""

    def __init__(self, api):
        super().__init__(("127.0.0.1", 0), Answers)
        self.api, self.may_go_on = api, threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def success_rate(self):
        """Of the new version's pods, per cent; None where nothing came."""
        seen = metrics(self.api, "web", HOME, "istio_requests_total")
        mine = seen[seen["reporter"] == "destination"]
        total = mine["value"].sum()
        failed = mine[mine["response_code"].astype("str").str.startswith("5")]["value"].sum()
        return 100 * (total - failed) / total if total else None


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        value = 1 if "vector" in self.path else self.server.success_rate()
        result = [] if value is None else [{"metric": {}, "value": [0, str(value)]}]
        self._say(200, {"status": "success", "data": {"resultType": "vector", "result": result}})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._say(200 if self.server.may_go_on.is_set() else 403, {})

    def _say(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def witness(api):
    with Witness(api) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def controller(shop_bench, witness):
    programs = folder("LABKIT_FLAGGER", "flagger", "crd.yaml")
    shop_bench.kubectl("apply", "-f", programs / "crd.yaml")
    command = [programs / "flagger", f"-kubeconfig={shop_bench.kubeconfig}", "-mesh-provider=istio"]
    command += [f"-metrics-server={witness.url}", f"-namespace={HOME}", f"-port={free_port()}"]
    command += ["-control-loop-interval=1s"]
    with process(command, shop_bench.root / "flagger.log", shop_bench.env):
        yield


class Flagger(Shop):
    def phase(self, *wanted):
        self.until(lambda: self._phase() in wanted, f"{wanted}, it is {self._phase()}")

    def _phase(self):
        return (self.get("canary", "web").get("status") or {}).get("phase")

    def release(self, version):
        self.bench.kubectl("set", "image", "deployment/web", f"app={IMAGE[version]}", "-n", HOME)

    def given(self, percent):
        self.until(lambda: self.weights() == (100 - percent, percent), f"{percent} %")


@pytest.fixture
def flagger(controller, shop_bench, api):
    return Flagger(shop_bench, api)


@pytest.fixture
def start(flagger, witness):
    def begin(**how):
        hooks = [{"name": "gate", "type": "confirm-traffic-increase", "url": witness.url}]
        hooks += [{"name": "gate-2", "type": "confirm-promotion", "url": witness.url}]
        analysis = {"interval": "1s", "threshold": 2, "metrics": METRICS, "webhooks": hooks, **how}
        text = (HERE / "flagger" / "release.yaml").read_text().replace("HOW", json.dumps(analysis))
        witness.may_go_on.clear()
        flagger.apply(text)
        flagger.phase("Initialized")
        flagger.settled()

    yield begin
    flagger.bench.kubectl("delete", "canaries,deployments", "--all", "-n", HOME)
    flagger.until(lambda: not flagger.bench.get("pods", "-n", HOME)["items"], "no pods are left")


def test_by_weights_to_the_whole(flagger, start, witness):
    start(stepWeights=[20, 50])
    with flagger.load() as load:
        flagger.fits(load, 0, count=100)
        flagger.release(NEW)
        for percent in (20, 50):
            witness.may_go_on.set()
            flagger.given(percent)
            witness.may_go_on.clear()
            flagger.fits(load, percent)
        assert "flagger" in managers_of(rule_of(flagger.api.get(VIRTUAL_SERVICES.path(HOME, "web"))))
        witness.may_go_on.set()
        flagger.phase("Succeeded")
        flagger.fits(load, 100)
