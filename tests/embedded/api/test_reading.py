"""get and list over HTTP: versions, projections, pages, selectors, refusals."""

import gzip
from typing import Any

import pytest
import yaml

from labkit.embedded.api.objects import listing

PODS = "/api/v1/namespaces/dev/pods"
MAPS = "/api/v1/namespaces/dev/configmaps"
ROUTES = "/apis/networking.istio.io/{}/namespaces/dev/virtualservices"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def make_maps(api: Any, count: int) -> None:
    for number in range(count):
        labels = {"parity": "even" if number % 2 == 0 else "odd", "number": str(number)}
        api.ask("POST", MAPS, {"metadata": {"name": f"m{number:02}", "labels": labels}})


def names(answer: Any) -> list[str]:
    return [each["metadata"]["name"] for each in answer["items"]]


def test_nobody_enters_without_the_token(api):
    answer = api.ask("GET", MAPS, headers={"Authorization": "Bearer wrong"})
    assert (answer.status, answer.json["reason"], answer.json["message"]) == (
        401,
        "Unauthorized",
        "Unauthorized",
    )
    for path in ("/healthz", "/livez", "/readyz"):
        assert api.ask("GET", path, headers={"Authorization": ""}).body == b"ok"


def test_what_is_not_there(api):
    missing = api.ask("GET", f"{PODS}/nope")
    assert (missing.status, missing.json["message"]) == (404, 'pods "nope" not found')
    assert missing.json["details"] == {"name": "nope", "kind": "pods"}
    assert api.ask("GET", "/apis/nothing/v1/things").status == 404
    assert api.ask("POST", f"{PODS}/nope", {}).status == 405


def test_one_object_is_served_in_every_version(api):
    body = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "metadata": {"name": "r"},
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]},
    }
    assert api.ask("POST", ROUTES.format("v1alpha3"), body).json["apiVersion"].endswith("/v1alpha3")
    for version in ("v1", "v1beta1", "v1alpha3"):
        assert api.get(ROUTES.format(version) + "/r")["apiVersion"] == f"networking.istio.io/{version}"
        assert api.get(ROUTES.format(version))["items"][0]["apiVersion"] == f"networking.istio.io/{version}"


