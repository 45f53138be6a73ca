"""The lessons on TLS: secure gateways, TLS passed through, mutual TLS, an authority of one's own."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from ..certificates import authority, intermediate, pair, pem
from . import manifests
from .conftest import Class, until
from .manifests import deployment, gateway, service, virtual_service

pytestmark = pytest.mark.slow

HTTPBIN, HELLO, NGINX = "httpbin.example.com", "helloworld.example.com", "nginx.example.com"
MY_NGINX = "my-nginx.external.svc.cluster.local"
CODE = "curl -sS -o /dev/null -w '%{http_code}'"
ROOT = pem(authority("servers")[0])


class Files:
    """Certificates on disk, as openssl leaves them for kubectl and curl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = self.write("root.crt", ROOT)
        self.clients = self.write("clients.crt", pem(authority("clients")[0]))

    def write(self, name: str, content: bytes) -> Path:
        file = self.folder / name
        file.write_bytes(content)
        return file

    def pair(self, name: str, *hosts: str, by: str = "servers") -> tuple[Path, Path]:
        certificate, key = pair(name, by, *hosts)
        return self.write(f"{name}.crt", certificate), self.write(f"{name}.key", key)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def httpbin(room: Class) -> Class:
    room.apply(service("httpbin", 8000, 8080), deployment("httpbin", manifests.GO_HTTPBIN, port=8080))
    room.ready("httpbin")
    return room


@pytest.fixture(scope="module")
def nginx(room: Class, files: Files) -> Class:
    """nginx outside of the mesh, with a certificate; at 8444 it asks its clients for one."""
    room.kubectl("create", "namespace", "external")
    certificate, key = files.pair("nginx", NGINX, MY_NGINX)
    configuration = files.write(
        "nginx.conf",
        b"""events {}
http {
  server { listen 8443 ssl; root /usr/share/nginx/html; index index.html;
    ssl_certificate /etc/certs/tls.crt; ssl_certificate_key /etc/certs/tls.key; }
  server { listen 8444 ssl; root /usr/share/nginx/html; index index.html;
    ssl_certificate /etc/certs/tls.crt; ssl_certificate_key /etc/certs/tls.key;
    ssl_client_certificate /etc/clients/ca.crt; ssl_verify_client on; }
}
""",
    )
    create = ("create", "secret")
    room.kubectl(*create, "tls", "certs", f"--key={key}", f"--cert={certificate}", namespace="external")
    clients = f"--from-file=ca.crt={files.clients}"
    room.kubectl(*create, "generic", "clients", clients, namespace="external")
    conf = f"--from-file=nginx.conf={configuration}"
    room.kubectl("create", "configmap", "conf", conf, namespace="external")
    mounts = "volumeMounts: [{name: conf, mountPath: /etc/nginx}, {name: certs, mountPath: /etc/certs}, "
    mounts += "{name: clients, mountPath: /etc/clients}]"
    volumes = "volumes: [{name: conf, configMap: {name: conf}}, {name: certs, secret: {secretName: certs}}, "
    volumes += "{name: clients, secret: {secretName: clients}}]"
    ports = "[{name: https, port: 443, targetPort: 8443}, {name: http, port: 8445, targetPort: 8444}]"
    room.apply(
        deployment("my-nginx", "nginx", extra=f"{mounts}|{volumes}"),
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: my-nginx}}\n"
        f"spec: {{selector: {{app: my-nginx}}, ports: {ports}}}",
        namespace="external",
    )
    room.ready("my-nginx", namespace="external")
    return room


def secured(name: str, host: str, tls: str, *, protocol: str = "HTTPS") -> str:
    return gateway(name, hosts=f'["{host}"]', port=443, protocol=protocol, tls=f", tls: {{{tls}}}")


def to_httpbin(name: str, host: str, way_in: str) -> str:
    way = "http: [{route: [{destination: {host: httpbin, port: {number: 8000}}}]}]"
    return virtual_service(name, f'["{host}"]', way, gateways=f"[{way_in}]")


