"""The third way to the gateway: a port of this machine, through a real API server, to a real Envoy."""

import concurrent.futures
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest

from labkit.errors import ApiRefused, ClusterError
from labkit.kube.api.api import Api
from labkit.kube.api.manifests import Source
from labkit.kube.api.resources import SERVICES
from labkit.kube.api.wait import wait_for_rollouts
from labkit.kube.applying.apply import apply
from labkit.kube.connecting.connect import connect
from labkit.kube.mesh.gateway import find_gateway
from labkit.kube.pods.port_forward import PortForward

HIDDEN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: door, namespace: hidden}
spec:
  replicas: 1
  selector: {matchLabels: {app: door}}
  template:
    metadata:
      labels: {app: door, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: istio-proxy, image: auto}]
---
apiVersion: v1
kind: Service
metadata: {name: door, namespace: hidden}
spec:
  type: ClusterIP
  selector: {app: door}
  ports: [{name: http2, port: 80, targetPort: 8080}, {name: nobody, port: 81, targetPort: 81}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: hidden}
spec:
  selector: {app: door}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: door, namespace: hidden}
spec:
  hosts: ["*"]
  gateways: [door]
  http: [{directResponse: {status: 200, body: {string: hello}}}]
"""


@pytest.fixture(scope="module")
def hidden(cluster) -> Iterator[Api]:
    """A gateway whose Service has neither a load balancer nor a node port."""
    api = connect(kubeconfig=cluster.kubeconfig)
    cluster.kubectl("create", "namespace", "hidden")
    apply(api, Source(HIDDEN), "hidden")
    wait_for_rollouts(api, [("hidden", "door")], timeout=60)
    yield api
    api.close()
    cluster.kubectl("delete", "namespace", "hidden", "--wait")


@pytest.fixture
def service(hidden, monkeypatch) -> dict:
    """Its Service, in the place of the one that is looked for."""
    monkeypatch.setattr("labkit.kube.mesh.gateway.NAMESPACE", "hidden")
    monkeypatch.setattr("labkit.kube.mesh.gateway.NAME", "door")
    return hidden.get(SERVICES.path("hidden", "door"))


@pytest.fixture
def gateway(hidden, service):
    found = find_gateway(hidden)
    yield found
    hidden.close()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


def served(url: str) -> bytes:
    """The answer, once the gateway has its listener."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return fetch(url)
        except OSError:
            if time.monotonic() > deadline:
                raise


def test_a_service_without_an_address_is_reached_by_port_forward(gateway):
    assert (gateway.host, gateway.via) == ("127.0.0.1", "port-forward")
    assert served(gateway.url("/")) == b"hello"


def test_many_at_once(gateway):
    served(gateway.url("/"))
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fetch, [gateway.url("/")] * 80)) == {b"hello"}


def test_one_forward_serves_everyone_and_goes_with_the_connection(hidden, gateway):
    before = forwards()
    assert find_gateway(hidden) == gateway
    assert forwards() == before
    hidden.close()
    assert forwards() == before - 1
    assert not gateway.accepts()


def forwards() -> int:
    """How many there are in this process; another test's Lab may have its own."""
    return sum(thread.name == "port-forward" for thread in threading.enumerate())


def test_a_replaced_pod_is_found_again(hidden, gateway, cluster):
    served(gateway.url("/"))
    cluster.kubectl("delete", "pod", "-n", "hidden", "-l", "app=door", "--wait")
    assert served(gateway.url("/")) == b"hello"


def test_a_port_nobody_listens_on(hidden, service):
    forward = PortForward(hidden, service, service["spec"]["ports"][1])
    try:
        assert not forward.leads_somewhere()
    finally:
        forward.close()
        forward.close()


def test_a_service_without_pods(hidden, service):
    service["spec"]["selector"] = {"app": "nobody"}
    forward = PortForward(hidden, service, service["spec"]["ports"][0])
    try:
        with pytest.raises(ClusterError, match="No pod of the Service door is ready"):
            forward.leads_somewhere()
    finally:
        forward.close()


def test_what_the_api_refuses_is_said(hidden, service, monkeypatch):
    forward = PortForward(hidden, service, service["spec"]["ports"][0])
    _, tls = hidden.credentials()
    monkeypatch.setattr(hidden, "credentials", lambda: ({"Authorization": "Bearer another"}, tls))
    try:
        with pytest.raises(ApiRefused) as refused:
            forward.leads_somewhere()
    finally:
        forward.close()
    assert refused.value.code == 401
    assert refused.value.thing.endswith("/portforward")
