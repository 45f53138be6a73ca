"""Programs that know nothing of the mesh, in its pods: curl, wget, nc, openssl, a shell, Node, Go.

Each is the machine's own; what it prints and what the sidecar logs is what a real cluster shows.
"""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labkit import Lab

pytestmark = pytest.mark.slow

IMAGE = "labkit/outside:1"
WEB = "http://web/"
NODE_SCRIPT = (
    "require('http').get(process.argv[1], a => {a.pipe(process.stdout)}).on('error', e => {throw e})"
)
PROGRAMS = {
    "curl": ["curl", "-sS", "--max-time", "10", WEB],
    "wget": ["wget", "-qO-", "-T", "10", WEB],
    "sh": ["sh", "-c", f"for _ in 1; do curl -sS {WEB} | cat; done"],
    "python3": ["python3", "-c", f"import urllib.request as r; print(r.urlopen('{WEB}').read())"],
    "node": ["node", "-e", NODE_SCRIPT, WEB],
    "bash": ["bash", "-c", r"exec 3<>/dev/tcp/web/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"],
}
GO = """
package main
import ("fmt"; "io"; "net"; "os")
func main() {
    c, err := net.Dial("tcp", os.Args[1])
    if err != nil { fmt.Println(err); os.Exit(1) }
    fmt.Fprintf(c, "GET / HTTP/1.0\\r\\nHost: web\\r\\n\\r\\n")
    io.Copy(os.Stdout, c)
    fmt.Println(c.RemoteAddr())
}
"""
ECHO = """
import asyncio
async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(b"hello " + line)
    writer.close()
async def main():
    async with await asyncio.start_server(echo, "0.0.0.0", 9000) as server:
        print("listening", flush=True)
        await server.serve_forever()
asyncio.run(main())
"""
OPENING = """
import asyncio, sys
async def echo(reader, writer):
    while line := await reader.readline():
        if line == b"open\\n":
            await asyncio.start_server(echo, "0.0.0.0", 7003)
        writer.write(b"hello " + line)
    writer.close()
async def main():
    await asyncio.start_server(echo, "127.0.0.1", 7001)
    await asyncio.start_server(echo, "0.0.0.0", 7002)
    chosen = await asyncio.start_server(echo, "0.0.0.0", 0)
    print(chosen.sockets[0].getsockname()[1], flush=True)
    await chosen.serve_forever()
asyncio.run(main())
"""
"""Listens on ports that its pod declares nowhere, one for ``localhost`` alone; opens one more when told."""
CALLING = """
import socket, sys, time
def connected(port):
    while True:
        try:
            return socket.create_connection((sys.argv[1], port)).makefile("rw")
        except ConnectionRefusedError:
            time.sleep(0.001)
def said(line, word):
    line.write(word + "\\n")
    line.flush()
    return line.readline().strip()
held = connected(7002)
print(said(held, "open"))
print(said(connected(7003), "three"))
print(said(connected(int(sys.argv[2])), "chosen"))
print(said(held, "still"))
"""


