"""What the API refuses: code, reason, words and causes are what clients act on and people read."""

import pytest


def _config_map(**fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "refused"}, **fields}


NOT_FOUND = "the server could not find the requested resource"
NOT_ALLOWED = "the server does not allow this method on the requested resource"


@pytest.mark.parametrize("path", ["/api/v1/nothings", "/apis/apps/v9/deployments", "/apis/apps/v1/nothings"])
def test_a_resource_that_is_not_served(api_server, path):
    refused = api_server.ask("GET", path)
    assert refused.refusal == (404, "NotFound", NOT_FOUND)
    assert refused.json["details"] == {}


def test_a_group_that_is_not_served(api_server):
    refused = api_server.ask("GET", "/apis/nothing.example/v1/things")
    assert (refused.code, refused.body) == (404, b"404 page not found\n")


def test_an_object_that_is_not_there(api_server, core):
    refused = api_server.ask("GET", f"{core}/pods/none")
    assert refused.refusal == (404, "NotFound", 'pods "none" not found')
    assert refused.json["details"] == {"name": "none", "kind": "pods"}


def test_a_name_that_is_taken(api_server, core, config_map):
    name = config_map["metadata"]["name"]
    refused = api_server.ask("POST", f"{core}/configmaps", _config_map(metadata={"name": name}))
    assert refused.refusal == (409, "AlreadyExists", f'configmaps "{name}" already exists')


def test_a_namespace_that_is_not_there(api_server):
    refused = api_server.ask("POST", "/api/v1/namespaces/none-such/configmaps", _config_map())
    assert refused.refusal == (404, "NotFound", 'namespaces "none-such" not found')


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/pods"),
        ("PUT", "/api/v1/namespaces/default/configmaps"),
        ("POST", "/api/v1/namespaces/default/configmaps/x"),
        ("PATCH", "/api/v1/namespaces/default/configmaps"),
    ],
)
def test_a_method_that_is_not_allowed(api_server, method, path):
    refused = api_server.ask(method, path, _config_map())
    assert refused.refusal == (405, "MethodNotAllowed", NOT_ALLOWED)


def test_a_body_of_an_unknown_type(api_server, core):
    refused = api_server.ask("POST", f"{core}/configmaps", "x", content_type="text/plain")
    assert refused.refusal[:2] == (415, "UnsupportedMediaType")
    assert "application/json, application/yaml" in refused.refusal[2]


def test_a_patch_of_an_unknown_type(api_server, core, config_map):
    path = f"{core}/configmaps/{config_map['metadata']['name']}"
    refused = api_server.ask("PATCH", path, {}, content_type="application/json")
    assert refused.refusal[:2] == (415, "UnsupportedMediaType")


def test_an_answer_nobody_can_give(api_server, core):
    refused = api_server.ask("GET", f"{core}/configmaps", accept="application/xml")
    assert refused.refusal[:2] == (406, "NotAcceptable")


def test_a_body_that_is_no_json(api_server, core):
    refused = api_server.ask("POST", f"{core}/configmaps", "{bad")
    assert refused.refusal[:2] == (400, "BadRequest")
    assert "json parse error" in refused.refusal[2]


def test_another_kind_than_the_paths(api_server, core):
    refused = api_server.ask("POST", f"{core}/configmaps", _config_map(kind="Pod"))
    assert refused.refusal[:2] == (400, "BadRequest")
    assert 'Pod in version "v1" cannot be handled as a ConfigMap' in refused.refusal[2]


def test_another_namespace_than_the_paths(api_server, core):
    body = _config_map(metadata={"name": "x", "namespace": "other"})
    refused = api_server.ask("POST", f"{core}/configmaps", body)
    message = "the namespace of the provided object does not match the namespace sent on the request"
    assert refused.refusal == (400, "BadRequest", message)


def test_unknown_fields_strictly(api_server, core):
    refused = api_server.ask("POST", f"{core}/configmaps", _config_map(dota={}), fieldValidation="Strict")
    assert refused.refusal[:2] == (400, "BadRequest")
    assert refused.refusal[2].endswith('strict decoding error: unknown field "dota"')


