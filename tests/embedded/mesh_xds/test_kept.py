"""What this cluster only keeps says so for as long as it is there."""

BOOTSTRAP = {"applyTo": "BOOTSTRAP", "patch": {"operation": "MERGE", "value": {"node": {"id": "a"}}}}
ROUTER = {"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_FIRST", "value": {"name": "a"}}}


def condition_of(mesh, name):
    status = mesh.client.get("envoyfilters.networking.istio.io", name, "default").get("status") or {}
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
