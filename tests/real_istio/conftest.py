"""A real istiod beside a real API server: what it tells proxies is what ours is to say.

``ISTIO_ASSETS`` names a folder with ``pilot-discovery``, built from Istio's sources, and the file
``crd-all.gen.yaml`` from them; ``KUBEBUILDER_ASSETS`` one with ``kube-apiserver`` and ``etcd``. There are no
pods behind the objects: a control plane does not ask for more than objects.
"""

import copy
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import urllib3
import yaml

from labkit.kube.api.api import APPLY_PATCH, MERGE_PATCH
from labkit.kube.connecting.agreement import agree
from labkit.kube.connecting.connect import connect

from ..embedded.mesh.conftest import ENVIRONMENT
from ..kubernetes_api.kube_apiserver import assets, running
from .discovery import Istiod

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KINDS = {
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Gateway": ("/apis/networking.istio.io/v1", "gateways"),
    "VirtualService": ("/apis/networking.istio.io/v1", "virtualservices"),
    "DestinationRule": ("/apis/networking.istio.io/v1", "destinationrules"),
    "ServiceEntry": ("/apis/networking.istio.io/v1", "serviceentries"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "IngressClass": ("/apis/networking.k8s.io/v1", "ingressclasses"),
    "Sidecar": ("/apis/networking.istio.io/v1", "sidecars"),
    "WorkloadEntry": ("/apis/networking.istio.io/v1", "workloadentries"),
    "EnvoyFilter": ("/apis/networking.istio.io/v1alpha3", "envoyfilters"),
    "Telemetry": ("/apis/telemetry.istio.io/v1", "telemetries"),
    "PeerAuthentication": ("/apis/security.istio.io/v1", "peerauthentications"),
    "RequestAuthentication": ("/apis/security.istio.io/v1", "requestauthentications"),
    "AuthorizationPolicy": ("/apis/security.istio.io/v1", "authorizationpolicies"),
}

CLUSTER_WIDE = {"IngressClass"}


class Objects:
    """The API server's objects, as `kubectl` would handle them."""

    def __init__(self, api):
        self.api = api

    def replace_all(self, objects):
        """Have *objects*, and none else of these kinds."""
        for kind in KINDS:
            for one in self.all_of(kind):
                if one["metadata"]["name"] != "kubernetes":  # the API server's own
                    self._delete(kind, one["metadata"])
        for one in objects:
            if one["kind"] in KINDS:
                self._create(copy.deepcopy(one))

    def all_of(self, kind):
        """Those there are."""
        root, plural = KINDS[kind]
        return [one | {"kind": kind} for one in self.api.items(f"{root}/{plural}")]

    def set_mesh(self, settings):
        """Have these mesh settings, in the ConfigMap that istiod watches."""
        name = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"}}
        path = "/api/v1/namespaces/istio-system/configmaps/istio"
        body = name | {"data": {"mesh": yaml.safe_dump(settings)}}
        query = {"fieldManager": "test", "force": True}
        self.api.request("PATCH", path, query=query, body=body, content_type=APPLY_PATCH)

    def _path(self, kind, namespace):
        root, plural = KINDS[kind]
        return f"{root}/{plural}" if kind in CLUSTER_WIDE else f"{root}/namespaces/{namespace}/{plural}"

    def _delete(self, kind, metadata):
        path = f"{self._path(kind, metadata.get('namespace'))}/{metadata['name']}"
        self.api.request("DELETE", path, body={"gracePeriodSeconds": 0})

    def _create(self, one):
        namespace, status = one["metadata"]["namespace"], one.pop("status", None)
        self.make_namespace(namespace)
        path = self._path(one["kind"], namespace)
        self.api.request("POST", path, body=_whole(one))
        if status:
            status = _running(status, one) if one["kind"] == "Pod" else status
            self._say_status(f"{path}/{one['metadata']['name']}/status", status)

    def _say_status(self, path, status):
        self.api.request("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)

    def make_namespace(self, name):
        if self.api.find(f"/api/v1/namespaces/{name}") is None:
            self.api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})


