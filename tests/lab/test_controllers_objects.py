"""goto beside a controller that puts a ConfigMap into each namespace, as istiod does."""

import threading
import time

import pytest

from labkit.errors import ApiRefused
from labkit.kube.api.resources import CONFIG_MAPS, NAMESPACES
from labkit.kube.api.watch import Watches
from labkit.kube.connecting.connect import connect

from ..the_book import HOME

pytestmark = pytest.mark.slow


class Controller(threading.Thread):
    """Makes its ConfigMap in each namespace and, when it is deleted there, again."""

    def __init__(self, kubeconfig, manager, labels):
        super().__init__(daemon=True)
        self.api, self.manager = connect(kubeconfig=kubeconfig), manager
        self.made = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca-crl.pem": ""}}
        self.made["metadata"] = {"name": "istio-ca-crl", "labels": labels}
        self.over, self.at_home, self.deleted = threading.Event(), threading.Event(), []

    def run(self):
        with Watches(self.api, NAMESPACES.path(), CONFIG_MAPS.path()) as watches:
            while not self.over.is_set():
                for event in watches.until(time.monotonic() + 0.2):
                    if event.object and not self.over.is_set():
                        self.reconcile(event)

    def reconcile(self, event):
        metadata = event.object["metadata"]
        if event.path == NAMESPACES.path() and event.type != "DELETED":
            self.make(metadata["name"])
        elif metadata["name"] == "istio-ca-crl" and event.type == "DELETED":
            self.deleted.append(metadata["namespace"])
            self.make(metadata["namespace"])

    def make(self, namespace):
        try:
            path = CONFIG_MAPS.path(namespace)
            self.api.request("POST", path, query={"fieldManager": self.manager}, body=self.made)
        except ApiRefused as error:
            if error.code not in (403, 404, 409):  # the namespace goes; it is there
                raise
        if namespace == HOME:
            self.at_home.set()

    def end(self):
        self.over.set()
        self.join(10)
        for found in self.api.items(CONFIG_MAPS.path()):
            if found["metadata"]["name"] == "istio-ca-crl":
                self.api.request("DELETE", CONFIG_MAPS.path(found["metadata"]["namespace"], "istio-ca-crl"))
        self.api.close()


@pytest.fixture
def controller(cluster):
    running = []

    def start(manager, labels):
        running.append(Controller(cluster.kubeconfig, manager, labels))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.end()


@pytest.mark.parametrize(
    ("manager", "labels"),
    [
        ("pilot-discovery", {"istio.io/config": "true"}),
        ("pilot-discovery", {}),
        ("kubectl", {"istio.io/config": "true"}),
    ],
)
def test_what_a_controller_made_is_never_swept(lab, controller, manager, labels):
    watching = controller(manager, labels)
    lab.goto(1, finished=True)
    assert watching.at_home.wait(30)
    made = lab.api.get(CONFIG_MAPS.path(HOME, "istio-ca-crl"))["metadata"]["uid"]

    lab.goto(2)
    lab.goto(1)

    assert lab.api.get(CONFIG_MAPS.path(HOME, "istio-ca-crl"))["metadata"]["uid"] == made
    assert HOME not in watching.deleted


def test_what_comes_back_under_the_same_name_is_not_waited_for(lab, controller):
    """One that looks like somebody's is removed, and that was it, though there is another at once."""
    watching = controller("kubectl", {})
    lab.goto(1, finished=True)
    assert watching.at_home.wait(30)
    watching.at_home.clear()

    lab.goto(2)

    assert watching.at_home.wait(30)
    assert HOME in watching.deleted
    assert lab.api.get(CONFIG_MAPS.path(HOME, "istio-ca-crl"))
