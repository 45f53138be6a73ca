"""POST and GET: what the server adds to an object, and what it keeps."""

import ipaddress


def test_a_new_object_gets_an_identity(api_server, config_map):
    meta = config_map["metadata"]
    assert config_map["data"] == {"k": "v"}
    assert {"uid", "resourceVersion", "creationTimestamp", "namespace"} <= set(meta)


def test_what_was_created_is_read_back(api_server, core, config_map):
    read = api_server.ask("GET", f"{core}/configmaps/{config_map['metadata']['name']}")
    assert (read.code, read.json) == (200, config_map)


def test_the_field_manager_is_the_user_agents_first_word(config_map):
    (entry,) = config_map["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("suite", "Update")
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:k": {}}}


def test_a_generated_name(api_server, core):
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"generateName": "made-"}}
    made = api_server.ask("POST", f"{core}/configmaps", body)
    name = made.json["metadata"]["name"]
    assert made.code == 201
    assert name.startswith("made-")
    assert len(name) == len("made-") + 5


def test_defaults_of_a_deployment(api_server, deployments, deployment):
    made = api_server.ask("POST", deployments, deployment)
    assert made.code == 201
    spec = made.json["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    (container,) = spec["template"]["spec"]["containers"]
    assert (container["imagePullPolicy"], container["ports"][0]["protocol"]) == ("Always", "TCP")
    assert made.json["metadata"]["generation"] == 1


def test_a_service_gets_an_address(api_server, core):
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "addressed"},
        "spec": {"ports": [{"port": 80}]},
    }
    spec = api_server.ask("POST", f"{core}/services", body).json["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert ipaddress.ip_address(spec["clusterIP"]).is_private
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["type"], spec["sessionAffinity"], spec["internalTrafficPolicy"]) == (
        "ClusterIP",
        "None",
        "Cluster",
    )


def test_string_data_ends_up_encoded(api_server, core):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    made = api_server.ask("POST", f"{core}/secrets", body).json
    assert (made["data"], made["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in made


def test_a_pod_begins_pending(api_server, core):
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "new"},
        "spec": {"containers": [{"name": "c", "image": "none.invalid/nothing:1"}]},
    }
    made = api_server.ask("POST", f"{core}/pods", body).json
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["spec"]["restartPolicy"] == "Always"
    assert api_server.ask("DELETE", f"{core}/pods/new", gracePeriodSeconds="0").code == 200


def test_a_virtual_service_keeps_its_spec(api_server, virtual_services):
    spec = {"hosts": ["a.example"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 100}]}]}
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "v"},
        "spec": spec,
    }
    made = api_server.ask("POST", virtual_services, body)
    assert (made.code, made.json["spec"]) == (201, spec)
    changed = {**made.json, "spec": {**spec, "hosts": ["b.example"]}}
    again = api_server.ask("PUT", f"{virtual_services}/v", changed)
    assert (again.code, again.json["metadata"]["generation"]) == (200, 2)


def test_a_body_in_yaml(api_server, core):
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  when: '2026-01-01'\n"
    made = api_server.ask("POST", f"{core}/configmaps", body, content_type="application/yaml")
    assert (made.code, made.json["data"]) == (201, {"when": "2026-01-01"})


def test_an_answer_in_yaml(api_server, core, config_map):
    path = f"{core}/configmaps/{config_map['metadata']['name']}"
    read = api_server.ask("GET", path, accept="application/yaml")
    assert read.headers["Content-Type"] == "application/yaml"
    assert b"\nkind: ConfigMap\n" in read.body


def test_a_dry_run_changes_nothing(api_server, core):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dry"}}
    assert api_server.ask("POST", f"{core}/configmaps", body, dryRun="All").code == 201
    assert api_server.ask("GET", f"{core}/configmaps/dry").code == 404
