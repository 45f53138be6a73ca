"""The lessons on ways out of the mesh, with hosts of an outside world that the lab plays."""

from __future__ import annotations

import re

import pytest

from labkit.kube.applying import outside

from . import manifests
from .conftest import Class, until
from .manifests import to, virtual_service

pytestmark = pytest.mark.slow

EDITION, HTTPBIN, WIKI, ORACLE = "edition.example", "httpbin.example", "www.wiki.example", "www.oracle.com"
CODE = "curl -sS -o /dev/null -w '%{http_code}'"
EGRESS = "istio-egressgateway.istio-system.svc.cluster.local"


@pytest.fixture(scope="module")
def abroad(room: Class) -> Class:
    """Some hosts outside, none of them known to the mesh; an egress gateway."""
    file = room.folder / "hosts.yaml"
    file.write_text(f"""
{EDITION}: {{pages: {{/politics: "the news\\n"}}, to_https: true}}
{HTTPBIN}: {{pages: {{/headers: {{}}, /status/200: ""}}}}
"*.wiki.example":
{ORACLE}: {{pages: {{/index.html: its page}}}}
""")
    outside.enter(room.api, outside.of_file(file))
    flags = [
        *("meshConfig.accessLogFile=/dev/stdout", "meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY"),
        *(
            "components.egressGateways[0].name=istio-egressgateway",
            "components.egressGateways[0].enabled=true",
        ),
    ]
    room.bench.labkit("istio", "install", "-y", *(word for flag in flags for word in ("--set", flag)))
    room.settle()
    return room


@pytest.fixture(autouse=True)
def nothing_left(abroad: Class):
    yield
    kinds = ("serviceentry", "virtualservice", "gateway", "destinationrule")
    for kind in kinds:
        abroad.kubectl("delete", kind, "--all")
    abroad.settle()


def entry(name: str, host: str, *ports: str, resolution: str = "DNS", more: str = "") -> str:
    known = {
        "http": "{number: 80, name: http-port, protocol: HTTP}",
        "https": "{number: 443, name: https, protocol: HTTPS}",
        "tls": "{number: 443, name: tls, protocol: TLS}",
        "tcp": "{number: 3128, name: tcp, protocol: TCP}",
    }
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: ["{host}"]
  location: MESH_EXTERNAL
  ports: [{", ".join(known[each] for each in ports)}]
  resolution: {resolution}
  {more}
"""


def egress_gateway(host: str, port: int, protocol: str, tls: str = "") -> str:
    return manifests.gateway("way-out", hosts=f'["{host}"]', port=port, protocol=protocol, tls=tls).replace(
        "istio: ingressgateway", "istio: egressgateway"
    )


def logs(room: Class, what: str, where: str) -> list[str]:
    """The lines with *what* in the proxies of *where*."""
    place = {
        "curl": ("deploy/curl", room.namespace),
        "egress": ("deploy/istio-egressgateway", "istio-system"),
    }
    pod, namespace = place[where]
    log = room.kubectl("logs", pod, "-c", "istio-proxy", namespace=namespace)
    return [line for line in log.splitlines() if what in line]


def test_what_the_mesh_does_not_know_is_refused(abroad: Class) -> None:
    assert abroad.type("curl", f"{CODE} http://{HTTPBIN}/headers") == "502"
    assert "curl: (35) " in abroad.type("curl", f"curl -sS https://{WIKI}", check=False)
    until(lambda: any("BlackHoleCluster" in line for line in logs(abroad, ":443", "curl")))


def test_egress_control(abroad: Class) -> None:
    abroad.apply(entry("httpbin-ext", HTTPBIN, "http"), entry("wiki", WIKI, "https"))
    answer = abroad.type("curl", f"curl -sS -i http://{HTTPBIN}/headers")
    assert answer.startswith("HTTP/1.1 200")
    assert f"x-labkit-outside: stand-in for {HTTPBIN}" in answer
    page = abroad.type("curl", f"curl -sS https://{WIKI}")
    assert f"stand-in for {WIKI}, played by the lab" in page
    until(lambda: logs(abroad, f"outbound|443||{WIKI}", "curl") != [])
    limited = f"http: [{{timeout: 0.3s, route: [{to(HTTPBIN)}]}}]"
    abroad.apply(virtual_service("httpbin-ext", f"[{HTTPBIN}]", limited))
    assert abroad.type("curl", f"{CODE} http://{HTTPBIN}/delay/5") == "504"


def test_a_service_that_calls_the_outside(abroad: Class) -> None:
    image = "artashesavetisyan/istio-basics-course:service-g"
    abroad.apply(
        entry("oracle", ORACLE, "http"),
        manifests.service("service-g", 80, 8083),
        manifests.deployment("service-g", image, port=8083),
    )
    abroad.ready("service-g")
    assert abroad.type("curl", "curl -sS http://service-g/").endswith(
        f"http://{ORACLE}/index.html): its page"
    )


def test_egress_to_kubernetes_services(abroad: Class) -> None:
    abroad.apply(
        entry("httpbin-ext", HTTPBIN, "http"),
        f"""
