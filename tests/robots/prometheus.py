"""A real Prometheus, which reads what the proxies of the shop's pods count, where they say it."""

import contextlib
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

from labkit.kube.api.resources import PODS

from .conftest import HOME, PATIENCE, free_port, process

NOTE = "prometheus.io/"
"""How the annotations begin by which a pod asks to be read; the sidecar's injection adds them."""


class Pods(ThreadingHTTPServer):
    """Tells Prometheus which pods to read. (That of Debian has no discovery in Kubernetes of its own.)"""

    def __init__(self, api):
        super().__init__(("127.0.0.1", 0), _Targets)
        self.api = api

    def targets(self):
        pods = self.api.items(PODS.path(HOME))
        running = [pod for pod in pods if (pod.get("status") or {}).get("podIP")]
        return [_target(pod) for pod in running if _notes(pod).get(f"{NOTE}scrape") == "true"]


class _Targets(BaseHTTPRequestHandler):
    def do_GET(self):
        text = json.dumps(self.server.targets()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def _notes(pod):
    return pod["metadata"].get("annotations") or {}


def _target(pod):
    notes = _notes(pod)
    labels = {"__metrics_path__": notes[f"{NOTE}path"], "pod": pod["metadata"]["name"]}
    return {"targets": [f"{pod['status']['podIP']}:{notes[f'{NOTE}port']}"], "labels": labels}


class Prometheus:
    """What it answers."""

    def __init__(self, url):
        self.url = url

    def value(self, query):
        """Of a query for one number; None where it knows none."""
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=30):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False


@contextlib.contextmanager
def running(program, bench, api):
    """*program* for the cluster of *bench*, ready; it reads once a second."""
    with Pods(api) as pods:
        threading.Thread(target=pods.serve_forever, daemon=True).start()
        file, port = bench.root / "prometheus.yml", free_port()
        found = {"url": f"http://127.0.0.1:{pods.server_port}/", "refresh_interval": "1s"}
        scraped = {"job_name": "pods", "http_sd_configs": [found]}
        text = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scraped]}
        file.write_text(yaml.safe_dump(text))
        command = [program, f"--config.file={file}", f"--storage.tsdb.path={bench.root / 'prometheus'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}"]
        with process(command, log := bench.root / "prometheus.log", bench.env) as it:
            witness, deadline = Prometheus(f"http://127.0.0.1:{port}"), time.monotonic() + PATIENCE
            while not witness.is_ready():
                over = it.poll() is not None or time.monotonic() > deadline
                assert not over, log.read_text()[-3000:]
                time.sleep(0.1)  # between two questions
            yield witness
        pods.shutdown()
