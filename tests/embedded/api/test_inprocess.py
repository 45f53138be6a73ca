"""The verbs' rules, through the client the cluster's own parts use."""

from pathlib import Path

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.interfaces import AdmissionRequest, Client, WatchEvent
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.status import ApiError, forbidden
from labkit.embedded.store import Store


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store) -> Client:
    client = InProcessClient(store)
    client.create("namespaces", {"metadata": {"name": "dev"}})
    return client


def thing(name: str, **rest: object) -> Obj:
    return {"metadata": {"name": name, "namespace": "dev"}, **rest}


def pod(name: str, **spec: object) -> Obj:
    return thing(name, spec={"containers": [{"name": "app", "image": "app"}], **spec})


def deployment(name: str, replicas: int = 1) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod(name)["spec"]}
    return thing(name, spec={"replicas": replicas, "selector": {"matchLabels": labels}, "template": template})


def refusal(call, *args, **options) -> ApiError:
    with pytest.raises(ApiError) as refused:
        call(*args, **options)
    return refused.value


def test_create_fills_the_metadata(client: Client):
    made = client.create("pods", pod("") | {"metadata": {"generateName": "web-", "namespace": "dev"}})
    meta = made["metadata"]
    assert meta["name"].startswith("web-")
    assert len(meta["name"]) == len("web-") + 5
    assert meta["uid"]
    assert meta["creationTimestamp"].endswith("Z")
    assert meta["generation"] == 1
    assert (made["apiVersion"], made["kind"], made["status"]["phase"]) == ("v1", "Pod", "Pending")


def test_a_taken_name_is_refused(client: Client):
    client.create("configmaps", thing("a"))
    error = refusal(client.create, "configmaps", thing("a"))
    assert (error.code, error.message) == (409, 'configmaps "a" already exists')


def test_a_namespace_must_exist(client: Client):
    error = refusal(client.create, "pods", {"metadata": {"name": "a", "namespace": "nowhere"}})
    assert (error.code, error.message) == (404, 'namespaces "nowhere" not found')


def test_a_terminating_namespace_takes_nothing_new(client: Client):
    client.delete("namespaces", "dev")
    assert client.get("namespaces", "dev")["status"]["phase"] == "Terminating"
    error = refusal(client.create, "pods", pod("late"))
    assert error.code == 403
    assert "in namespace dev because it is being terminated" in error.message
    client.finalize_namespace("dev")
    assert client.find("namespaces", "dev") is None


def test_a_stale_update_conflicts_and_changes_nothing(client: Client):
    first = client.create("configmaps", thing("a"))
    client.update("configmaps", {**mutable(first), "data": {"key": "new"}})
    error = refusal(client.update, "configmaps", {**mutable(first), "data": {"key": "stale"}})
    assert (error.code, error.reason) == (409, "Conflict")
    assert client.get("configmaps", "a", "dev")["data"] == {"key": "new"}


def test_only_a_change_of_the_spec_counts_as_a_generation(client: Client):
    made = mutable(client.create("deployments.apps", deployment("web")))
    made["metadata"]["labels"] = {"app": "web"}
    assert client.update("deployments.apps", made)["metadata"]["generation"] == 1
    changed = client.patch("deployments.apps", "web", "dev", {"spec": {"replicas": 2}})
    assert changed["metadata"]["generation"] == 2


def test_status_and_spec_are_written_apart(client: Client):
    made = mutable(client.create("pods", pod("a")))
    made["status"] = {"phase": "Running"}
    made["metadata"].pop("resourceVersion")
    assert client.update("pods", made)["status"]["phase"] == "Pending"
    made["spec"]["nodeName"] = "ignored"
    written = client.update_status("pods", made)
    assert written["status"] == {"phase": "Running"}
    assert "nodeName" not in written["spec"]


def test_a_write_that_changes_nothing_makes_no_revision(client: Client):
    made = client.create("configmaps", thing("a", data={"key": "value"}))
    assert client.patch("configmaps", "a", "dev", {"data": {"key": "value"}}) is made


def test_a_scheduled_pod_is_marked_first_and_removed_by_its_kubelet(client: Client):
    client.create("pods", pod("a", nodeName="node", terminationGracePeriodSeconds=7))
    client.delete("pods", "a", "dev")
    assert client.get("pods", "a", "dev")["metadata"]["deletionGracePeriodSeconds"] == 7
    revision = client.revision
    client.delete("pods", "a", "dev")
    assert client.revision == revision
    client.delete("pods", "a", "dev", grace_seconds=0)
    assert client.find("pods", "a", "dev") is None


