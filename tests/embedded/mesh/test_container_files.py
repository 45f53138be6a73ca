"""Files and variables that lead out of a proxy's container: whoever asks for them is told."""

from .test_istio_validation import ask, config_map

ELSEWHERE = "is in the container of no proxy but those with a volume (emptyDir) mounted there"


def test_files_that_not_every_proxy_has_are_told():
    provider = "extensionProviders: [{name: a, envoyFileAccessLog: {path: /etc/log}}]"
    assert config_map(f"accessLogFile: /home/me/log\n{provider}") == [
        f"data.mesh: accessLogFile: /home/me/log {ELSEWHERE}: no other writes it",
        f"data.mesh: extensionProviders[a].envoyFileAccessLog.path: /etc/log {ELSEWHERE}: no other writes it",
    ]
    assert config_map("accessLogFile: /tmp/log") == []
    told = [f"unix:///run/it {ELSEWHERE}: no other reaches it"]
    entry = {"address": "unix:///run/it"}
    assert ask("WorkloadEntry", entry) == [f"spec.address: {told[0]}"]
    ingress = [{"port": {"number": 9, "protocol": "HTTP", "name": "a"}, "defaultEndpoint": "unix:///run/it"}]
    assert ask("Sidecar", {"ingress": ingress}) == [f"spec.ingress[0].defaultEndpoint: {told[0]}"]
    spec = {"hosts": ["a.example"], "resolution": "STATIC", "endpoints": [entry], "exportTo": ["."]}
    spec["ports"] = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    assert ask("ServiceEntry", spec) == [f"spec.endpoints[0].address: {told[0]}"]


def test_variables_that_lead_out_of_a_proxy_are_told():
    assert ask("ProxyConfig", {"environmentVariables": {"A": "b", "LD_PRELOAD": "/c"}}) == [
        "spec.environmentVariables.LD_PRELOAD: the proxy is given no such variable"
    ]


GATEWAY = """
kind: Pod
metadata: {name: gateway, labels: {istio: ingressgateway}}
---
kind: Gateway
metadata: {name: it}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 0, name: a, protocol: HTTP}, bind: "unix:///tmp/it", hosts: ["*"]}
  - {port: {number: 80, name: b, protocol: HTTP}, hosts: ["*"]}
"""


def test_a_gateway_makes_no_socket_and_serves_the_rest(mesh):
    assert list(mesh(GATEWAY).snapshot("gateway").listeners) == ["0.0.0.0_80"]