class Place:
    """A namespace with a pod `web` that serves, and one, `client`, whose programs call."""

    def __init__(self, cluster, name, *, sidecar):
        self.cluster, self.name, self.sidecar = cluster, name, sidecar
        self.flag = f"--namespace={name}"

    def make(self):
        injected = {"istio-injection": "enabled"} if self.sidecar else {}
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.name, "labels": injected},
        }
        self.apply(namespace)
        self.apply(
            pod("web", 8082),
            pod("client", 8082),
            pod("bare"),
            service("web", 80, 8082),
            service("tcp-echo", 9000, 9000),
        )
        self("wait", "pod", "--all", "--for=condition=Ready", "--timeout=30s")

    def __call__(self, command, *words, **options):
        return self.cluster.kubectl(command, self.flag, *words, **options)

    def apply(self, *objects):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self("apply", "-f", "-", input=text)

    def type(self, *words, container="c", pod="client", **options):
        """What a command in a container prints, to both streams."""
        if not shutil.which(words[0]):
            pytest.skip(f"no {words[0]} on this machine; install it to run this test")
        command = ["kubectl", "exec", self.flag, pod, "-c", container, "-i", "--", *words]
        done = subprocess.run(
            command,
            env=self.cluster.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            **({"stdin": subprocess.DEVNULL} | options),
        )
        return done.stdout

    def address(self, pod):
        return self("get", "pod", pod, "-o", "jsonpath={.status.podIP}").strip()

    def logged(self, text, pod="client"):
        """The line of the *pod*'s sidecar that holds *text*, once it is there."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            lines = self("logs", pod, "-c", "istio-proxy").splitlines()
            if found := [each for each in lines if text in each]:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(lines)


def pod(name, *ports):
    spec = {
        "containers": [{"name": "c", "image": IMAGE, "ports": [{"containerPort": each} for each in ports]}]
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }


def service(name, port, target):
    spec = {"selector": {"app": "web"}, "ports": [{"name": "any", "port": port, "targetPort": target}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@contextlib.contextmanager
def place(cluster, name, *, sidecar):
    found = Place(cluster, name, sidecar=sidecar)
    found.make()
    yield found
    cluster.kubectl("delete", "namespace", name)


@pytest.fixture(scope="module")
def meshed(own_cluster):
    with place(own_cluster, "programs-with-sidecar", sidecar=True) as found:
        yield found


@pytest.fixture(scope="module")
def alone(own_cluster):
    with place(own_cluster, "programs-alone", sidecar=False) as found:
        yield found


@pytest.fixture(params=["meshed", "alone"])
def anywhere(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_calls_a_service_by_its_short_name(anywhere, program):
    said = anywhere.type(*PROGRAMS[program])
    assert "outside" in said.lower(), said
    if anywhere.sidecar:
        assert "outbound|80||web.programs-with-sidecar.svc.cluster.local" in anywhere.logged("GET / HTTP/1")


def test_a_static_go_program_does(meshed, tmp_path):
    if not shutil.which("go"):
        pytest.skip("no Go on this machine; install it to run this test")
    (tmp_path / "call.go").write_text(GO)
    program = tmp_path / "call"
    env = os.environ | {"CGO_ENABLED": "0"}
    go = [shutil.which("go"), "build", "-o", str(program), "call.go"]
    subprocess.run(go, cwd=tmp_path, env=env, check=True, timeout=100)
    meshed("cp", str(program), "client:/tmp/call", "-c", "c")
    said = meshed.type("sh", "-c", "chmod +x /tmp/call; /tmp/call web:80; /tmp/call nowhere:80")
    address = meshed("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    assert "200 OK" in said, said
    assert f"{address}:80" in said
    assert "lookup nowhere" in said
    assert "no such host" in said


def test_an_unknown_name(anywhere):
    assert anywhere.type("curl", "-sS", "http://nowhere/") == (
        "curl: (6) Could not resolve host: nowhere\ncommand terminated with exit code 6\n"
    )


@pytest.fixture
def outside():
    """A server of this machine that the mesh does not know; its URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from outside")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.77.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.77.0.1:{server.server_port}/"
        server.shutdown()


def test_registry_only_holds_for_it(meshed, alone, outside):
    assert alone.type("curl", "-sS", outside) == "from outside"
    said = meshed.type("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.10.255.9/")
    assert said == "502"
    assert "block_all" in meshed.logged("127.10.255.9")
    assert "from outside" not in meshed.type("curl", "-sS", outside)
    assert "BlackHoleCluster" in meshed.logged(outside[7:-1])


@pytest.fixture
def allow_any(own_cluster):
    with Lab(kubeconfig=own_cluster.kubeconfig) as lab:
        lab.outbound_policy("ALLOW_ANY")
        yield
        lab.outbound_policy("REGISTRY_ONLY")


@pytest.mark.usefixtures("allow_any")
def test_allow_any_lets_it_out(meshed, outside):
    assert meshed.type("curl", "-sS", outside) == "from outside"
    assert "PassthroughCluster" in meshed.logged(outside[7:-1])


def test_localhost_is_the_pod(anywhere):
    for host in ("localhost", "127.0.0.1"):
        assert "outside" in anywhere.type("curl", "-sS", f"{host}:8082").lower()
    assert anywhere.type("hostname").strip() == "client"
    assert "Connection refused" in anywhere.type("bash", "-c", "exec 3<>/dev/tcp/localhost/8083")