@pytest.fixture(scope="module")
def outside(room: Class, files: Files):
    """``outside(host, path, options…)``: the status ``curl`` has from outside, over https; 000 if none."""
    spec = room.bench.get("service", "istio-ingressgateway", "-n", "istio-system")
    address = spec["status"]["loadBalancer"]["ingress"][0]["ip"]
    port = next(each["port"] for each in spec["spec"]["ports"] if each["name"] == "https")

    def ask(host: str, path: str, *options: object) -> str:
        words = [*("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10")]
        words += ["--resolve", f"{host}:{port}:{address}", "--cacert", str(files.root), *map(str, options)]
        return room.bench.run(*words, f"https://{host}:{port}{path}", check=False).stdout

    return ask


def test_secure_gateways(httpbin: Class, files: Files, outside) -> None:
    of_gateway = {"namespace": "istio-system"}
    httpbin.apply(
        secured("mygateway", HTTPBIN, "mode: SIMPLE, credentialName: httpbin-credential"),
        to_httpbin("httpbin", HTTPBIN, "mygateway"),
    )
    certificate, key = files.pair("httpbin", HTTPBIN)
    pair_of_files = (f"--key={key}", f"--cert={certificate}")
    httpbin.kubectl("create", "secret", "tls", "httpbin-credential", *pair_of_files)
    assert outside(HTTPBIN, "/status/418", "--max-time", "2") == "000", (
        "a Secret beside it is not the gateway's"
    )
    httpbin.kubectl("create", "secret", "tls", "httpbin-credential", *pair_of_files, **of_gateway)
    until(lambda: outside(HTTPBIN, "/status/418") == "418")

    # Another certificate, by somebody nobody trusts, and back again: no restart.
    wrong, its_key = files.pair("wrong", HTTPBIN, by="strangers")
    httpbin.kubectl("delete", "secret", "httpbin-credential", **of_gateway)
    httpbin.kubectl(
        "create", "secret", "tls", "httpbin-credential", f"--key={its_key}", f"--cert={wrong}", **of_gateway
    )
    until(lambda: outside(HTTPBIN, "/status/418") == "000")
    assert outside(HTTPBIN, "/status/418", "-k") == "418"

    # Several hosts, each with a certificate of its own.
    httpbin.kubectl("delete", "secret", "httpbin-credential", **of_gateway)
    hello, hello_key = files.pair("hello", HELLO)
    named = ("create", "secret", "tls")
    httpbin.kubectl(*named, "hello-credential", f"--key={hello_key}", f"--cert={hello}", **of_gateway)
    httpbin.apply(
        secured("hello", HELLO, "mode: SIMPLE, credentialName: hello-credential"),
        to_httpbin("hello", HELLO, "hello"),
        secured("mygateway", HTTPBIN, "mode: MUTUAL, credentialName: httpbin-credential"),
    )
    parts = {"tls.key": key, "tls.crt": certificate, "ca.crt": files.clients}
    flags = [f"--from-file={name}={file}" for name, file in parts.items()]
    httpbin.kubectl("create", "secret", "generic", "httpbin-credential", *flags, **of_gateway)
    client, client_key = files.pair("client", "client.example", by="clients")
    shown = ("--cert", client, "--key", client_key)
    until(lambda: outside(HTTPBIN, "/status/418", *shown) == "418")
    assert outside(HTTPBIN, "/status/418") == "000"
    assert outside(HELLO, "/status/418") == "418"
    httpbin.delete("gateway", "hello", "mygateway")


def test_ingress_without_tls_termination(nginx: Class, outside) -> None:
    way = f"{{destination: {{host: {MY_NGINX}, port: {{number: 443}}}}}}"
    ways = f"tls: [{{match: [{{port: 443, sniHosts: [{NGINX}]}}], route: [{way}]}}]"
    nginx.apply(
        secured("mygateway", NGINX, "mode: PASSTHROUGH"),
        virtual_service("nginx", f'["{NGINX}"]', ways, gateways="[mygateway]"),
    )
    until(lambda: outside(NGINX, "/") == "200")
    assert outside("other.example.com", "/") == "000"
    nginx.delete("gateway", "mygateway")


