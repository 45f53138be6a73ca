"""Logs and proxies: what the API passes on from the node."""

import socket
import ssl
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from labkit.embedded.cluster import certificates
from labkit.embedded.interfaces import TcpAddress, UnixAddress

PODS = "/api/v1/namespaces/dev/pods"


def make_pod(api: Any, name: str = "web", *containers: str) -> None:
    spec = {"containers": [{"name": each, "image": each} for each in containers or ("app",)]}
    made = api.ask("POST", PODS, {"metadata": {"name": name}, "spec": spec})
    assert made.status == 201, made.body


def test_a_log_is_passed_on(api):
    make_pod(api)
    answer = api.ask("GET", f"{PODS}/web/log?tailLines=5&timestamps=true&sinceSeconds=60&previous=true")
    assert (answer.body, answer.headers["Content-Type"]) == (b"first line\nsecond line\n", "text/plain")
    asked = api.node.asked[0]
    assert (asked.container, asked.tail_lines, asked.since_seconds) == ("app", 5, 60)
    assert asked.timestamps
    assert asked.previous
    assert not asked.follow


def test_an_empty_log_is_empty(api):
    make_pod(api)
    api.node.lines = []
    assert api.ask("GET", f"{PODS}/web/log").body == b""


def test_a_log_needs_a_pod_and_a_container(api):
    make_pod(api, "web", "one", "two")
    unnamed = api.ask("GET", f"{PODS}/web/log")
    assert unnamed.status == 400
    expected = "a container name must be specified for pod web, choose one of: [one two]"
    assert unnamed.json["message"] == expected
    wrong = api.ask("GET", f"{PODS}/web/log?container=three")
    assert wrong.json["message"] == "container three is not valid for pod web"
    assert api.ask("GET", f"{PODS}/nope/log").status == 404
    assert api.ask("GET", f"{PODS}/web/log?container=two").status == 200


class Backend:
    """An HTTP server that tells what it was asked."""

    def __init__(self, api: Any) -> None:
        self.run = api.run
        self.runner = api.inside(lambda: web.ServerRunner(web.Server(self.answer)))
        self.run(self.runner.setup())

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.text()
        if request.path == "/page":
            host = request.headers["Host"]
            page = f'<a href="/else?a=1&amp;b=2">x</a><img src=\'http://{host}/i.png\'><a href="below">y</a>'
            return web.Response(text=page, content_type="text/html")
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/there/"})
        told = f"{request.method} {request.path_qs} {body} token={'Authorization' in request.headers}"
        return web.Response(text=told, status=418, headers={"X-Mine": "kept"})

    def listen_tcp(self, own: certificates.Certificates | None = None) -> TcpAddress:
        """With TLS where there is a certificate."""
        listener, tls = socket.create_server(("127.0.0.1", 0)), None
        if own:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(own.certificate, own.key)
        self.run(web.SockSite(self.runner, listener, ssl_context=tls).start())
        return TcpAddress(*listener.getsockname())

    def listen_unix(self, path: Path) -> UnixAddress:
        self.run(web.UnixSite(self.runner, str(path)).start())
        return UnixAddress(path)

    def close(self) -> None:
        self.run(self.runner.cleanup())


@pytest.fixture
def backend(api) -> Iterator[Backend]:
    made = Backend(api)
    yield made
    made.close()


def test_requests_reach_a_pods_port(api, backend: Backend):
    make_pod(api)
    api.node.addresses["web", 8080] = backend.listen_tcp()
    answer = api.ask("POST", f"{PODS}/web:8080/proxy/a%20b/c/?q=1&q=2", b"hello")
    assert answer.body.decode() == "POST /a%20b/c/?q=1&q=2 hello token=False"
    assert (answer.status, answer.headers["X-Mine"]) == (418, "kept")


