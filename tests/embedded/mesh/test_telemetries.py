"""A Telemetry's access log: for one namespace, for chosen pods, over the mesh's own."""

import pytest

PODS = """
kind: Deployment
metadata: {name: client, namespace: mine}
spec:
  template: {metadata: {labels: {app: client}}}
---
kind: Deployment
metadata: {name: other, namespace: theirs}
spec:
  template: {metadata: {labels: {app: other}}}
---
"""
LOGGING = "kind: Mesh\nspec: {accessLogFile: /dev/stdout}\n---\n"


def telemetry(name, namespace, *entries, selector=""):
    chosen = f"selector: {{matchLabels: {{app: {selector}}}}}, " if selector else ""
    asked = ", ".join(entries)
    return (
        f"kind: Telemetry\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{{chosen}accessLogging: [{asked}]}}\n---\n"
    )


ON, OFF = "{providers: [{name: envoy}]}", "{providers: [{name: envoy}], disabled: true}"
ELSEWHERE, BARE_OFF = "{providers: [{name: collector}]}", "{disabled: true}"


def logs(mesh, pod):
    return bool(mesh.snapshot(pod).listeners["virtualOutbound"].get("access_log"))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("", (False, False)),
        (telemetry("log", "mine", ON), (True, False)),
        (telemetry("log", "istio-system", ON), (True, True)),
        (telemetry("log", "istio-system", ON) + telemetry("log", "mine", OFF), (False, True)),
        (telemetry("log", "istio-system", ON) + telemetry("log", "mine", BARE_OFF), (False, True)),
        (
            telemetry("log", "istio-system", OFF) + telemetry("one", "mine", ON, selector="client"),
            (True, False),
        ),
        (telemetry("one", "mine", ON, selector="nobody"), (False, False)),
        (telemetry("log", "istio-system", ON) + telemetry("log", "mine", ELSEWHERE), (False, True)),
        (LOGGING, (True, True)),
        (LOGGING + telemetry("log", "mine", OFF), (False, True)),
        (LOGGING + telemetry("log", "mine", BARE_OFF), (True, True)),  # of no provider
        (LOGGING + telemetry("log", "mine", ELSEWHERE), (True, True)),  # of one the mesh does not know
    ],
)
def test_whether_a_pod_logs(mesh, settings, found):
    made = mesh(PODS + settings)

    assert (logs(made, "client"), logs(made, "other")) == found


def test_a_gateway_logs_as_its_namespace_does(mesh):
    made = mesh(
        PODS
        + """
kind: Deployment
metadata: {name: front, namespace: istio-system}
spec:
  template: {metadata: {labels: {istio: ingressgateway}, annotations: {inject.istio.io/templates: gateway}}}
---
kind: Gateway
metadata: {name: way-in, namespace: mine}
spec:
  selector: {istio: ingressgateway}
  servers: [{hosts: ["*"], port: {number: 80, name: http, protocol: HTTP}}]
---
"""
        + telemetry("log", "istio-system", ON)
        + telemetry("log", "mine", OFF)
    )

    (listener,) = made.snapshot("front").listeners.values()
    (chain,) = listener["filter_chains"]

    assert chain["filters"][0]["typed_config"]["access_log"]
    assert "preserve_external_request_id" not in chain["filters"][0]["typed_config"], "as istiod leaves it"


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("{group: gateway.networking.k8s.io, kind: Gateway, name: front}", (True, False)),
        ("{group: gateway.networking.k8s.io, kind: Gateway, name: back}", (False, False)),
        ("{kind: Service, name: client}", (False, False)),
    ],
)
def test_targets_name_the_pods_of_one_gateway_and_never_mean_the_namespace(mesh, target, found):
    named = PODS.replace("{app: client}", "{app: client, gateway.networking.k8s.io/gateway-name: front}")
    named += PODS.replace("theirs", "mine").split("---\n")[1].replace("name: other", "name: beside") + "---\n"
    made = mesh(named + telemetry("log", "mine", ON).replace("spec: {", f"spec: {{targetRefs: [{target}], "))

    assert (logs(made, "client"), logs(made, "beside")) == found
