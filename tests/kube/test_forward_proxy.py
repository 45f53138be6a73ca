"""Loopback is asked directly, whatever proxy is set; others are asked as kubectl asks them."""

import http.server
import os
import subprocess
import sys
import threading

import pytest
import yaml

from labkit.errors import ClusterError, NotRunning
from labkit.kube.connecting.connect import connect
from labkit.kube.connecting.forward_proxy import forward_proxy
from labkit.kube.proxies import proxy_admin
from labkit.kube.proxies.proxies import Proxy

DEAD = "http://127.0.0.1:9"
CORP = "http://proxy.corp:3128"
HTTPS = {"HTTPS_PROXY": CORP}


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1:6443", "https://127.42.0.1", "https://localhost:8443", "https://LOCALHOST"),
        *(
            "https://[::1]:6443",
            "https://0.0.0.0:6550",
            "https://[::ffff:127.0.0.1]:1",
            "https://k8s.localhost:1",
        ),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_this_machine_is_asked_directly(url, name):
    assert forward_proxy(url, {name: CORP}) is None


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        (HTTPS, CORP),
        ({"https_proxy": CORP}, CORP),
        ({"HTTP_PROXY": CORP}, None),
        ({"ALL_PROXY": "socks5://proxy.corp:1080"}, "socks5://proxy.corp:1080"),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, CORP),
        ({"HTTPS_PROXY": "", "https_proxy": CORP}, CORP),
        ({"HTTPS_PROXY": " "}, None),
    ],
)
def test_the_variables_for_others(environment, proxy):
    assert forward_proxy("https://api.example.com:6443", environment) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", "https://api.example.com", True),
        ("example.com", "https://api.example.com", True),
        ("example.com", "https://example.com", True),
        ("example.com", "https://badexample.com", False),
        (".example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", False),
        ("*.example.com", "https://api.example.com", True),
        ("API.example.COM", "https://api.example.com", True),
        ("api.example.com:6443", "https://api.example.com:6443", True),
        ("api.example.com:443", "https://api.example.com:6443", False),
        ("api.example.com:443", "https://api.example.com", True),
        ("10.0.0.0/8", "https://10.2.3.4:6443", True),
        ("10.0.0.0/8", "https://11.2.3.4", False),
        ("10.0.0.0/8", "https://api.example.com", False),
        ("10.2.3.4", "https://10.2.3.4", True),
        ("10.2.3.4:6443", "https://10.2.3.4:6443", True),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", True),
        ("fd00::1", "https://[fd00::1]:6443", True),
        ("  a.b , ,api.example.com ", "https://api.example.com", True),
        ("10.0.0.0/99,nonsense/x", "https://10.0.0.1", False),
        ("", "https://api.example.com", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_exempts(no_proxy, url, direct, name):
    assert (forward_proxy(url, HTTPS | {name: no_proxy}) is None) is direct


class Forward(http.server.BaseHTTPRequestHandler):
    """A forward proxy that answers for every cluster there may be."""

    seen: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def corporate():
    Forward.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def kubeconfig(folder, server, **cluster):
    file = folder / "config"
    parts = {
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    file.write_text(yaml.safe_dump({"current-context": "c", **parts}))
    return file


@pytest.fixture
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_a_cluster_elsewhere_is_asked_by_way_of_the_proxy(corporate, tmp_path, no_proxies):
    no_proxies.setenv("HTTP_PROXY", corporate)

    api = connect(kubeconfig=kubeconfig(tmp_path, "http://api.cluster.test:6443"))

    assert Forward.seen == ["http://api.cluster.test:6443/version"]
    assert api.forward_proxy == corporate
    api.close()


def test_the_proxy_of_the_kubeconfig_comes_first(corporate, tmp_path, no_proxies):
    no_proxies.setenv("HTTP_PROXY", DEAD)

    connect(kubeconfig=kubeconfig(tmp_path, "http://api.cluster.test", **{"proxy-url": corporate})).close()

    assert Forward.seen == ["http://api.cluster.test/version"]


def test_a_cluster_of_this_machine_is_not(api_server_url, tmp_path, no_proxies):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        no_proxies.setenv(name, DEAD)

    api = connect(kubeconfig=kubeconfig(tmp_path, api_server_url))

    assert api.forward_proxy is None
    api.close()


@pytest.fixture
def api_server_url(corporate):
    return corporate  # it answers /version, too


def test_socks_is_said_where_it_can_not_be_done(tmp_path, no_proxies):
    no_proxies.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    no_proxies.setitem(sys.modules, "socks", None)
    no_proxies.delitem(sys.modules, "urllib3.contrib.socks", raising=False)

    with pytest.raises(NotRunning, match=r"behind the proxy socks5://127.0.0.1:9.*urllib3\[socks\]"):
        connect(kubeconfig=kubeconfig(tmp_path, "https://api.cluster.test"))


def test_what_needs_http_says_so(tmp_path, no_proxies, corporate):
    api = connect(kubeconfig=kubeconfig(tmp_path, corporate))
    api._client.configuration.proxy = "socks5://127.0.0.1:9"

    with pytest.raises(ClusterError, match="need an HTTP proxy"):
        proxy_admin.run(api, Proxy("ns", "pod", "127.0.0.1", "a", False), ["true"])
    api.close()


ALL_DEAD = [
    {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "http_proxy": DEAD, "https_proxy": DEAD},
    {"ALL_PROXY": "socks5://127.0.0.1:9", "all_proxy": "socks5://127.0.0.1:9", "NO_PROXY": "corp.example"},
]
WHOLE_WAY = """
import os
from labkit import Lab
before = dict(os.environ)
with Lab() as lab:
    lab.goto(2, finished=True)
    print(lab.curl("/service-a").text)
    print(lab.send("/service-a", requests=3)["status"].tolist())
    print(len(lab.routes("service-a")) > 0)
assert {k: v for k, v in os.environ.items() if "proxy" in k.lower()} == {
    k: v for k, v in before.items() if "proxy" in k.lower()
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("dead", ALL_DEAD, ids=["http", "socks"])
def test_the_whole_lab_with_a_dead_proxy(bench, dead):
    env = bench.env | dead
    bench.labkit("up", env=env)
    assert "SYNCED" in bench.labkit("status", env=env).stdout
    said = bench.run(sys.executable, "-c", WHOLE_WAY, env=env).stdout
    assert "Hello from ServiceB!" in said
    assert "[200, 200, 200]\nTrue\n" in said
    assert "2/2" in bench.kubectl("get", "pods", "-n", "dev-service-mesh", env=env)
    said = bench.labkit("doctor", env=env | {"TMPDIR": str(bench.root)}).stdout
    assert "The lab can run here." in said


def test_this_process_is_not_changed():
    code = (
        "import os; a = dict(os.environ); import labkit.kube.connecting.connect; assert a == dict(os.environ)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"HTTPS_PROXY": DEAD})