@pytest.mark.parametrize("container", ["c", "istio-proxy"])
def test_the_proxys_own_ports(meshed, container):
    def curl(*words):
        return meshed.type("curl", "-sS", "--max-time", "10", *words, container=container)

    assert "envoy_" in curl("localhost:15000/stats/prometheus")
    assert "envoy_" in curl("localhost:15090/stats/prometheus")
    assert "envoy_" in curl("localhost:15020/stats/prometheus")
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "localhost:15021/healthz/ready") == "200"
    assert "LIVE" in curl("127.0.0.1:15000/server_info")


def test_the_proxys_own_connections_go_past_it(meshed, outside):
    assert meshed.type("curl", "-sS", outside, container="istio-proxy") == "from outside"


@pytest.fixture
def echoing(anywhere):
    """The pod `web` says each line back on port 9000."""
    command = ["kubectl", "exec", anywhere.flag, "web", "-c", "c", "--", "python3", "-c", ECHO]
    with subprocess.Popen(command, env=anywhere.cluster.env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "listening\n"
        yield anywhere
        server.terminate()


def test_a_client_that_closes_its_half_at_once_gets_its_answer(echoing):
    if "-N" not in subprocess.run(["nc", "-h"], capture_output=True, text=True).stderr:
        pytest.skip("no OpenBSD netcat on this machine; install it to run this test")
    said = echoing.type("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i | nc -N tcp-echo 9000; done")
    assert said == "".join(f"hello {number}\n" for number in range(1, 11))


def test_tls_through_the_sidecar(meshed):
    said = meshed.type("openssl", "s_client", "-connect", "kubernetes.default:443")
    assert "BEGIN CERTIFICATE" in said


def test_what_it_writes_is_the_pods(meshed, tmp_path):
    """Where the machine allows no mount namespace, only TMPDIR leads there."""
    name = f"labkit-{time.time_ns()}"
    if "no" in meshed.type("sh", "-c", 'test -z "$TMPDIR" || echo no'):
        pytest.skip("no mount namespaces on this machine")
    meshed.type("sh", "-c", f"echo mine > /tmp/{name}")
    assert not Path("/tmp", name).exists()
    assert meshed.type("cat", f"/tmp/{name}") == "mine\n"
    assert "No such file" in meshed.type("cat", f"/tmp/{name}", pod="web")
    (tmp_path / "in").write_text("copied")
    meshed("cp", str(tmp_path / "in"), f"client:/tmp/{name}-in", "-c", "c")
    meshed("cp", f"client:/tmp/{name}-in", str(tmp_path / "out"), "-c", "c")
    assert (tmp_path / "out").read_text() == "copied"
    assert not Path("/tmp", f"{name}-in").exists()


def test_a_port_that_nobody_declares_is_reached_at_the_pods_address(meshed, alone):
    for place in (meshed, alone):
        said = alone.type("curl", "-sS", "--max-time", "10", f"http://{place.address('bare')}:8082/")
        assert "outside" in said.lower()
    assert "InboundPassthroughCluster" in meshed.logged("GET / HTTP/1.1", pod="bare")


@contextlib.contextmanager
def typed_in(place, pod, *words):
    """A program at work in the pod, and what it says first."""
    command = ["kubectl", "exec", place.flag, pod, "-c", "c", "--", *words]
    with subprocess.Popen(command, env=place.cluster.env, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running.stdout.readline().strip()
        finally:
            running.terminate()


def test_ports_that_a_program_opens_while_it_runs(meshed, alone):
    address = meshed.address("web")
    with typed_in(meshed, "web", "python3", "-c", OPENING) as port:
        said = alone.type("timeout", "20", "python3", "-c", CALLING, address, port)
        assert said == "hello open\nhello three\nhello chosen\nhello still\n"
        assert "refused" in alone.type("bash", "-c", f"exec 3<>/dev/tcp/{address}/7001")
        assert "InboundPassthroughCluster" in meshed.logged(f"{address}:7003", pod="web")
    closed = f"while (exec 3<>/dev/tcp/{address}/7002); do sleep 0.01; done"
    assert "refused" in alone.type("timeout", "10", "bash", "-c", closed)
