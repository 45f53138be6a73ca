"""What a client learns about the server before it asks for anything."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def _resource(found, name):
    return next(each for each in found["resources"] if each["name"] == name)


def test_the_version(api_server):
    found = api_server.ask("GET", "/version").json
    assert {"major", "minor", "gitVersion", "platform"} <= set(found)
    assert found["gitVersion"].startswith(f"v{found['major']}.{found['minor'].rstrip('+')}.")


def test_the_core_group(api_server):
    found = api_server.ask("GET", "/api/v1").json
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", "v1")
    pods = _resource(found, "pods")
    assert (pods["kind"], pods["namespaced"], pods["singularName"]) == ("Pod", True, "pod")
    assert (pods["shortNames"], pods["categories"]) == (["po"], ["all"])
    assert {"get", "list", "watch", "create", "update", "patch", "delete"} <= set(pods["verbs"])
    assert not _resource(found, "namespaces")["namespaced"]
    assert _resource(found, "pods/log")["verbs"] == ["get"]


def test_the_groups(api_server):
    groups = {each["name"]: each for each in api_server.ask("GET", "/apis").json["groups"]}
    assert {"apps", "rbac.authorization.k8s.io", "coordination.k8s.io", "discovery.k8s.io"} <= set(groups)
    preferred = {"groupVersion": "apps/v1", "version": "v1"}
    assert groups["apps"]["preferredVersion"] == preferred
    one = api_server.ask("GET", "/apis/apps").json
    assert (one["kind"], one["preferredVersion"]) == ("APIGroup", preferred)


def test_scale_is_a_part_of_another_group(api_server):
    scale = _resource(api_server.ask("GET", "/apis/apps/v1").json, "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


def test_istios_kinds(api_server, virtual_services):
    found = api_server.ask("GET", "/apis/networking.istio.io/v1").json
    kind = _resource(found, "virtualservices")
    assert (kind["kind"], kind["singularName"], kind["namespaced"]) == (
        "VirtualService",
        "virtualservice",
        True,
    )


def test_all_in_one_document(api_server):
    for path, group, version in (("/api", None, "v1"), ("/apis", "apps", "v1")):
        found = api_server.ask("GET", path, accept=AGGREGATED)
        assert "as=APIGroupDiscoveryList" in found.headers["Content-Type"]
        assert (found.json["kind"], found.json["apiVersion"]) == (
            "APIGroupDiscoveryList",
            "apidiscovery.k8s.io/v2",
        )
        item = next(each for each in found.json["items"] if each["metadata"].get("name") == group)
        assert version in [each["version"] for each in item["versions"]]


def test_all_in_one_document_tells_kinds_and_parts(api_server):
    items = api_server.ask("GET", "/apis", accept=AGGREGATED).json["items"]
    apps = next(each for each in items if each["metadata"]["name"] == "apps")
    resources = {each["resource"]: each for each in apps["versions"][0]["resources"]}
    found = resources["deployments"]
    assert (found["responseKind"]["kind"], found["scope"]) == ("Deployment", "Namespaced")
    assert found["shortNames"] == ["deploy"]
    assert {"scale", "status"} == {each["subresource"] for each in found["subresources"]}


def test_open_api_3_has_an_index(api_server):
    paths = api_server.ask("GET", "/openapi/v3").json["paths"]
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    document = api_server.ask("GET", url).json
    assert document["openapi"].startswith("3.0")
    schema = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    kind = {"group": "apps", "kind": "Deployment", "version": "v1"}
    assert schema["x-kubernetes-group-version-kind"] == [kind]


def test_open_api_2_in_json_and_protobuf(api_server):
    document = api_server.ask("GET", "/openapi/v2").json
    assert document["swagger"] == "2.0"
    pod = document["definitions"]["io.k8s.api.core.v1.Pod"]
    assert set(pod["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}
    binary = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    found = api_server.ask("GET", "/openapi/v2", accept=accept)
    assert (found.code, found.body[:1]) == (200, b"\x0a")
    assert found.headers["Content-Type"] in (accept, binary)


def test_health(api_server):
    for path in ("/healthz", "/livez", "/readyz"):
        assert api_server.ask("GET", path).body == b"ok"


def test_who_i_am_and_what_i_may(api_server, namespace):
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    me = api_server.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert me.code == 201
    assert me.json["status"]["userInfo"]["username"]
    asked = {"verb": "get", "resource": "pods", "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = api_server.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (answer.code, answer.json["status"]["allowed"]) == (201, True)
