"""What mesh settings take from the variables of istiod's own container."""

SETTINGS = """
defaultProviders: {tracing: [told]}
extensionProviders:
- name: told
  opentelemetry:
    service: b.default.svc.cluster.local
    port: 80
    http: {path: it, timeout: 1s, headers: [{name: x-token, envName: COLLECTOR_TOKEN}]}
"""


async def test_a_header_by_the_name_of_a_variable(town):
    await town.mesh.stop()
    await town.mesh.start(COLLECTOR_TOKEN="of-istiod")
    envoy = await town.workload("b")
    town.service("b", {"http": (80, 8082)}, pods=["b"])
    await town.mesh.synced(town.mesh.settings(SETTINGS))
    told = await envoy.admin("/config_dump")

    assert '"x-token"' in told
    assert "of-istiod" in told