def test_a_pod_without_a_node_goes_at_once(client: Client):
    client.create("pods", pod("a"))
    client.delete("pods", "a", "dev")
    assert client.find("pods", "a", "dev") is None


def test_finalizers_hold_an_object_until_the_last_is_gone(client: Client):
    made = thing("a")
    made["metadata"]["finalizers"] = ["example.com/mine"]
    client.create("configmaps", made)
    client.delete("configmaps", "a", "dev")
    assert client.get("configmaps", "a", "dev")["metadata"]["deletionTimestamp"]
    client.patch("configmaps", "a", "dev", {"metadata": {"finalizers": None}})
    assert client.find("configmaps", "a", "dev") is None


@pytest.mark.parametrize(
    ("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_propagation_is_left_to_the_garbage_collector(client: Client, propagation: str, finalizer: str):
    client.create("deployments.apps", deployment("web"))
    client.delete("deployments.apps", "web", "dev", propagation=propagation)
    assert client.get("deployments.apps", "web", "dev")["metadata"]["finalizers"] == [finalizer]


def test_a_deletion_meant_for_another_uid_is_refused(client: Client):
    client.create("configmaps", thing("a"))
    error = refusal(client.delete, "configmaps", "a", "dev", uid="somebody-else")
    assert (error.code, error.reason) == (409, "Conflict")
    assert client.find("configmaps", "a", "dev")


def service(name: str, kind: str = "ClusterIP", **spec: object) -> Obj:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return thing(name, spec={"type": kind, "ports": ports, **spec})


def test_services_get_addresses_of_their_own_and_keep_them(client: Client):
    made = [client.create("services", service(f"s{number}")) for number in range(300)]
    assert len({each["spec"]["clusterIP"] for each in made}) == 300
    changed = service("s7", clusterIP="")
    assert client.update("services", changed)["spec"]["clusterIP"] == made[7]["spec"]["clusterIP"]


def test_the_same_service_finds_its_address_again(client: Client):
    first = client.create("services", service("web"))["spec"]["clusterIP"]
    client.delete("services", "web", "dev")
    assert client.create("services", service("web"))["spec"]["clusterIP"] == first


def test_a_taken_cluster_ip_is_refused(client: Client):
    client.create("services", service("a", clusterIP="127.10.0.77"))
    error = refusal(client.create, "services", service("b", clusterIP="127.10.0.77"))
    assert error.code == 422
    assert "provided IP is already allocated" in error.message


def test_node_ports_come_and_go_with_the_type(client: Client):
    made = client.create("services", service("a", "LoadBalancer"))
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    kept = client.update("services", service("a", "NodePort"))
    assert kept["spec"]["ports"][0]["nodePort"] == port
    plain = mutable(kept)
    plain["spec"]["type"] = "ClusterIP"
    assert "nodePort" not in client.update("services", plain)["spec"]["ports"][0]


def test_two_clusters_of_a_host_take_other_node_ports(tmp_path: Path):
    """A gateway without a rule holds none of its ports: who looks whether they are free can't see it."""

    def port_of(folder: str) -> int:
        store = Store(tmp_path / folder)
        client = InProcessClient(store)
        client.create("namespaces", {"metadata": {"name": "dev"}})
        made = client.create("services", service("gateway", "NodePort"))
        store.close()
        return made["spec"]["ports"][0]["nodePort"]

    assert len({port_of(f"{number}.db") for number in range(4)}) > 1


def test_admission_may_change_and_refuse(store: Store):
    def label(request: AdmissionRequest) -> list[str]:
        if request.object["metadata"]["name"] == "bad":
            raise forbidden(request.resource, "bad", "no")
        request.object["metadata"]["labels"] = {"seen": request.operation}
        return ["looked at"]

    client = InProcessClient(store, admission=[label])
    assert (
        client.create("namespaces", {"metadata": {"name": "dev"}})["metadata"]["labels"]["seen"] == "CREATE"
    )
    refusal(client.create, "namespaces", {"metadata": {"name": "bad"}})
    assert client.find("namespaces", "bad") is None


async def test_a_watch_gives_all_there_is_and_then_every_change(client: Client):
    client.create("pods", pod("first"))
    events = client.watch("pods", "configmaps")
    seen: list[WatchEvent] = [await anext(events), await anext(events)]
    client.create("configmaps", thing("a"))
    client.delete("configmaps", "a", "dev")
    seen += [await anext(events), await anext(events)]
    await events.aclose()
    assert [(event.type, event.resource) for event in seen] == [
        ("ADDED", "pods"),
        ("SYNCED", ""),
        ("ADDED", "configmaps"),
        ("DELETED", "configmaps"),
    ]