apiVersion: v1
kind: Service
metadata: {{name: my-httpbin}}
spec: {{type: ExternalName, externalName: {HTTPBIN}, ports: [{{name: http, protocol: TCP, port: 80}}]}}
""",
    )
    assert abroad.type("curl", f"{CODE} -H 'Host: {HTTPBIN}' http://my-httpbin/headers") == "200"
    abroad.kubectl("delete", "service", "my-httpbin")


def test_egress_gateway_for_http(abroad: Class) -> None:
    ways = f"""http:
  - match: [{{gateways: [mesh], port: 80}}]
    route: [{{destination: {{host: {EGRESS}, port: {{number: 80}}}}}}]
  - match: [{{gateways: [way-out], port: 80}}]
    route: [{{destination: {{host: {HTTPBIN}, port: {{number: 80}}}}}}]"""
    abroad.apply(
        entry("cnn", HTTPBIN, "http"),
        egress_gateway(HTTPBIN, 80, "HTTP"),
        virtual_service("through-egress", f"[{HTTPBIN}]", ways, gateways="[way-out, mesh]"),
    )
    assert abroad.type("curl", f"{CODE} http://{HTTPBIN}/headers") == "200"
    until(lambda: logs(abroad, f"outbound|80||{HTTPBIN}", "egress") != [])


def test_egress_gateway_for_https_passed_through(abroad: Class) -> None:
    ways = f"""tls:
  - match: [{{gateways: [mesh], port: 443, sniHosts: [{EDITION}]}}]
    route: [{{destination: {{host: {EGRESS}, port: {{number: 443}}}}}}]
  - match: [{{gateways: [way-out], port: 443, sniHosts: [{EDITION}]}}]
    route: [{{destination: {{host: {EDITION}, port: {{number: 443}}}}}}]"""
    abroad.apply(
        entry("cnn", EDITION, "http", "tls"),
        egress_gateway(EDITION, 443, "TLS", ", tls: {mode: PASSTHROUGH}"),
        virtual_service("through-egress", f"[{EDITION}]", ways, gateways="[way-out, mesh]"),
    )
    said = abroad.type("curl", f"curl -sSL -D - http://{EDITION}/politics")
    assert re.findall(r"HTTP/\S+ (\d+)", said) == ["301", "200"]
    assert said.endswith("the news\n")
    until(lambda: logs(abroad, f"outbound|443||{EDITION}", "egress") != [])


def test_wildcard_egress(abroad: Class) -> None:
    ways = f"""tls:
  - match: [{{port: 443, sniHosts: ["*.wiki.example"]}}]
    route: [{{destination: {{host: {WIKI}, port: {{number: 443}}}}}}]"""
    abroad.apply(
        entry("wiki", "*.wiki.example", "https", more=f"endpoints: [{{address: {WIKI}}}]"),
        entry("www-wiki", WIKI, "tls"),
        virtual_service("wildcard", '["*.wiki.example"]', ways),
    )
    for host in ("en.wiki.example", "de.wiki.example"):
        assert f"stand-in for {host}" in abroad.type("curl", f"curl -sS https://{host}/")
    assert "curl: (" in abroad.type("curl", "curl -sS https://other.example/", check=False)


def test_an_http_proxy(abroad: Class, tmp_path) -> None:
    configuration = tmp_path / "squid.conf"
    configuration.write_text(
        "http_port 3128\nacl SSL_ports port 443\nacl CONNECT method CONNECT\n"
        "http_access deny CONNECT !SSL_ports\n"
        "http_access allow localhost manager\nhttp_access deny manager\nhttp_access allow all\n"
        "coredump_dir /var/spool/squid\n"
    )
    kubectl = abroad.bench.kubectl
    kubectl("create", "namespace", "external")
    kubectl("-n", "external", "create", "configmap", "proxy", f"--from-file=squid.conf={configuration}")
    extra = "volumeMounts: [{name: conf, mountPath: /etc/squid, readOnly: true}]|"
    extra += "volumes: [{name: conf, configMap: {name: proxy}}]"
    abroad.apply(
        manifests.deployment("squid", "sameersbn/squid:3.5.27", port=3128, extra=extra), namespace="external"
    )
    abroad.ready("squid", namespace="external")
    address = abroad.kubectl(
        "get", "pod", "-l", "app=squid", "-o", "jsonpath={.items..podIP}", namespace="external"
    )
    abroad.apply(
        entry(
            *("proxy", "my-company-proxy.com", "tcp"),
            resolution="STATIC",
            more=f"addresses: [{address}/32]\n  endpoints: [{{address: {address}}}]",
        )
    )
    said = abroad.type("curl", f"HTTPS_PROXY={address}:3128 curl -sS https://{WIKI}/")
    assert f"stand-in for {WIKI}" in said
    until(lambda: logs(abroad, "outbound|3128||my-company-proxy.com", "curl") != [])
    until(lambda: f"CONNECT {WIKI}:443" in abroad.kubectl("logs", "deploy/squid", namespace="external"))
    refused = abroad.type("curl", f"HTTPS_PROXY={address}:3128 curl -sS https://{WIKI}:8080/", check=False)
    assert "403" in refused
    kubectl("delete", "namespace", "external", "--timeout=60s")


def test_anybody_who_asks_is_told_that_it_is_a_stand_in(abroad: Class) -> None:
    abroad.apply(entry("wiki", WIKI, "http"))
    answer = abroad.type("curl", f"curl -sS -i http://{WIKI}/")
    assert f"x-labkit-outside: stand-in for {WIKI}" in answer
    assert "it is not the real one" in answer
    assert "Could not resolve host" in abroad.type(
        "curl", "curl -sS http://never.entered.invalid/", check=False
    )


def originating(host: str, port: int, tls: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: originate}}
spec:
  host: {host}
  trafficPolicy: {{portLevelSettings: [{{port: {{number: {port}}}, tls: {tls}}}]}}
"""


