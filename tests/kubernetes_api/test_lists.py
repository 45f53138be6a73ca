"""Lists: pages, selectors, and the forms a client may ask for."""

import pytest

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"


@pytest.fixture(scope="module")
def path(api_server, namespace):
    """ConfigMaps a to e; the first three have a tier."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in "abcde":
        labels = {"suite": "lists", "name": name} | ({"tier": name} if name < "d" else {})
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        assert api_server.ask("POST", path, body).code == 201
    return path


MINE = "suite=lists"


def test_a_list_has_a_kind_and_a_version_and_its_items_have_none(api_server, path):
    found = api_server.ask("GET", path, labelSelector=MINE).json
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(found["metadata"]["resourceVersion"]) > 0
    assert "kind" not in found["items"][0]


def test_pages_are_of_one_moment(api_server, path):
    first = api_server.ask("GET", path, labelSelector=MINE, limit="2")
    assert first.names == ["a", "b"]
    late = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bb", "labels": {"suite": "lists"}}}
    api_server.ask("POST", path, late)
    token = first.json["metadata"]["continue"]
    rest = api_server.ask("GET", path, labelSelector=MINE, limit="9", **{"continue": token})
    api_server.ask("DELETE", f"{path}/bb")
    assert rest.names == ["c", "d", "e"]
    assert "continue" not in rest.json["metadata"]


def test_how_many_remain_is_told_without_a_selector(api_server, path):
    whole = len(api_server.ask("GET", path).names)
    meta = api_server.ask("GET", path, limit="2").json["metadata"]
    assert meta["remainingItemCount"] == whole - 2


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier", "abc"),
        ("!tier", "de"),
        ("tier=a", "a"),
        ("tier==a", "a"),
        ("tier!=a", "bcde"),
        ("tier in (a,b)", "ab"),
        ("tier notin (a,b)", "cde"),
        ("tier,name!=b", "ac"),
    ],
)
def test_label_selectors(api_server, path, selector, names):
    found = api_server.ask("GET", path, labelSelector=f"{MINE},{selector}")
    assert found.names == list(names)


def test_field_selectors(api_server, path):
    assert api_server.ask("GET", path, fieldSelector="metadata.name=c").names == ["c"]
    without = api_server.ask("GET", path, fieldSelector="metadata.name!=c", labelSelector=MINE)
    assert without.names == ["a", "b", "d", "e"]


def test_all_namespaces(api_server, namespace, path):
    found = api_server.ask("GET", "/api/v1/configmaps", labelSelector=MINE).json["items"]
    assert {each["metadata"]["namespace"] for each in found} == {namespace}


def test_a_table_of_config_maps(api_server, path):
    table = api_server.ask("GET", path, accept=TABLE, labelSelector="tier=a").json
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    (row,) = table["rows"]
    assert row["cells"][:2] == ["a", 0]
    assert row["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("/api/v1/namespaces", "Name Status Age"),
        ("/api/v1/pods", "Name Ready Status Restarts Age IP Node Nominated Node Readiness Gates"),
        ("/api/v1/services", "Name Type Cluster-IP External-IP Port(s) Age Selector"),
        ("/apis/apps/v1/deployments", "Name Ready Up-to-date Available Age Containers Images Selector"),
    ],
)
def test_the_columns_of_tables(api_server, path, columns):
    table = api_server.ask("GET", path, accept=TABLE).json
    assert " ".join(each["name"] for each in table["columnDefinitions"]) == columns
    priorities = [each["priority"] for each in table["columnDefinitions"]]
    assert priorities == sorted(priorities)  # what only `-o wide` shows comes last


def test_only_metadata(api_server, path):
    found = api_server.ask("GET", path, accept=METADATA.format("List"), labelSelector="tier=a").json
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert set(found["items"][0]) <= {"metadata", "kind", "apiVersion"}
    one = api_server.ask("GET", f"{path}/a", accept=METADATA.format("")).json
    assert (one["kind"], set(one)) == ("PartialObjectMetadata", {"kind", "apiVersion", "metadata"})


def test_a_list_of_a_namespace_that_is_not_there_is_empty(api_server):
    found = api_server.ask("GET", "/api/v1/namespaces/there-is-none/configmaps")
    assert (found.code, found.json["items"]) == (200, [])
