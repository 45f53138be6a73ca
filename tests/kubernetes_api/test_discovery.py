"""What a client learns about the server before it asks for anything."""

import time

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


def _custom(group, kind, schema):
    names = {"plural": f"{kind.lower()}s", "kind": kind}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


CAREFUL = {
    "type": "object",
    "description": "Of many kinds.",
    "properties": {
        "either": {"type": "string", "nullable": True},
        "open": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"a": {"type": "string"}},
        },
        "spec": {
            "type": "object",
            "required": ["one", "two"],
            "oneOf": [{"required": ["one"]}, {"required": ["two"]}],
            "properties": {
                "one": {"type": "array", "nullable": True, "items": {"type": "string"}},
                "two": {"type": "object", "additionalProperties": {"type": "integer", "nullable": True}},
            },
        },
    },
}


def test_custom_kinds_in_open_api_2(api_server):
    """Old clients must not refuse what the schema allows."""
    made = [
        _custom("careful.tests.labkit", "Careful", CAREFUL),
        _custom("careful.tests.labkit", "Open", {**CAREFUL, "x-kubernetes-preserve-unknown-fields": True}),
    ]
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for each in made:
        assert api_server.ask("POST", path, each).code == 201
        api_server.made.append(f"{path}/{each['metadata']['name']}")

    def schemas():
        found = api_server.ask("GET", "/openapi/v2").json["definitions"]
        both = [found.get(f"labkit.tests.careful.v1.{kind}") for kind in ("Careful", "Open")]
        return both if all(both) else None

    deadline = time.monotonic() + 30
    while (found := schemas()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # a real server publishes them a moment later, without a word
    careful, open_ = found
    kind = {"group": "careful.tests.labkit", "version": "v1"}
    assert open_ == {"type": "object", "x-kubernetes-group-version-kind": [{**kind, "kind": "Open"}]}
    header = {
        key: careful["properties"].pop(key)["description"] for key in ("apiVersion", "kind", "metadata")
    }
    assert "Servers should convert recognized schemas" in header["apiVersion"]
    assert header["metadata"].startswith("Standard object's metadata. More info: https://")
    assert careful == {
        "type": "object",
        "description": "Of many kinds.",
        "x-kubernetes-group-version-kind": [{**kind, "kind": "Careful"}],
        "properties": {
            "either": {},
            "open": {"x-kubernetes-preserve-unknown-fields": True},
            "spec": {
                "type": "object",
                "required": ["two"],
                "properties": {"one": {}, "two": {"type": "object", "additionalProperties": {}}},
            },
        },
    }
