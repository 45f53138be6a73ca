"""exec, attach, cp and port-forward in a whole cluster, by the real kubectl and the official client."""

import base64
import contextlib
import gc
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import urllib.request
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kubernetes import client, config
from kubernetes.stream import portforward, stream

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

INGRESS = ("-n", "istio-system", "deployment/istio-ingressgateway")
ISTIOD = ("-n", "istio-system", "deployment/istiod")


@pytest.fixture(scope="module")
def core(cluster) -> Iterator[client.CoreV1Api]:
    with config.new_client_from_config(str(cluster.kubeconfig)) as connection:
        yield client.CoreV1Api(connection)
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # the official client leaves its streams' sockets to it


@pytest.fixture(scope="module")
def istiod(core) -> str:
    return core.list_namespaced_pod("istio-system", label_selector="app=istiod").items[0].metadata.name


def test_pilot_agent_asks_its_envoy(cluster):
    dump = json.loads(
        cluster.kubectl(
            "exec", *INGRESS, "-c", "istio-proxy", "--", *["pilot-agent", "request", "GET", "config_dump"]
        )
    )
    kinds = {each["@type"].rpartition(".")[2] for each in dump["configs"]}
    assert {"BootstrapConfigDump", "ListenersConfigDump"} <= kinds
    asked = ("exec", *INGRESS, "--", "pilot-agent", "request")
    assert cluster.kubectl(*asked, "GET", "/ready") == "LIVE\n"
    assert "admin: debug" in cluster.kubectl(*asked, "POST", "logging?admin=debug")
    assert "admin: warning" in cluster.kubectl(*asked, "POST", "logging?admin=warning")
    wrong = cluster.run("kubectl", *asked, "GET", "nosuch", check=False)
    assert wrong.returncode == 1
    assert "received unsuccessful status code 404" in wrong.stderr
    assert "usage: pilot-agent request METHOD PATH" in cluster.run("kubectl", *asked, check=False).stderr


def test_pilot_discovery_asks_istiod(cluster):
    proxies = json.loads(
        cluster.kubectl("exec", *ISTIOD, "--", "pilot-discovery", "request", "GET", "/debug/syncz")
    )
    assert any(each["proxy_type"] == "router" for each in proxies)


def test_output_errors_and_the_exit_code(cluster):
    done = cluster.run(
        "kubectl", "exec", *ISTIOD, "--", "sh", "-c", "echo out; echo err >&2; exit 3", check=False
    )
    assert (done.stdout, done.returncode) == ("out\n", 3)
    assert done.stderr == "err\ncommand terminated with exit code 3\n"


def test_input_ends(cluster):
    assert (
        cluster.kubectl("exec", "-i", *ISTIOD, "--", "wc", "-c", input="x" * 3_000_000).strip() == "3000000"
    )


def test_what_cant_be_done_is_said(cluster, istiod):
    def refused(*words: str) -> str:
        done = cluster.run("kubectl", "exec", "-n", "istio-system", *words, check=False)
        assert done.returncode == 1
        return done.stderr

    missing = refused(istiod, "--", "nosuch")
    assert re.match(
        r"error: Internal error occurred: error executing command in container: failed to", missing
    )
    assert 'exec: "nosuch": executable file not found in $PATH' in missing
    assert f"container x is not valid for pod {istiod}" in refused(istiod, "-c", "x", "--", "ls")
    assert 'pods "nope" not found' in refused("nope", "--", "ls")


def test_a_refusal_before_the_connection_is_taken_over(cluster, core, istiod):
    with pytest.raises(client.ApiException, match="container x is not valid for pod"):
        _python_exec(core, istiod, ["ls"], container="x")
    with pytest.raises(client.ApiException, match="at least 1 command"):
        _python_exec(core, istiod, [])
    path = f"/api/v1/namespaces/istio-system/pods/{istiod}/exec?command=ls&stdout=true"
    assert "Upgrade request required" in cluster.run("kubectl", "get", "--raw", path, check=False).stderr


def _python_exec(core: client.CoreV1Api, pod: str, command: list[str], **options):
    wanted = {"stdin": False, "stdout": True, "stderr": True, "tty": False, **options}
    call = core.connect_get_namespaced_pod_exec
    return stream(call, pod, "istio-system", command=command, **wanted)