def test_unknown_fields_with_a_warning(api_server, core):
    done = api_server.ask(
        "POST", f"{core}/configmaps", _config_map(dota={}), fieldValidation="Warn", dryRun="All"
    )
    assert (done.code, done.warnings) == (201, ['299 - "unknown field \\"dota\\""'])
    assert "dota" not in done.json


def test_unknown_fields_in_silence(api_server, core):
    done = api_server.ask(
        "POST", f"{core}/configmaps", _config_map(dota={}), fieldValidation="Ignore", dryRun="All"
    )
    assert (done.code, done.warnings) == (201, [])


def test_a_value_of_the_wrong_type(api_server, deployments, deployment):
    deployment["spec"]["replicas"] = "two"
    refused = api_server.ask("POST", deployments, deployment)
    assert refused.refusal[:2] == (400, "BadRequest")
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas" in refused.refusal[2]


def _template(deployment):
    return deployment["spec"]["template"]


def _other_labels(deployment):
    _template(deployment)["metadata"]["labels"] = {"app": "other"}


def _no_selector(deployment):
    del deployment["spec"]["selector"]


def _no_containers(deployment):
    _template(deployment)["spec"]["containers"] = []


def _bad_container_name(deployment):
    _template(deployment)["spec"]["containers"][0]["name"] = "Bad_Name"


def _negative(deployment):
    deployment["spec"]["replicas"] = -1


def _high_port(deployment):
    _template(deployment)["spec"]["containers"][0]["ports"][0]["containerPort"] = 70000


@pytest.mark.parametrize(
    ("spoil", "fields"),
    [
        (_other_labels, ["spec.template.metadata.labels"]),
        (_no_selector, ["spec.selector", "spec.template.metadata.labels"]),
        (_no_containers, ["spec.template.spec.containers"]),
        (_bad_container_name, ["spec.template.spec.containers[0].name"]),
        (_negative, ["spec.replicas"]),
        (_high_port, ["spec.template.spec.containers[0].ports[0].containerPort"]),
    ],
)
def test_a_deployment_that_is_invalid(api_server, deployments, deployment, spoil, fields):
    spoil(deployment)
    refused = api_server.ask("POST", deployments, deployment)
    name = deployment["metadata"]["name"]
    assert refused.refusal[:2] == (422, "Invalid")
    assert refused.refusal[2].startswith(f'Deployment.apps "{name}" is invalid: ')
    assert [field for field, *_ in refused.causes] == fields


def test_a_selector_does_not_change(api_server, deployments, deployment):
    path = f"{deployments}/{deployment['metadata']['name']}"
    made = api_server.ask("POST", deployments, deployment).json
    del made["metadata"]["resourceVersion"]  # somebody may have written the status meanwhile
    made["spec"]["selector"]["matchLabels"] = {"app": "other"}
    made["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    refused = api_server.ask("PUT", path, made)
    assert refused.code == 422
    assert refused.refusal[2].endswith("field is immutable")


def test_a_field_selector_nobody_knows(api_server, core):
    refused = api_server.ask("GET", f"{core}/configmaps", fieldSelector="spec.foo=bar")
    assert refused.refusal[:2] == (400, "BadRequest")
    known = 'only "metadata.name", "metadata.namespace"'
    assert refused.refusal[2] == f'"spec.foo" is not a known field selector: {known}'


def test_a_label_selector_that_ends_too_early(api_server, core):
    refused = api_server.ask("GET", f"{core}/configmaps", labelSelector="a in")
    assert refused.refusal == (400, "BadRequest", "unable to parse requirement: found '' expected: '('")


def test_nobody_gets_nothing(api_server):
    import urllib3

    _, tls = api_server.api.credentials()
    with urllib3.PoolManager(ssl_context=tls, retries=False) as pool:
        headers = {"Authorization": "Bearer nonsense"}
        refused = pool.request("GET", f"{api_server.api.host}/api/v1/pods", headers=headers)
    assert (refused.status, refused.json()["reason"]) == (401, "Unauthorized")
