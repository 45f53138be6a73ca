"""What this cluster only keeps says so for as long as it is there."""

BOOTSTRAP = {"applyTo": "BOOTSTRAP", "patch": {"operation": "MERGE", "value": {"node": {"id": "a"}}}}
ROUTER = {"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_FIRST", "value": {"name": "a"}}}


def condition_of(mesh, name, resource="envoyfilters.networking.istio.io"):
    status = mesh.client.get(resource, name, "default").get("status") or {}
    return next((each for each in status.get("conditions") or [] if each["type"] == "Enforced"), None)


async def test_what_is_only_kept_says_so_in_its_status_and_on_the_debug_page(town):
    await town.workload("a")  # a mesh without proxies has nobody to wait for
    town.istio("EnvoyFilter", "whole", {"configPatches": [ROUTER]})
    page = await town.mesh.synced(town.istio("EnvoyFilter", "part", {"configPatches": [ROUTER, BOOTSTRAP]}))
    (kept,) = page["kept"]
    assert (kept["kind"], kept["namespace"], kept["name"]) == ("EnvoyFilter", "default", "part")
    assert kept["fields"] == [
        "spec.configPatches[1].applyTo: BOOTSTRAP is not done by this cluster; this patch has no effect"
    ]
    condition = condition_of(town.mesh, "part")
    assert (condition["status"], condition["reason"]) == ("False", "WithoutEffect")
    assert condition["message"] == kept["fields"][0]
    assert condition_of(town.mesh, "whole") is None

    page = await town.mesh.synced(town.istio("EnvoyFilter", "part", {"configPatches": [ROUTER]}))
    assert page["kept"] == []
    assert condition_of(town.mesh, "part") is None


FRONT = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"}
LABEL = "gateway.networking.k8s.io/gateway-name"


async def test_a_target_that_no_pod_is_says_so_as_long_as_none_is(town):
    await town.workload("a")
    given = {"AuthorizationPolicy": "security", "RequestAuthentication": "security", "Telemetry": "telemetry"}
    for kind, group in given.items():
        written = town.istio(kind, "it", {"targetRefs": [FRONT]}, group)
    kept = (await town.mesh.synced(written))["kept"]
    words = f"no pod in namespace default has the label {LABEL}: front, so no proxy goes by this"
    assert {each["kind"]: each["fields"] for each in kept} == {
        kind: [f"spec.targetRefs[0]: {words}"] for kind in given
    }
    policies = "authorizationpolicies.security.istio.io"
    assert words in condition_of(town.mesh, "it", policies)["message"]

    town.mesh.envoy("front", labels={LABEL: "front"}, kind="router")
    assert (await town.mesh.synced())["kept"] == []
    assert condition_of(town.mesh, "it", policies) is None


async def test_a_target_for_waypoints_has_no_effect_there_or_not(town):
    await town.workload("a")
    spec = {"targetRefs": [{"kind": "Service", "name": "nobodys"}]}
    (kept,) = (await town.mesh.synced(town.istio("AuthorizationPolicy", "it", spec, "security")))["kept"]
    assert kept["fields"] == [
        "spec.targetRefs[0]: Service is for waypoints, which this cluster has none of: no effect",
        "spec.targetRefs[0]: there is no Service nobodys in namespace default",
    ]


async def test_a_workload_group_changes_no_proxy_and_says_so(town):
    await town.workload("a")
    spec = {"metadata": {"labels": {"app": "a"}}, "template": {"serviceAccount": "vm"}}
    (kept,) = (await town.mesh.synced(town.istio("WorkloadGroup", "vms", spec)))["kept"]
    groups, entries = (f"workload{each}.networking.istio.io" for each in ("groups", "entries"))
    assert kept["fields"][0].startswith("spec.template: no WorkloadEntry is made after it")
    assert condition_of(town.mesh, "vms", groups)["message"] == kept["fields"][0]
    assert town.mesh.client.list(entries) == []


def events_of(mesh, name):
    found = mesh.client.list("events", "istio-system")
    return [each["message"] for each in found if each["involvedObject"]["name"] == name]


async def test_the_meshs_settings_say_so_by_an_event_and_on_the_debug_page(town):
    await town.workload("a")
    written = town.mesh.settings("dnsRefreshRate: 5s\naccessLogFile: /home/me/log")
    (kept,) = (await town.mesh.synced(written))["kept"]
    assert (kept["kind"], kept["name"]) == ("ConfigMap", "istio")
    assert kept["fields"] == events_of(town.mesh, "istio")
    assert kept["fields"][0] == "data.mesh: dnsRefreshRate: has no effect in this cluster yet"
    assert kept["fields"][1].startswith("data.mesh: accessLogFile: /home/me/log is in the container of no")
    assert (await town.mesh.synced(town.mesh.settings("accessLogFile: /dev/stdout")))["kept"] == []
