"""The lessons that need a server: TCP shifting, breakers, mirroring, ingress of all kinds, access logs."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit.embedded.addresses import lowest_port

from . import manifests
from .conftest import Class, until
from .manifests import deployment, gateway, service, subsets, to, virtual_service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def httpbin(room: Class) -> Class:
    """go-httpbin behind a Service on port 8000."""
    room.apply(service("httpbin", 8000, 8080), deployment("httpbin", manifests.GO_HTTPBIN, port=8080))
    room.ready("httpbin")
    return room


def test_tcp_traffic_shifting(room: Class) -> None:
    echo = {version: f'["9000,9001", "{word}"]' for version, word in (("v1", "one"), ("v2", "two"))}
    room.apply(
        service("tcp-echo", 9000, 9000, port_name="tcp"),
        *(
            deployment(
                f"tcp-echo-{each}", manifests.TCP_ECHO, app="tcp-echo", version=each, args=args, port=9000
            )
            for each, args in echo.items()
        ),
        subsets("tcp-echo", "v1", "v2"),
        virtual_service("tcp-echo", "[tcp-echo]", f"tcp: [{{route: [{to('tcp-echo', 'v1')}]}}]"),
    )
    room.ready("tcp-echo-v1", "tcp-echo-v2")
    said = "for i in 1 2 3 4; do (date; sleep 0.1) | nc -w 5 tcp-echo 9000; done"
    lines = room.type("curl", said).splitlines()
    assert [line.split()[0] for line in lines] == ["one"] * 4, lines
    shared = f"tcp: [{{route: [{to('tcp-echo', 'v1', 50)}, {to('tcp-echo', 'v2', 50)}]}}]"
    room.apply(virtual_service("tcp-echo", "[tcp-echo]", shared))
    many = said.replace("1 2 3 4", " ".join(map(str, range(20))))
    assert {line.split()[0] for line in room.type("curl", many).splitlines()} == {"one", "two"}


def test_circuit_breaking(httpbin: Class) -> None:
    narrow = """trafficPolicy:
    connectionPool:
      tcp: {maxConnections: 1}
      http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 1}"""
    httpbin.apply(
        deployment("fortio-deploy", manifests.FORTIO, app="fortio", port=8080),
        manifests.subsets("httpbin", policy=narrow),
    )
    httpbin.ready("fortio-deploy")
    curl = ("/usr/bin/fortio", "curl", "-quiet", "http://httpbin:8000/get")
    one = httpbin.exec("fortio-deploy", *curl, container="fortio")
    assert one.startswith("HTTP/1.1 200 OK")
    load = "fortio load -c {} -qps 0 -n {} -loglevel Warning http://httpbin:8000/delay/0.02"
    alone = httpbin.type("fortio-deploy", load.format(1, 5), container="fortio")
    assert "Code 200 : 5 (100.0 %)" in alone
    crowd = httpbin.type("fortio-deploy", load.format(4, 40), container="fortio")
    found = {int(code): int(times) for code, times in re.findall(r"Code (\d+) : (\d+) ", crowd)}
    assert found.keys() == {200, 503}
    assert found[200] + found[503] == 40
    stats = httpbin.type("fortio-deploy", "pilot-agent request GET stats", container="istio-proxy")
    overflow = re.search(r"outbound\|8000\|\|httpbin\S*upstream_rq_pending_overflow: (\d+)", stats)
    assert overflow
    assert int(overflow[1]) == found[503], "what the breaker says it refused is what was refused"
    httpbin.delete("destinationrule", "httpbin")


def test_mirroring(room: Class) -> None:
    command = '["gunicorn", "--access-logfile", "-", "-b", "0.0.0.0:8080", "httpbin:app"]'
    room.apply(
        service("mirrored", 8000, 8080),
        *(
            deployment(
                f"mirrored-{each}",
                manifests.HTTPBIN,
                app="mirrored",
                version=each,
                command=command,
                port=8080,
            )
            for each in ("v1", "v2")
        ),
        subsets("mirrored", "v1", "v2"),
        virtual_service("mirrored", "[mirrored]", f"http: [{{route: [{to('mirrored', 'v1', 100)}]}}]"),
    )
    room.ready("mirrored-v1", "mirrored-v2")

    def seen(version: str, mark: str) -> int:
        return room.kubectl("logs", f"deploy/mirrored-{version}", "-c", "mirrored").count(
            f"GET /headers?{mark} "
        )

    headers = json.loads(room.type("curl", "curl -sS 'http://mirrored:8000/headers?plain'"))["headers"]
    assert headers["Host"] == "mirrored:8000"
    until(lambda: seen("v1", "plain") == 1)
    assert seen("v2", "plain") == 0
    copied = f"""http:
  - route: [{to("mirrored", "v1", 100)}]
    mirror: {{host: mirrored, subset: v2}}
    mirrorPercentage: {{value: 100.0}}"""
    room.apply(virtual_service("mirrored", "[mirrored]", copied))
    room.type("curl", "curl -sS 'http://mirrored:8000/headers?copied'")
    until(lambda: (seen("v1", "copied"), seen("v2", "copied")) == (1, 1))


def test_ingress(httpbin: Class) -> None:
    paths = "match: [{uri: {prefix: /status}}, {uri: {prefix: /delay}}]"
    way = f"http: [{{{paths}, route: [{{destination: {{host: httpbin, port: {{number: 8000}}}}}}]}}]"
    httpbin.apply(
        gateway("httpbin-gateway", hosts='["httpbin.example.com"]'),
        virtual_service("httpbin", '["httpbin.example.com"]', way, gateways="[httpbin-gateway]"),
    )
    host = ("-H", "Host: httpbin.example.com")
    head = httpbin.page("/status/200", "-I", *host)
    assert head.startswith("HTTP/1.1 200 OK")
    assert "server: istio-envoy" in head
    assert httpbin.page("/headers", "-I", *host).startswith("HTTP/1.1 404 Not Found")
    assert httpbin.page("/status/200", "-I").startswith("HTTP/1.1 404 Not Found")
    httpbin.delete("gateway/httpbin-gateway", "virtualservice/httpbin")


def _self_signed(room: Class, folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name}"]
    room.bench.run(*make, *names, "-keyout", key, "-out", certificate)
    return certificate, key


def _https_port(room: Class) -> int:
    """The ingress gateway's."""
    words = ("get", "service", "istio-ingressgateway", "-o", "json")
    ports = json.loads(room.kubectl(*words, namespace="istio-system"))["spec"]["ports"]
    return next(int(each["port"]) for each in ports if each["name"] == "https")