def test_the_official_client(core, istiod):
    assert _python_exec(core, istiod, ["echo", "a  b", "c"]) == "a  b c\n"
    running = _python_exec(
        core, istiod, ["sh", "-c", "read x; echo got $x; exit 7"], stdin=True, _preload_content=False
    )
    running.write_stdin("this\n")
    running.run_forever(timeout=10)
    assert (running.read_stdout(), running.returncode) == ("got this\n", 7)


@pytest.fixture
async def dialled(core, istiod) -> AsyncIterator[Callable[..., Any]]:
    """Opens a WebSocket to a subresource of istiod's pod: (subresource, query, protocols)."""
    settings = core.api_client.configuration
    headers = {"Authorization": next(iter(settings.api_key.values()))}
    trust = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    pod = f"{settings.host}/api/v1/namespaces/istio-system/pods/{istiod}"
    async with aiohttp.ClientSession(headers=headers) as session:
        yield lambda part, query, protocols=(): session.ws_connect(
            f"{pod}/{part}", params=query, protocols=protocols, ssl=trust
        )


@pytest.mark.parametrize(("script", "said"), [("echo out", b""), ("echo out; exit 3", b"exit code 3")])
@pytest.mark.parametrize("protocol", [None, "channel.k8s.io", "base64.channel.k8s.io"])
async def test_a_client_that_knows_no_status(dialled, protocol, script, said):
    found = {1: b"", 3: b""}
    async with dialled("exec", _command(script), [protocol] if protocol else []) as connection:
        assert connection.protocol == protocol
        async for message in connection:
            stream, data = _unpacked(message.data)
            found[stream] += data
    assert found[1] == b"out\n"
    assert said in found[3]
    assert bool(said) == bool(found[3])


async def test_a_client_that_sends_only_text(dialled):
    query = [*_command("head -c 5"), ("stdin", "1")]
    async with dialled("exec", query, ["v4.base64.channel.k8s.io"]) as connection:
        await connection.send_str("no message of this protocol")
        await connection.send_str("0" + base64.b64encode(b"hello").decode())
        said = [_unpacked(message.data) async for message in connection]
    assert said[0] == (1, b"hello")
    assert json.loads(said[1][1])["status"] == "Success"


@pytest.mark.parametrize("protocol", [None, "binary.k8s.io", "base64.binary.k8s.io"])
async def test_a_log_over_a_websocket(cluster, istiod, dialled, protocol):
    """An empty message says that it is open; then all of it comes, and what is written while one follows."""
    lines = cluster.kubectl("logs", "-n", "istio-system", istiod, "--limit-bytes=200").encode()[:200]
    async with dialled("log", {"follow": "1"}, [protocol] if protocol else []) as connection:
        found, first = b"", _bytes((await connection.receive()).data)
        while len(found) < len(lines):
            found += _bytes((await connection.receive()).data)
    assert (first, found[: len(lines)]) == (b"", lines)


async def test_a_log_that_ends_says_goodbye(dialled):
    async with dialled("log", {"limitBytes": "10"}) as connection:
        said = [message.data async for message in connection]
        assert connection.close_code == 1000
    assert len(b"".join(said)) == 10


def _command(script: str) -> list[tuple[str, str]]:
    return [("command", "sh"), ("command", "-c"), ("command", script), ("stdout", "1"), ("stderr", "1")]


def _unpacked(message: str | bytes) -> tuple[int, bytes]:
    if isinstance(message, bytes):
        return message[0], message[1:]
    return int(message[0]), base64.b64decode(message[1:])


def _bytes(message: str | bytes) -> bytes:
    return message if isinstance(message, bytes) else base64.b64decode(message)