def test_mutual_tls_and_how_to_come_to_it(httpbin: Class) -> None:
    bare = deployment("legacy", manifests.CURL, command='["/bin/sleep", "infinity"]')
    no_sidecar = bare.replace("annotations: {}", "annotations: {sidecar.istio.io/inject: 'false'}")
    httpbin.apply(no_sidecar)
    httpbin.ready("legacy")
    url = "http://httpbin:8000"
    assert "X-Forwarded-Client-Cert" in httpbin.type("curl", f"curl -sS {url}/headers")
    assert "X-Forwarded-Client-Cert" not in httpbin.type("legacy", f"curl -sS {url}/headers")
    strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\n"
    httpbin.apply(f"{strict}spec: {{mtls: {{mode: STRICT}}}}")
    assert httpbin.type("curl", f"{CODE} {url}/status/200") == "200"
    assert httpbin.type("legacy", f"{CODE} {url}/status/200", check=False).startswith("000")
    of_workload = (
        "{selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}, portLevelMtls: {8080: MODE}}"
    )
    of_workload = f"{strict.replace('default', 'httpbin')}spec: {of_workload}"
    httpbin.apply(of_workload.replace("MODE", "{mode: DISABLE}"))
    until(lambda: httpbin.type("legacy", f"{CODE} {url}/status/200", check=False) == "200")
    until(lambda: "X-Forwarded-Client-Cert" not in httpbin.type("curl", f"curl -sS {url}/headers"))
    httpbin.delete("peerauthentication", "default")
    httpbin.apply(of_workload.replace(", portLevelMtls: {8080: MODE}", ""))
    until(lambda: httpbin.type("legacy", f"{CODE} {url}/status/200", check=False).startswith("000"))
    httpbin.delete("peerauthentication", "httpbin")
    assert httpbin.type("legacy", f"{CODE} {url}/status/200") == "200"
    httpbin.delete("deployment", "legacy")


def test_tls_and_mutual_tls_begun_by_a_sidecar(nginx: Class, files: Files) -> None:
    client, key = files.pair("curl", "curl.example", by="clients")
    flags = [
        f"--from-file={name}={file}"
        for name, file in (("tls.key", key), ("tls.crt", client), ("ca.crt", files.root))
    ]
    nginx.kubectl("create", "secret", "generic", "client-credential", *flags)
    url = f"http://{MY_NGINX}:8445/"
    nginx.apply(
        f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: begin-mtls}}
spec:
  workloadSelector: {{matchLabels: {{app: curl}}}}
  host: {MY_NGINX}
  trafficPolicy: {{tls: {{mode: MUTUAL, credentialName: client-credential, sni: {MY_NGINX}}}}}
"""
    )
    until(lambda: nginx.type("curl", f"{CODE} {url}", check=False) == "200")
    nginx.delete("destinationrule", "begin-mtls")
    assert nginx.type("curl", f"{CODE} {url}", check=False) != "200"


def test_an_authority_of_ones_own(httpbin: Class, files: Files) -> None:
    root, parts = intermediate("my-root")
    flags = [f"--from-file={name}={files.write(name, content)}" for name, content in parts.items()]
    httpbin.kubectl("create", "secret", "generic", "cacerts", *flags, namespace="istio-system")
    httpbin.kubectl("rollout", "restart", "deployment/istiod", namespace="istio-system")
    httpbin.ready("istiod", namespace="istio-system")
    name = ("get", "configmap", "istio-ca-root-cert", "-o", "jsonpath={.data['root-cert\\.pem']}")
    until(lambda: httpbin.kubectl(*name).strip() == root.decode().strip())
    address = httpbin.kubectl("get", "pod", "-l", "app=httpbin", "-o", "jsonpath={.items..podIP}")

    def is_signed() -> bool:
        made = ssl.create_default_context(cadata=root.decode())
        made.check_hostname = False
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        made.set_alpn_protocols(["istio"])
        with (
            contextlib.suppress(ssl.SSLCertVerificationError),
            socket.create_connection((address, 8080)) as raw,
            made.wrap_socket(raw) as secured,
        ):
            return secured.version() == "TLSv1.3"
        return False

    until(is_signed)
    assert httpbin.type("curl", f"{CODE} http://httpbin:8000/status/200") == "200"
    assert "X-Forwarded-Client-Cert" in httpbin.type("curl", "curl -sS http://httpbin:8000/headers")
