"""The scenario's own manifests, step by step: what each proxy gets, and that Envoy takes it."""

from pathlib import Path

import pytest
import yaml

MANIFESTS = Path(__file__).parents[3] / "manifests"
APPS = (
    "01-inbound-to-service-a",
    "02-outbound-to-service-b",
    "03-split-between-b-and-c",
    "04-external-cluster",
    "05-open-outbound",
)
NAMESPACES = {"04-external-cluster": "external-cluster"}

INSTALLED = """
kind: Mesh
spec: {accessLogFile: /dev/stdout, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
"""


def gateway(name, ports):
    kind = name.removeprefix("istio-")
    return f"""
---
kind: Service
metadata: {{name: {name}, namespace: istio-system}}
spec:
  type: LoadBalancer
  selector: {{app: {name}, istio: {kind}}}
  ports: {ports}
status: {{loadBalancer: {{ingress: [{{ip: 127.42.255.1}}]}}}}
---
kind: Deployment
metadata: {{name: {name}, namespace: istio-system}}
spec:
  template:
    metadata: {{labels: {{app: {name}, istio: {kind}}}}}
"""


INGRESS = gateway(
    "istio-ingressgateway",
    "[{name: status-port, port: 15021, targetPort: 15021}, {name: http2, port: 8080, targetPort: 8080, nodePort: 30080},"
    " {name: https, port: 8443, targetPort: 8443}, {name: http-mesh, port: 80, targetPort: 8080}]",
)
EGRESS = gateway("istio-egressgateway", "[{name: http2, port: 80, targetPort: 8080}]")


def manifests(step):
    """The documents of a step as text, in the namespace the step puts them in."""
    documents = []
    for file in sorted((MANIFESTS / step).glob("*.yml")):
        for each in yaml.safe_load_all(file.read_text()):
            each["metadata"].setdefault("namespace", NAMESPACES.get(step, "dev-service-mesh"))
            if not (each["kind"] == "VirtualService" and "-10-c" in file.name or "-90-c" in file.name):
                documents.append(each)
    return "\n---\n".join(yaml.safe_dump(each) for each in documents)


@pytest.fixture
def scenario(mesh):
    def up_to(step):
        parts = [INGRESS, EGRESS] if step >= 5 else [INGRESS]
        newest = {}
        for text in map(manifests, APPS[:step]):
            for each in yaml.safe_load_all(text):
                newest[each["kind"], each["metadata"]["name"]] = each
        return mesh("\n---\n".join([*parts, *map(yaml.safe_dump, newest.values())]), base=INSTALLED)

    return up_to


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_envoy_accepts_every_step(scenario, envoy_accepts, step):
    mesh = scenario(step)
    proxies = {"istio-ingressgateway", "service-a-v1-deployment"}
    proxies |= {"service-b-deployment"} if step > 1 else set()
    proxies |= {"service-c-deployment"} if step > 2 else set()
    proxies |= {"service-ext-deployment"} if step > 3 else set()
    proxies |= {"istio-egressgateway"} if step > 4 else set()
    for proxy in proxies:
        envoy_accepts(mesh.snapshot(proxy))