def test_a_list_comes_in_pages_of_one_moment(api):
    make_maps(api, 5)
    first = api.get(f"{MAPS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3
    api.ask("DELETE", f"{MAPS}/m03")
    token = first["metadata"]["continue"]
    second = api.get(f"{MAPS}?limit=2&continue={token}")
    third = api.get(f"{MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert [names(page) for page in (first, second, third)] == [["m00", "m01"], ["m02", "m03"], ["m04"]]
    assert "continue" not in third["metadata"]


def test_a_page_of_a_moment_long_past_is_followed_by_what_there_is_now(api, monkeypatch):
    make_maps(api, 5)
    first = api.get(f"{MAPS}?limit=2")
    api.ask("DELETE", f"{MAPS}/m00")
    monkeypatch.setattr(listing, "_SECONDS_KEPT", -1)
    token = first["metadata"]["continue"]
    gone = api.ask("GET", f"{MAPS}?limit=2&continue={token}")
    assert (gone.status, gone.json["reason"]) == (410, "Expired")
    monkeypatch.undo()
    second = api.get(f"{MAPS}?limit=2&continue={gone.json['metadata']['continue']}")
    assert (names(second), second["metadata"]["remainingItemCount"]) == (["m02", "m03"], 1)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    third = api.get(f"{MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert names(third) == ["m04"]


def test_a_forgotten_page_is_gone(api):
    import base64

    token = base64.urlsafe_b64encode(b'{"rv": 1, "start": 5, "after": ["default", "m01"]}').decode()
    answer = api.ask("GET", f"{MAPS}?limit=2&continue={token}")
    assert (answer.status, answer.json["reason"]) == (410, "Expired")
    assert api.ask("GET", f"{MAPS}?continue=nonsense").status == 400


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("parity=even", ["m00", "m02"]),
        ("parity!=even", ["m01", "m03"]),
        ("number in (1,3)", ["m01", "m03"]),
        ("number notin (1,3),parity", ["m00", "m02"]),
        ("!parity", []),
        ("number>1", ["m02", "m03"]),
    ],
)
def test_labels_select(api, selector: str, found: list[str]):
    from urllib.parse import quote

    make_maps(api, 4)
    assert names(api.get(f"{MAPS}?labelSelector={quote(selector)}")) == found


def test_fields_select_what_the_kind_offers(api):
    make_maps(api, 2)
    assert names(api.get(f"{MAPS}?fieldSelector=metadata.name%3Dm01")) == ["m01"]
    everywhere = api.get("/api/v1/configmaps?fieldSelector=metadata.namespace!%3Ddev")
    assert names(everywhere) == []
    refused = api.ask("GET", f"{MAPS}?fieldSelector=data.key%3D1")
    message = '"data.key" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert (refused.status, refused.json["message"]) == (400, message)


def test_bad_selectors_are_refused(api):
    assert api.ask("GET", f"{MAPS}?labelSelector=a%20b").status == 400
    assert api.ask("GET", f"{MAPS}?limit=many").status == 400


def test_a_table_has_the_columns_of_its_kind(api):
    make_maps(api, 1)
    table = api.get(MAPS, Accept=TABLE)
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    row = table["rows"][0]
    assert row["cells"][:2] == ["m00", 0]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    whole = api.get(f"{MAPS}?includeObject=Object", Accept=TABLE)
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"


def test_metadata_alone(api):
    make_maps(api, 1)
    one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
    assert set(api.get(f"{MAPS}/m00", Accept=one)) == {"kind", "apiVersion", "metadata"}
    many = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    assert api.get(MAPS, Accept=many)["kind"] == "PartialObjectMetadataList"


def test_forms_of_an_answer(api):
    answer = api.ask("GET", "/api/v1/namespaces/dev", headers={"Accept": "application/yaml"})
    assert yaml.safe_load(answer.body)["metadata"]["name"] == "dev"
    protobuf_first = "application/vnd.kubernetes.protobuf,application/json"
    assert api.get("/api/v1/namespaces/dev", Accept=protobuf_first)["kind"] == "Namespace"
    refused = api.ask("GET", "/api/v1/namespaces/dev", headers={"Accept": "text/html"})
    assert (refused.status, refused.json["reason"]) == (406, "NotAcceptable")


def test_large_answers_are_compressed_for_who_accepts_it(api):
    api.ask("POST", MAPS, {"metadata": {"name": "large"}, "data": {"key": "x" * 200_000}})
    answer = api.ask("GET", f"{MAPS}/large", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(answer.body)) > 200_000
    assert api.ask("GET", f"{MAPS}/large").headers["Content-Encoding"] is None


def test_the_future_is_refused(api):
    answer = api.ask("GET", f"{MAPS}?resourceVersion=999999")
    assert (answer.status, answer.json["reason"]) == (504, "Timeout")


def test_discovery_knows_both_forms(api):
    aggregated = api.get(
        "/apis", Accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )
    assert aggregated["kind"] == "APIGroupDiscoveryList"
    assert api.get("/apis")["kind"] == "APIGroupList"
    plurals = [each["name"] for each in api.get("/apis/networking.istio.io/v1beta1")["resources"]]
    assert "virtualservices" in plurals
    assert api.get("/version")["minor"] == "34"


def test_openapi_is_cached_by_its_etag(api):
    index = api.get("/openapi/v3")
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    answer = api.ask("GET", url)
    assert "io.k8s.api.apps.v1.Deployment" in answer.json["components"]["schemas"]
    again = api.ask("GET", url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_kubernetes_service_is_there(api):
    service = api.get("/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "127.10.0.1"
    endpoints = api.get("/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "127.0.0.1"}]


def test_reviews_are_answered_and_forgotten(api):
    who = api.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert (who.status, who.json["status"]["userInfo"]["username"]) == (201, "labkit-admin")
    body = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
    may = api.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert may.json["status"]["allowed"] is True
    assert api.ask("GET", "/apis/authentication.k8s.io/v1/selfsubjectreviews").status == 405