def test_tls_begun_by_the_sidecar(abroad: Class) -> None:
    page = f"curl -sSL -o /dev/null -D - http://{EDITION}/politics"
    known = entry("edition", EDITION, "http", "tls")
    abroad.apply(known)
    assert re.findall(r"HTTP/\S+ (\d+)", abroad.type("curl", page)) == ["301", "200"]
    begun = known.replace(
        "name: http-port, protocol: HTTP", "name: http-port, protocol: HTTP, targetPort: 443"
    )
    abroad.apply(begun, originating(EDITION, 80, "{mode: SIMPLE}"))
    until(lambda: re.findall(r"HTTP/\S+ (\d+)", abroad.type("curl", page)) == ["200"])


def test_tls_begun_by_the_egress_gateway(abroad: Class) -> None:
    ways = f"""http:
  - match: [{{gateways: [mesh], port: 80}}]
    route: [{{destination: {{host: {EGRESS}, subset: cnn, port: {{number: 443}}}}}}]
  - match: [{{gateways: [way-out], port: 443}}]
    route: [{{destination: {{host: {EDITION}, port: {{number: 443}}}}}}]"""
    to_egress = f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: to-egress}}
spec:
  host: {EGRESS}
  subsets:
  - name: cnn
    trafficPolicy:
      portLevelSettings: [{{port: {{number: 443}}, tls: {{mode: ISTIO_MUTUAL, sni: {EDITION}}}}}]
"""
    abroad.apply(
        entry("edition", EDITION, "http", "https"),
        egress_gateway(EDITION, 443, "HTTPS", ", tls: {mode: ISTIO_MUTUAL}"),
        to_egress,
        virtual_service("through-egress", f"[{EDITION}]", ways, gateways="[way-out, mesh]"),
        originating(EDITION, 443, "{mode: SIMPLE}"),
    )
    page = f"curl -sSL -o /dev/null -D - http://{EDITION}/politics"
    until(lambda: re.findall(r"HTTP/\S+ (\d+)", abroad.type("curl", page)) == ["200"])
    until(lambda: logs(abroad, f"outbound|443||{EDITION}", "egress") != [])