def ingress(head: str, path: str, *, kind: str = "Prefix", meta: str = "") -> str:
    """An Ingress to httpbin; *head*: what its spec begins with."""
    way = (
        f"{{path: {path}, pathType: {kind}, backend: {{service: {{name: httpbin, port: {{number: 8000}}}}}}}}"
    )
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: ingress{meta}}}
spec: {{{head}rules: [{{host: httpbin.example.com, http: {{paths: [{way}]}}}}]}}
"""


def test_kubernetes_ingress(httpbin: Class, tmp_path: Path) -> None:
    def status(path: str) -> str:
        host = ("-H", "Host: httpbin.example.com")
        return httpbin.page(path, "-o", "/dev/null", "-w", "%{http_code}", *host)

    old = ingress("", "/status", meta=", annotations: {kubernetes.io/ingress.class: istio}")
    assert "is deprecated, please use 'spec.ingressClassName'" in httpbin.apply(old)
    assert [status(each) for each in ("/status/200", "/headers", "/statuses")] == ["200", "404", "404"]

    listed = httpbin.kubectl("get", "ingress").splitlines()[-1].split()
    address = httpbin.bench.gateway.partition(":")[0]
    assert listed[:5] == ["ingress", "<none>", "httpbin.example.com", address, "80"]
    httpbin.delete("ingress/ingress")

    named = """
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: istio}
spec: {controller: istio.io/ingress-controller}
"""
    httpbin.apply(named, ingress("ingressClassName: istio, ", "/headers", kind="Exact"))
    assert [status(each) for each in ("/headers", "/headers/x", "/status/200")] == ["200", "404", "404"]
    assert httpbin.kubectl("get", "ingress").splitlines()[-1].split()[1] == "istio"

    name = "httpbin.example.com"
    certificate, key = _self_signed(httpbin, tmp_path, name)
    secret = ("create", "secret", "tls", "ingress-cert", f"--cert={certificate}", f"--key={key}")
    httpbin.kubectl(*secret, namespace="istio-system")
    secured = f"ingressClassName: istio, tls: [{{hosts: [{name}], secretName: ingress-cert}}], "
    httpbin.apply(ingress(secured, "/"))
    assert httpbin.kubectl("get", "ingress").splitlines()[-1].split()[4:6] == ["80,", "443"]
    port = _https_port(httpbin)
    there = ("--resolve", f"{name}:{port}:{address}", "--cacert", certificate)
    said = httpbin.bench.run(
        "curl", "-sS", *there, f"https://{name}:{port}/status/418", "-o", "/dev/null", "-v"
    )
    assert f"CN={name}" in said.stderr.replace(" ", "")
    httpbin.delete("ingress/ingress", "ingressclass/istio")
    httpbin.kubectl("delete", "secret", "ingress-cert", namespace="istio-system")


def test_ingress_without_tls_termination(room: Class, tmp_path) -> None:
    name = "nginx.example.com"
    certificate, key = _self_signed(room, tmp_path, name)
    room.kubectl("create", "secret", "tls", "nginx-server-certs", "--cert", certificate, "--key", key)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"""
