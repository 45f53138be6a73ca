"""A learner with the printed rights and no others, on a cluster that keeps to them.

The embedded API server has one user, who may do everything. So a gatekeeper stands before it and asks
the Roles that ``labkit look --roles`` printed about every request, as Kubernetes' RBAC does
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/). That a real RBAC reads these Roles the
same way is shown in tests/kubernetes_api/test_permissions.py.
"""

import asyncio
import contextlib
import json
import os
import re
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from labkit import book
from labkit.kube.connect import connect

pytestmark = pytest.mark.slow

MESH = (
    "meshConfig.accessLogFile=/dev/stdout",
    "meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY",
    "components.egressGateways[0].name=istio-egressgateway",
    "components.egressGateways[0].enabled=true",
)
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?(?:/.*)?"
)
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Gatekeeper:
    """Lets through what *roles* allow; in a thread of its own."""

    def __init__(self, roles, upstream, tls, token):
        self.roles, self.upstream, self.tls, self.token = roles, upstream, tls, token
        self.refused = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = "http://{}:{}".format(*self.server.sockets[0].getsockname())

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def close(self):
        self._call(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _end(self):
        self.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def allows(self, verb, group, resource, namespace):
        return any(
            group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
            for role in self.roles
            if role["kind"] == "ClusterRole" or role["metadata"]["namespace"] == namespace
            for rule in role["rules"]
        )

    def refusal(self, method, target):
        """A sentence that refuses the request, or nothing."""
        url = urlsplit(target)
        found = PATH.fullmatch(url.path)
        if not found:  # /version, discovery, OpenAPI: for everybody
            return ""
        verb = _verb(method, bool(found["name"]), "watch" in parse_qs(url.query))
        resource = found["resource"] + (f"/{found['sub']}" if found["sub"] else "")
        if self.allows(verb, found["group"] or "", resource, found["namespace"]):
            return ""
        self.refused.append(f"{verb} {target}")
        return f'User "anna" cannot {verb} resource "{resource}" in the namespace "{found["namespace"]}"'

    async def _serve(self, reader, writer):
        """One request, handed on as it is; a connection that is upgraded stays open."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            if urlsplit(target).path == REVIEW:
                length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                writer.write(self._review(json.loads(await reader.readexactly(length))))
            elif refusal := self.refusal(method, target):
                writer.write(_answer(403, {"kind": "Status", "reason": "Forbidden", "message": refusal}))
            else:
                await self._hand_on(self._changed(head), reader, writer)
            await writer.drain()
        writer.close()

    def _review(self, review):
        asked = review["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, [asked["resource"], asked.get("subresource")]))
        allowed = self.allows(asked["verb"], asked["group"], resource, asked.get("namespace"))
        return _answer(201, review | {"status": {"allowed": allowed}})

    def _changed(self, head):
        """With the rights of the one user there is, and for one request unless it is upgraded."""
        once = not re.search(rb"(?im)^upgrade:", head)
        dropped = rb"authorization|connection" if once else rb"authorization"
        head = re.sub(rb"(?im)^(" + dropped + rb"):.*\r\n", b"", head)
        mine = f"Authorization: Bearer {self.token}\r\n" + ("Connection: close\r\n" if once else "")
        return head[:-2] + mine.encode() + b"\r\n"

    async def _hand_on(self, head, reader, writer):
        up_reader, up_writer = await asyncio.open_connection(*self.upstream, ssl=self.tls)
        up_writer.write(head)
        ways = [asyncio.create_task(_pump(reader, up_writer)), asyncio.create_task(_pump(up_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            up_writer.close()


def _verb(method, named, watch):
    if method == "GET":
        return "get" if named else "watch" if watch else "list"
    if method == "DELETE":
        return "delete" if named else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}[method]


def _answer(code, obj):
    body = json.dumps(obj).encode()
    lines = f"HTTP/1.1 {code} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{lines}Connection: close\r\n\r\n".encode() + body


async def _pump(reader, writer):
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()


@pytest.fixture
def gate(bench, tmp_path):
    """The environment of learner anna, whose kubeconfig leads to a cluster that knows her rights."""
    bench.labkit("up")
    bench.labkit("istio", "install", "-y", *(word for flag in MESH for word in ("--set", flag)))
    given = bench.labkit("look", "--roles", "anna", env=bench.env | {"LABKIT_USER": "anna"}).stdout
    bench.kubectl("apply", "-f", "-", input=given)
    api = connect(kubeconfig=bench.kubeconfig)
    headers, tls = api.credentials()
    url = urlsplit(api.host)
    roles = [obj for obj in yaml.safe_load_all(given) if obj["kind"].endswith("Role")]
    keeper = Gatekeeper(roles, (url.hostname, url.port), tls, headers["authorization"].split()[1])
    mine = {"KUBECONFIG": _kubeconfig(keeper.url, tmp_path), "LABKIT_USER": "anna"}
    keeper.env = {k: v for k, v in os.environ.items() if not k.startswith("LABKIT_")} | mine
    yield keeper
    keeper.close()
    api.close()


def _kubeconfig(url, folder):
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "school", "cluster": {"server": url}}],
        "users": [{"name": "anna", "user": {"token": "hers"}}],
        "contexts": [{"name": "school", "context": {"cluster": "school", "user": "anna"}}],
        "current-context": "school",
    }
    path = folder / "given"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.timeout(300)
def test_notebooks_run(bench, gate, tmp_path):
    """Those that need most: namespaces, every kind of rule, gateways, weights, the outbound policy."""
    look = bench.labkit("look", "--context", "school", "--yes", "--production", env=gate.env).stdout
    assert "✗" not in look

    chosen = [next(book.notebooks().glob(f"0{step}-*.ipynb")) for step in (0, 3, 5)]
    where = ("--context", "school", "-o", tmp_path / "out")
    done = bench.labkit("run", *chosen, *where, env=gate.env, timeout=280)

    assert "3 of 3 notebooks passed" in done.stdout


def test_what_was_given_is_emptied_and_stays(bench, gate):
    bench.labkit("look", "--context", "school", "--yes", "--production", env=gate.env)
    lesson = "from labkit import Lab; Lab().goto(3, finished=True); Lab().goto(2)"
    bench.run(sys.executable, "-c", lesson, env=gate.env | {"LABKIT_CONTEXT": "school"})
    apps = bench.get("deployments", "-n", "dev-service-mesh-anna")["items"]
    assert [app["metadata"]["name"] for app in apps] == ["service-a-v1-deployment"]

    done = bench.labkit("reset", "--context", "school", "--yes", env=gate.env)

    assert "namespace/dev-service-mesh-anna (emptied, it stays)" in done.stdout
    assert bench.get("deployments", "-n", "dev-service-mesh-anna")["items"] == []
    assert [asked for asked in gate.refused if not asked.startswith(("get ", "list "))] == []