def test_files_are_copied(cluster, istiod, tmp_path: Path):
    if not shutil.which("tar"):
        pytest.skip("kubectl cp needs tar")
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(1_000_000))
    cluster.kubectl("cp", there, f"istio-system/{istiod}:copied")
    cluster.kubectl("cp", f"istio-system/{istiod}:copied", back)
    assert back.read_bytes() == there.read_bytes()


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: attached, namespace: default}
spec: {hosts: [attached.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
"""


def test_attach_shows_what_a_container_writes(cluster):
    command = ["kubectl", "attach", *ISTIOD]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=cluster.env, **pipes) as attached:
        assert "try pressing enter" in attached.stderr.readline()
        cluster.kubectl("apply", "-f", "-", input=ENTRY)
        assert attached.stdout.readline()
        attached.kill()
    cluster.kubectl("delete", "-f", "-", input=ENTRY)


class Forward:
    """`kubectl port-forward`: called, it gives the port that kubectl listens on."""

    def __init__(self, env: dict[str, str], kubectl: str = "kubectl") -> None:
        self._env, self._kubectl = env, kubectl
        self._begun: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str) -> int:
        command = [self._kubectl, "port-forward", "-n", "istio-system", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self._begun.append(subprocess.Popen(command, env=self._env, **pipes))
        return int(re.search(r"127\.0\.0\.1:(\d+)", self.last.stdout.readline())[1])

    @property
    def last(self) -> subprocess.Popen[str]:
        return self._begun[-1]

    def close(self) -> None:
        for process in self._begun:
            process.terminate()
            process.communicate()


@pytest.fixture
def forward(cluster) -> Iterator[Forward]:
    made = Forward(cluster.env)
    yield made
    made.close()


def test_port_forward_of_the_official_client(core, istiod):
    call = core.connect_get_namespaced_pod_portforward
    forwarded = portforward(call, istiod, "istio-system", ports="15014,7")
    there, nobody = forwarded.socket(15014), forwarded.socket(7)
    for each in (there, nobody):
        each.setblocking(True)
    there.sendall(b"GET /version HTTP/1.0\r\n\r\n")
    assert b"200 OK" in there.recv(1000)
    assert nobody.recv(10) == b""
    assert "localhost:7 inside the pod: connection refused" in forwarded.error(7)
    forwarded.close()


def test_a_port_is_needed(core, istiod):
    call = core.connect_get_namespaced_pod_portforward
    with pytest.raises(client.ApiException, match="is required"):
        stream(call, istiod, "istio-system")
    with pytest.raises(client.ApiException, match="a number from 1 to 65535"):
        stream(call, istiod, "istio-system", ports="70000")


def test_kubectl_learns_that_the_pod_has_gone(forward, cluster):
    cluster.kubectl("create", "deployment", "web", "--image=labkit/outside", "-n", "default")
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "-n", "default", "--timeout=30s")
    port = forward("-n", "default", "deployment/web", ":8080")
    cluster.kubectl("delete", "deployment", "web", "-n", "default")
    cluster.kubectl("wait", "--for=delete", "pod", "-l", "app=web", "-n", "default", "--timeout=30s")
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        assert "not found" in forward.last.stderr.readline()


def test_kubectl_forwards_a_port(forward):
    port = forward("service/istiod", ":15014")
    for _ in range(3):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=10) as answer:
            assert answer.read().startswith(b"1.30")


def test_kubectl_learns_that_nobody_listens(forward, istiod, cluster):
    with socket.create_connection(("127.0.0.1", forward(istiod, ":7")), timeout=10) as nobody:
        nobody.sendall(b"hello")
        with contextlib.suppress(ConnectionResetError):
            assert nobody.recv(10) == b""
    assert "localhost:7 inside the pod: connection refused" in forward.last.stderr.readline()


@pytest.fixture
def pod(cluster) -> Iterator[str]:
    """One of the test's own: what is added to it can't be taken away."""
    cluster.kubectl("run", "looked-at", "--image=busybox", "-n", "default", "--", "sleep", "600")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/looked-at", "-n", "default", "--timeout=30s")
    yield "looked-at"
    cluster.kubectl("delete", "pod", "looked-at", "-n", "default", "--grace-period=1")


def test_debug_adds_a_container_to_a_pod_that_runs(cluster, pod):
    if "--profile" not in cluster.kubectl("debug", "--help"):
        pytest.skip("this kubectl is older than ephemeral containers as they are now (1.27)")
    where = ("debug", "-n", "default", pod, "--image=busybox", "--profile=general")
    asked = cluster.run(
        "kubectl", *where, "-i", "-c", "look", "--", "sh", "-c", "read it; echo $it", input="hi\n"
    )
    assert "hi" in asked.stdout
    assert cluster.kubectl("logs", "-n", "default", pod, "-c", "look") == "hi\n"
    again = cluster.run("kubectl", *where, "-c", "look", f"--target={pod}", check=False)
    assert again.returncode == 1
    shown = cluster.kubectl("describe", "-n", "default", f"pod/{pod}")
    assert "Ephemeral Containers:" in shown