events {{ }}
http {{
  log_format main '$remote_addr [$time_local] $status "$request"';
  access_log /var/log/nginx/access.log main;
  error_log /var/log/nginx/error.log;
  server {{
    listen 8443 ssl;
    root /usr/share/nginx/html;
    index index.html;
    server_name {name};
    ssl_certificate /etc/nginx-server-certs/tls.crt;
    ssl_certificate_key /etc/nginx-server-certs/tls.key;
  }}
}}
""")
    room.kubectl("create", "configmap", "nginx-configmap", f"--from-file=nginx.conf={configuration}")
    mounts = "volumeMounts: [{name: conf, mountPath: /etc/nginx, readOnly: true}, "
    mounts += "{name: certs, mountPath: /etc/nginx-server-certs, readOnly: true}]"
    volumes = "volumes: [{name: conf, configMap: {name: nginx-configmap}}, "
    volumes += "{name: certs, secret: {secretName: nginx-server-certs}}]"
    passed = f"tls: [{{match: [{{port: 443, sniHosts: [{name}]}}], route: [{to('my-nginx')}]}}]"
    room.apply(
        service("my-nginx", 443, 8443, port_name="https"),
        deployment("my-nginx", "docker.io/library/nginx:1.27", port=8443, extra=f"{mounts}|{volumes}"),
        gateway("nginx", hosts=f'["{name}"]', port=443, protocol="HTTPS", tls=", tls: {mode: PASSTHROUGH}"),
        virtual_service("nginx", f'["{name}"]', passed, gateways="[nginx]"),
    )
    room.ready("my-nginx")
    port = _https_port(room)
    host = room.bench.gateway.partition(":")[0]
    said = room.bench.run(
        *("curl", "-sS", "-v", "--resolve", f"{name}:{port}:{host}", "--cacert", certificate),
        f"https://{name}:{port}",
    )
    assert "<title>Welcome to nginx!</title>" in said.stdout
    assert f"CN={name}" in said.stderr.replace(" ", ""), "its own certificate, not the gateway's"


def test_images_of_many_lessons(room: Class) -> None:
    secure = "artashesavetisyan/istio-basics-course:sec-service-ext"
    room.apply(
        service("helloworld", 5000, 5000),
        *(
            deployment(
                f"helloworld-{each}", f"docker.io/istio/examples-helloworld-{each}:1.0", app="helloworld"
            )
            for each in ("v1", "v2")
        ),
        service("echo", 80, 8080),
        deployment("echo", "registry.k8s.io/echoserver:1.10", port=8080),
        service("ext-authz", 8000, 8000),
        deployment("ext-authz", "gcr.io/istio-testing/ext-authz:latest", port=8000),
        service("secure", 8443, 8443, port_name="https"),
        deployment("secure", secure, port=8443),
        deployment("pause", "registry.k8s.io/pause:3.9"),
    )
    room.ready("helloworld-v1", "helloworld-v2", "echo", "ext-authz", "secure", "pause")
    hello = "for i in $(seq 20); do curl -sS helloworld:5000/hello; done"
    assert set(re.findall(r"version: (\w+), instance: helloworld-\1-", room.type("curl", hello))) == {
        "v1",
        "v2",
    }
    assert "real path=/a?b=1" in room.type("curl", "curl -sS 'http://echo/a?b=1'")
    ask = "curl -sS -o /dev/null -w '%{http_code} ' http://ext-authz:8000/"
    assert room.type("curl", f"{ask}; {ask} -H 'x-ext-authz: allow'").split() == ["403", "200"]
    assert room.type("curl", "curl -sSk https://secure:8443/greetings").startswith("Hello from Secure")
    assert "curl: (60)" in room.type("curl", "curl -sS https://secure:8443/greetings", check=False)


@pytest.mark.skipif(lowest_port() <= 80, reason=f"this account opens port 80 as it is (from {lowest_port()})")
def test_a_container_that_listens_on_80(room: Class) -> None:
    """With and without a sidecar, as manifests have it, by an account that may open no such port."""
    probe = "readinessProbe: {httpGet: {path: /status/200, port: 80}}"
    names, bare = ("on-80", "bare"), '{sidecar.istio.io/inject: "false"}'
    room.apply(
        *(service(each, 8000, 80) for each in names),
        service("peers", 80, 80, app="on-80").replace("spec: {", "spec: {clusterIP: None, "),
        deployment("on-80", manifests.HTTPBIN, port=80, extra=probe),
        deployment("bare", manifests.HTTPBIN, port=80, extra=probe, annotations=bare),
        gateway("way-in"),
        virtual_service("on-80", '["*"]', f"http: [{{route: [{to('on-80')}]}}]", gateways="[way-in]"),
    )
    room.ready(*names)
    field = "-o", "jsonpath={.items[0].status.podIP}"
    addresses = {each: room.kubectl("get", "pods", "-l", f"app={each}", *field) for each in names}
    code = "curl -sS -o /dev/null -w '%{http_code}'"
    for place in ("on-80:8000", "bare:8000", "peers"):
        assert room.type("curl", f"{code} http://{place}/status/418") == "418", place
    for name in names:
        direct = addresses.values() if name == "bare" else ()
        for place in ("localhost", "on-80:8000", "bare:8000", *direct):
            said = room.type(name, f"{code} http://{place}/status/418", container=name)
            assert said == "418", (name, place)
        path = f"/api/v1/namespaces/{room.namespace}/services/{name}:http/proxy/get"
        assert "User-Agent" in room.kubectl("get", "--raw", path)
        with forwarded(room, f"deploy/{name}", 80) as port:
            assert "User-Agent" in room.bench.run("curl", "-sS", f"http://127.0.0.1:{port}/get").stdout
    until(lambda: "User-Agent" in room.page("/get"))
    events = room.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}")
    assert "PortsNotAllowed" not in events
    room.delete("gateway/way-in", "virtualservice/on-80", "service/peers", "deploy/on-80", "deploy/bare")


@contextmanager
def forwarded(room: Class, what: str, port: int) -> Iterator[int]:
    """``kubectl port-forward`` to *port*: the port here."""
    command = ["kubectl", "-n", room.namespace, "port-forward", what, f":{port}"]
    with subprocess.Popen(command, env=room.bench.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        yield int(found[1])
        process.terminate()


def test_access_logs(httpbin: Class) -> None:
    mark = "/status/418?logged"
    assert httpbin.type("curl", f"curl -sS -o /dev/null -w '%{{http_code}}' 'httpbin:8000{mark}'") == "418"

    def lines(deployment: str) -> list[str]:
        log = httpbin.kubectl("logs", f"deploy/{deployment}", "-c", "istio-proxy")
        return [line for line in log.splitlines() if mark in line]

    until(lambda: lines("curl") != [] and lines("httpbin") != [])
    assert re.search(
        r'"GET \S+ HTTP/1.1" 418 - via_upstream .* outbound\|8000\|\|httpbin\.lessons\.svc', lines("curl")[0]
    )
    assert re.search(r'"GET \S+ HTTP/1.1" 418 - via_upstream .* inbound\|8080\|\|', lines("httpbin")[0])
    assert Counter(len(lines(each)) for each in ("curl", "httpbin")) == {1: 2}
