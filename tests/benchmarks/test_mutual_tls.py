"""What mutual TLS between two proxies costs in requests a second, beside the same without it."""

import pytest

from labkit.kube.connecting.connect import connect
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.traffic.answers import send

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

SERVICE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: tls-bench}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec: {containers: [{name: echo, image: mccutchen/go-httpbin, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: tls-bench}
spec: {selector: {app: echo}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: echo, namespace: tls-bench}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [tls.bench]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo, namespace: tls-bench}
spec: {hosts: [tls.bench], gateways: [echo], http: [{route: [{destination: {host: echo}}]}]}
---
# Answered by the sidecar: what is measured is two proxies and what is between them.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: answer, namespace: tls-bench}
spec:
  workloadSelector: {labels: {app: echo}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
            subFilter: {name: envoy.filters.http.router}
    patch:
      operation: INSERT_BEFORE
      value:
        name: answer
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
          abort: {http_status: 200, percentage: {numerator: 100}}
"""
PLAIN = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: tls-bench}
spec: {mtls: {mode: DISABLE}}
"""


@pytest.fixture(scope="module")
def api(cluster):
    with_it = ("namespace", "tls-bench")
    cluster.kubectl("create", *with_it)
    cluster.kubectl("label", *with_it, "istio-injection=enabled")
    cluster.kubectl("apply", "-f", "-", input=SERVICE)
    cluster.kubectl("-n", "tls-bench", "rollout", "status", "deployment/echo", "--timeout=60s")
    made = connect(kubeconfig=cluster.kubeconfig)
    yield made
    made.close()
    cluster.kubectl("delete", *with_it)


@pytest.mark.parametrize("concurrency", [4, 16, 64])
def test_share_of_plain_text(cluster, api, concurrency, figure):
    url, rates = f"http://{cluster.gateway}/", {"plain": [], "secured": []}
    for _ in range(3):  # in turns, so that a busy moment hits both
        for kind, verb in (("secured", "delete"), ("plain", "apply")):
            flags = ("--ignore-not-found",) if verb == "delete" else ()
            cluster.kubectl(verb, "-f", "-", *flags, input=PLAIN)
            wait_for_proxies(api, timeout=60)
            send(url, requests=200, concurrency=concurrency, headers={"Host": "tls.bench"})
            frame = send(url, requests=6000, concurrency=concurrency, headers={"Host": "tls.bench"})
            assert frame["status"].eq(200).all()
            rates[kind].append(len(frame) / frame.attrs["seconds"])
    secured, plain = max(rates["secured"]), max(rates["plain"])
    told = f"{secured:.0f}/s, in plain text {plain:.0f}/s: {secured / plain:.0%}"
    what = f"requests through mutual TLS, {concurrency} at once"
    figure(what, told, "70% of plain text", met=secured / plain >= 0.7)