def test_requests_reach_a_port_with_tls(api, backend: Backend, tmp_path: Path):
    """Whatever its certificate says."""
    make_pod(api)
    api.node.addresses["web", 8443] = backend.listen_tcp(certificates.ensure(tmp_path))
    answer = api.ask("GET", f"{PODS}/https:web:8443/proxy/secret")
    assert answer.body.decode() == "GET /secret  token=False"
    assert api.ask("GET", f"{PODS}/ftp:web:8443/proxy/secret").status == 400


def test_a_page_and_a_new_place_lead_through_the_proxy(api, backend: Backend):
    make_pod(api)
    api.node.addresses["web", 8080] = address = backend.listen_tcp()
    api.node.addresses["web", address.port] = address
    here = f"{PODS}/web:{address.port}/proxy"
    page = api.ask("GET", f"{here}/page")
    links = (f'<a href="{here}/else?a=1&amp;b=2">x</a>', f'<img src="{here}/i.png">', '<a href="below">y</a>')
    assert page.body.decode() == "".join(links)
    assert page.headers["Content-Length"] == str(len(page.body))
    with pytest.raises(urllib.error.HTTPError, match="418") as answer:
        api.open("GET", f"{here}/moved")
    with answer.value:
        assert answer.value.geturl().endswith(f"{here}/there/")


def test_who_asks_for_the_root_is_sent_to_its_slash(api, backend: Backend):
    make_pod(api)
    api.node.addresses["web", 8080] = backend.listen_tcp()
    with pytest.raises(urllib.error.HTTPError, match="418") as answer:
        api.open("GET", f"{PODS}/web:8080/proxy?q=1")
    with answer.value:
        assert answer.value.geturl().endswith(f"{PODS}/web:8080/proxy/?q=1")
    assert api.ask("POST", f"{PODS}/web:8080/proxy", b"hello").body.decode() == "POST / hello token=False"


def test_requests_reach_a_unix_socket(api, backend: Backend, tmp_path: Path):
    make_pod(api)
    api.node.addresses["web", 15000] = backend.listen_unix(tmp_path / "admin.sock")
    answer = api.ask("GET", f"{PODS}/http:web:15000/proxy/stats")
    assert answer.body.decode() == "GET /stats  token=False"


def test_a_service_leads_to_a_ready_pod(api, backend: Backend):
    api.node.addresses["web-1", 8080] = backend.listen_tcp()
    port = {"name": "http", "port": 80, "targetPort": 8080}
    api.ask(
        "POST", "/api/v1/namespaces/dev/services", {"metadata": {"name": "web"}, "spec": {"ports": [port]}}
    )
    services = "/api/v1/namespaces/dev/services"
    nobody = api.ask("GET", f"{services}/web:http/proxy/")
    assert (nobody.status, nobody.json["message"]) == (503, 'no endpoints available for service "web:http"')
    api.ask("POST", "/apis/discovery.k8s.io/v1/namespaces/dev/endpointslices", _slice())
    for name in ("web", "web:http", "web:80"):
        assert api.ask("GET", f"{services}/{name}/proxy/x").body.decode() == "GET /x  token=False"
    assert api.ask("GET", f"{services}/web:99/proxy/x").status == 503


def _slice() -> Any:
    def endpoint(pod: str, ready: bool) -> Any:
        reference = {"kind": "Pod", "name": pod, "namespace": "dev"}
        return {"addresses": ["127.42.0.9"], "conditions": {"ready": ready}, "targetRef": reference}

    return {
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [endpoint("web-1", True), endpoint("web-2", False)],
        "ports": [{"name": "http", "port": 8080}],
    }


def test_a_port_nobody_listens_on(api):
    make_pod(api)
    assert api.ask("GET", f"{PODS}/web:1/proxy/").json["message"] == "nothing listens on web:1"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = TcpAddress(*closed.getsockname())
    api.node.addresses["web", 2] = address
    refused = api.ask("GET", f"{PODS}/web:2/proxy/")
    assert refused.status == 503
    assert "error trying to reach service" in refused.json["message"]
    assert api.ask("GET", f"{PODS}/web:http/proxy/").status == 400
