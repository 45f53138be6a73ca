"""A webhook that is a pod, found through its service, which has a say in what controllers make."""

import json
import sys

import pytest

from ..certificates import pair
from .webhook_server import BUNDLE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_pods")]

PROGRAM = """
import base64, http.server, json, os, ssl

open("pair.pem", "w").write(os.environ["PAIR"])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        response = {"uid": request["uid"], "allowed": True}
        if self.path.startswith("/mutate"):
            operation = {"op": "add", "path": "/metadata/labels/seen", "value": request["userInfo"]["username"].replace(":", ".")}
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps([operation]).encode()).decode()}
        elif (request["object"]["metadata"]["labels"] or {}).get("seen") is None:
            response |= {"allowed": False, "status": {"message": "not seen"}}
        text = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("pair.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""  # noqa: E501


@pytest.fixture(scope="module")
def webhook(api_server, namespace):
    """The pod and its service; the configurations go again before it does."""
    both = b"".join(pair("hook", ROOT, f"hook.{namespace}.svc")).decode()
    container = {
        "name": "hook",
        "image": "busybox",
        "command": [sys.executable, "-c", PROGRAM],
        "env": [{"name": "PAIR", "value": both}],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
    }
    core = f"/api/v1/namespaces/{namespace}"
    pod = {"metadata": {"name": "hook", "labels": {"app": "hook"}}, "spec": {"containers": [container]}}
    service = {
        "metadata": {"name": "hook"},
        "spec": {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]},
    }
    for plural, body in (("services", service), ("pods", pod)):
        assert api_server.ask("POST", f"{core}/{plural}", body).code == 201
    with api_server.watch(f"{core}/endpoints", fieldSelector="metadata.name=hook") as watch:
        while not any(each.get("addresses") for each in watch.next()["object"].get("subsets") or ()):
            pass
    made = [_configure(api_server, namespace, kind) for kind in ("Mutating", "Validating")]
    yield
    for path in made:
        assert api_server.ask("DELETE", path).code == 200


def _configure(server, namespace, kind):
    name = f"hook-{namespace}"
    path = {"Mutating": "/mutate", "Validating": "/validate"}[kind]
    hook = {
        "name": "hook.tests.labkit",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {
            "service": {"namespace": namespace, "name": "hook", "path": path},
            "caBundle": BUNDLE,
        },
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    }
    plural = f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}webhookconfigurations"
    body = {"metadata": {"name": name}, "webhooks": [hook]}
    assert server.ask("POST", plural, body).code == 201
    return f"{plural}/{name}"


@pytest.mark.usefixtures("webhook")
def test_pods_of_controllers_are_seen(api_server, namespace, kubectl):
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "seen"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "seen"}},
            "template": {
                "metadata": {"labels": {"app": "seen"}},
                "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "infinity"]}]},
            },
        },
    }
    kubectl("apply", "-f", "-", stdin=deployment)
    kubectl("rollout", "status", "deployment/seen", "--timeout=30s")
    found = json.loads(kubectl("get", "pods", "-l", "app=seen", "-o", "json"))["items"]
    assert len({each["metadata"]["uid"] for each in found}) == 3
    assert all(each["metadata"]["labels"]["seen"].startswith("system.") for each in found)


@pytest.mark.usefixtures("webhook")
def test_while_the_webhook_is_away_no_pod_is_made(api_server, namespace, kubectl):
    kubectl("delete", "pod", "hook", "--wait=true", "--grace-period=0", "--force")
    told = kubectl("run", "late", "--image=busybox", "--labels=app=late", code=1)
    assert 'failed calling webhook "hook.tests.labkit": failed to call webhook: Post' in told
    kubectl("scale", "deployment/seen", "--replicas=4")
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    with api_server.watch(path) as watch:
        while not _failed(watch.next()["object"]):
            pass


def _failed(replica_set):
    conditions = replica_set.get("status", {}).get("conditions") or ()
    return any("hook.tests.labkit" in each.get("message", "") for each in conditions)
