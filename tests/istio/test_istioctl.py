"""The real istioctl on the embedded mesh: what people type to look into theirs.

Skipped where neither ``ISTIO_ASSETS`` nor PATH has one.
"""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

GATEWAY = "deployment/istio-ingressgateway.istio-system"
SHOP = """
apiVersion: v1
kind: Namespace
metadata: {name: istioctl, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: istioctl}
spec: {selector: {app: web}, ports: [{name: http, port: 8000}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: istioctl}
spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: v1}}]}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: istioctl, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v1}}
    spec: {containers: [{name: web, image: curlimages/curl, command: [sleep, infinity]}]}
"""


def _program():
    named = Path(os.environ.get("ISTIO_ASSETS", "/nowhere")) / "istioctl"
    return str(named) if os.access(named, os.X_OK) else shutil.which("istioctl")


@pytest.fixture(scope="module")
def program():
    if (found := _program()) is None:
        pytest.skip("no istioctl: neither ISTIO_ASSETS nor PATH has one")
    return found


@pytest.fixture(scope="module")
def istioctl(program, own_cluster):
    """Types a command; what it printed."""
    own_cluster.kubectl("apply", "-f", "-", input=SHOP + "---" + DEPLOYMENT)
    own_cluster.kubectl("rollout", "status", "deployment/web", "-n", "istioctl")

    def typed(*words, check=True, **options):
        done = own_cluster.run(program, *words, check=check, **options)
        return done.stdout + done.stderr

    return typed


@pytest.fixture(scope="module")
def pod(own_cluster, istioctl):
    return own_cluster.get("pods", "-n", "istioctl")["items"][0]["metadata"]["name"] + ".istioctl"


def test_versions_of_both_planes(istioctl):
    told = istioctl("version")
    assert "control plane version: 1.30.3" in told
    assert "data plane version: 1.30.3 (2 proxies)" in told
    assert istioctl("experimental", "version").splitlines()[1:] == told.splitlines()[1:]


def test_proxy_status_lists_and_compares(istioctl, pod):
    told = istioctl("proxy-status")
    assert f"{pod} " in told
    assert "istio-ingressgateway" in told
    page = json.loads(istioctl("experimental", "internal-debug", "syncz"))
    assert {each["proxy_type"] for each in page} == {"router", "sidecar"}
    told = istioctl("proxy-status", pod)
    assert "Clusters Match\nListeners Match\nRoutes Match" in told


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("clusters", "outbound"),
        ("listeners", "15001"),
        ("routes", "web.istioctl.svc.cluster.local"),
        ("endpoints", "HEALTHY"),
        ("bootstrap", "istioctl.svc.cluster.local"),
        ("log", "admin: warning"),
        ("all", "Envoy Version"),
    ],
)
def test_proxy_config(istioctl, pod, part, words):
    assert words in istioctl("proxy-config", part, pod)


def test_certificates_are_read(istioctl, pod):
    lines = istioctl("proxy-config", "secret", pod).splitlines()
    assert [line.split()[:5] for line in lines[1:]] == [
        ["default", "Cert", "Chain", "ACTIVE", "true"],
        ["ROOTCA", "CA", "ACTIVE", "true", lines[2].split()[4]],
    ]


def test_analyze_finds_the_missing_subset(istioctl):
    told = istioctl("analyze", "-n", "istioctl", check=False)
    assert 'Referenced host+subset in destinationrule not found: "web+v1"' in told
    assert "✔ No validation issues found" in istioctl("analyze", "-n", "istio-system")


def test_describe(istioctl, pod):
    told = istioctl("experimental", "describe", "pod", pod)
    assert "VirtualService: web" in told
    assert "NO DESTINATION RULE defining subsets" in told
    assert "Service: web" in istioctl("experimental", "describe", "service", "web.istioctl")
    assert "istio-sidecar-injector" in istioctl("experimental", "check-inject", pod)


def test_kube_inject_asks_istiods_webhook(istioctl, own_cluster):
    injected = next(yaml.safe_load_all(istioctl("kube-inject", "-f", "-", input=DEPLOYMENT)))
    found = injected["spec"]["template"]["spec"]["containers"]
    made = own_cluster.get("pods", "-n", "istioctl")["items"][0]["spec"]["containers"]
    assert [(each["name"], each["image"]) for each in found] == [
        (each["name"], each["image"]) for each in made
    ]
    again = istioctl("kube-inject", "-f", "-", input=yaml.safe_dump(injected))
    assert len(next(yaml.safe_load_all(again))["spec"]["template"]["spec"]["containers"]) == 2


def test_validate(istioctl):
    assert "validation succeed" in istioctl("validate", "-f", "-", input=SHOP)


def test_statistics_and_the_dashboard(istioctl, program, own_cluster, pod):
    assert "control_plane.connected_state" in istioctl("experimental", "envoy-stats", pod)
    command = (program, "dashboard", "envoy", pod, "--browser=false", "--port", "0")
    with subprocess.Popen(command, env=own_cluster.env, stdout=subprocess.PIPE, text=True) as shown:
        address = shown.stdout.readline().strip()
        with contextlib.closing(urllib.request.urlopen(f"{address}/server_info")) as answer:
            assert json.load(answer)["state"] == "LIVE"
        shown.terminate()


def test_a_page_that_istiod_has_not(istioctl):
    told = istioctl("experimental", "internal-debug", "nosuch", check=False)
    assert "please check all supported internal debug commands" in told


def test_uninstall(istioctl, own_cluster):
    """Last: there is no mesh behind it."""
    told = istioctl("uninstall", "--purge", "-y")
    assert "MutatingWebhookConfiguration/istio-sidecar-injector" in told
    assert "Uninstall complete" in told
    assert own_cluster.kubectl("get", "deployments", "-n", "istio-system", "-o", "name") == ""
    assert own_cluster.kubectl("get", "validatingwebhookconfigurations", "-o", "name") == ""