def _whole(one):
    """*one* with what a test's few lines leave out and an API server insists on."""
    one["apiVersion"] = KINDS[one["kind"]][0].removeprefix("/apis/").removeprefix("/api/")
    one["metadata"].pop("creationTimestamp", None)
    spec = one.get("spec") or {}
    if one["kind"] == "Pod":
        containers = spec.get("containers") or [{}]
        spec["containers"] = [{"name": "app", "image": "app"} | each for each in containers]
        one["spec"] = {"serviceAccountName": "default"} | spec | {"nodeName": "labkit"}
        one["metadata"]["labels"] = one["metadata"].get("labels") or {"app": one["metadata"]["name"]}
    if one["kind"] == "Service" and spec.get("clusterIP") not in (None, "None"):
        del spec["clusterIP"]
    if one["kind"] == "EndpointSlice":
        one |= {"addressType": "IPv4", "ports": [{"protocol": "TCP"} | each for each in one["ports"]]}
        for endpoint in one["endpoints"]:
            endpoint["targetRef"]["namespace"] = one["metadata"]["namespace"]
    return one


def _running(status, pod):
    ready = {"type": "Ready", "status": "True" if pod.get("ready", True) else "False"}
    return {"phase": "Running", "podIPs": [{"ip": status["podIP"]}], "conditions": [ready], **status}


@pytest.fixture(scope="session")
def istio_assets():
    folder = Path(os.environ.get("ISTIO_ASSETS", "/nowhere"))
    if not (folder / "pilot-discovery").is_file():
        pytest.skip("ISTIO_ASSETS names no folder with pilot-discovery")
    if assets() is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd")
    return folder


@pytest.fixture(scope="session")
def kubeconfig(istio_assets, tmp_path_factory):
    with running(assets()) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield server.kubeconfig


@pytest.fixture(scope="session")
def objects(kubeconfig, istio_assets):
    """The API server, with Istio's kinds."""
    api = connect(kubeconfig=kubeconfig)
    agree(api)
    for crd in yaml.safe_load_all((istio_assets / "crd-all.gen.yaml").read_text()):
        api.request("POST", CRDS, body=crd)
    while not all(map(_is_established, api.items(CRDS))):
        time.sleep(0.05)  # between two questions
    found = Objects(api)
    found.make_namespace("istio-system")  # where istiod keeps what it signs with
    yield found
    api.close()


def _is_established(crd):
    conditions = crd.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


class ControlPlanes:
    """One istiod at a time; other mesh settings get a new one.

    It takes up a change of them while it runs, but what it has made of the old ones for a proxy that asks
    just then (the access log's format) stays.
    """

    def __init__(self, program, kubeconfig, objects, folder):
        self._program, self._kubeconfig, self._objects, self._folder = program, kubeconfig, objects, folder
        self._process = self._settings = self._istiod = None

    def with_settings(self, settings):
        if self._settings != settings:
            self.stop()
            self._objects.set_mesh(settings)
            self._settings, self._istiod = settings, self._start()
        return self._istiod

    def stop(self):
        if self._process:
            self._process.terminate()
            self._process.wait(30)

    def _start(self):
        grpc, http, monitoring = (_free_port() for _ in range(3))
        flags = [f"--kubeconfig={self._kubeconfig}", "--registries=Kubernetes", "--secureGRPCAddr="]
        flags += [f"--grpcAddr=127.0.0.1:{grpc}", f"--httpAddr=127.0.0.1:{http}", "--httpsAddr="]
        flags += [f"--monitoringAddr=127.0.0.1:{monitoring}"]
        off = dict.fromkeys(("INJECTION_WEBHOOK_CONFIG_NAME", "VALIDATION_WEBHOOK_CONFIG_NAME"), "")
        env = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "INJECT_ENABLED": "false", **off}
        env |= {"POD_NAMESPACE": "istio-system", "POD_NAME": "istiod", "CLUSTER_ID": "Kubernetes"}
        env |= ENVIRONMENT
        command, log = [self._program, "discovery", *flags], self._folder / "log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, env=env, cwd=self._folder, stdout=out, stderr=out)
        _wait_until_ready(self._process, http, log)
        return Istiod(f"127.0.0.1:{grpc}")


@pytest.fixture(scope="session")
def control_planes(objects, kubeconfig, istio_assets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("istiod")
    found = ControlPlanes(istio_assets / "pilot-discovery", kubeconfig, objects, folder)
    yield found
    found.stop()


def _wait_until_ready(process, port, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if urllib3.request("GET", f"http://127.0.0.1:{port}/ready", retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.1)  # between two questions
    pytest.fail(log.read_text()[-3000:])


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
