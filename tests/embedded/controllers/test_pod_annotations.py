"""Istio's annotations of a pod: honoured, or said to change nothing, or refused."""

import pytest

from labkit.embedded.status import ApiError

TRAFFIC, SIDECAR = "traffic.sidecar.istio.io/", "sidecar.istio.io/"
CONFIG = "proxy.istio.io/config"


def make(mesh, annotations, labels=None):
    """A pod with a sidecar, and the warnings its author gets."""
    metadata = {"generateName": "pod-", "namespace": "dev", "annotations": annotations}
    metadata["labels"] = {"sidecar.istio.io/inject": "true", **(labels or {})}
    containers = [{"name": "app", "image": "v1"}]
    written = mesh.client.verbs.create("pods", {"metadata": metadata, "spec": {"containers": containers}})
    mesh.settle()
    return written.object, written.warnings


def proxy(pod):
    return next(each for each in pod["spec"]["containers"] if each["name"] == "istio-proxy")


@pytest.mark.parametrize(
    ("annotations", "resources"),
    [
        ({"proxyCPU": "100m"}, {"requests": {"cpu": "100m"}}),
        (
            {"proxyCPU": "0.1", "proxyMemory": "64Mi", "proxyCPULimit": "1", "proxyMemoryLimit": "1Gi"},
            {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        ),
        ({"proxyCPULimit": "1"}, {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}),
    ],
)
async def test_resources(mesh, annotations, resources):
    pod, warnings = make(mesh, {f"{SIDECAR}{name}": value for name, value in annotations.items()})
    assert proxy(pod)["resources"] == resources
    assert warnings == []


async def test_log_levels(mesh):
    pod, _ = make(mesh, {f"{SIDECAR}logLevel": "debug", f"{SIDECAR}componentLogLevel": "http:trace"})
    assert {"--proxyLogLevel=debug", "--proxyComponentLogLevel=http:trace"} < set(proxy(pod)["args"])


@pytest.mark.parametrize(
    ("name", "image"),
    [("mine", "docker.io/istio/mine:1.30.3"), ("example.org/proxy:2", "example.org/proxy:2")],
)
async def test_the_image(mesh, name, image):
    assert proxy(make(mesh, {f"{SIDECAR}proxyImage": name})[0])["image"] == image


async def test_readiness(mesh):
    names = {"initialDelaySeconds": "1", "periodSeconds": "2", "failureThreshold": "30"}
    pod, _ = make(mesh, {f"readiness.status.{SIDECAR}{name}": value for name, value in names.items()})
    probe = proxy(pod)["readinessProbe"]
    assert (probe["initialDelaySeconds"], probe["periodSeconds"], probe["failureThreshold"]) == (1, 2, 30)


def config(mesh, name, namespace, spec):
    obj = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "spec": spec}
    meta = {"name": name, "namespace": namespace}
    mesh.client.verbs.create("proxyconfigs.networking.istio.io", {**obj, "metadata": meta})


async def test_proxy_configs_of_the_mesh_the_namespace_and_the_pod(mesh):
    config(
        mesh, "all", "istio-system", {"concurrency": 4, "environmentVariables": {"A": "mesh", "B": "mesh"}}
    )
    assert "4" in proxy(make(mesh, {})[0])["args"]
    config(mesh, "ours", "dev", {"concurrency": 3, "environmentVariables": {"B": "dev", "LD_PRELOAD": "/c"}})
    assert proxy(make(mesh, {})[0])["args"][-2:] == ["--concurrency", "3"]
    pod, warnings = make(mesh, {CONFIG: "{concurrency: 2, proxyMetadata: {C: pod}}"})
    assert proxy(pod)["args"][-2:] == ["--concurrency", "2"]
    variables = {each["name"]: each.get("value") for each in proxy(pod)["env"]}
    assert {"A": "mesh", "B": "dev", "C": "pod"}.items() <= variables.items()
    assert "LD_PRELOAD" not in variables
    assert warnings == []
    config(mesh, "chosen", "dev", {"selector": {"matchLabels": {"app": "chosen"}}, "concurrency": 1})
    pod, _ = make(mesh, {CONFIG: "{concurrency: 2}"}, {"app": "chosen"})
    assert proxy(pod)["args"][-2:] == ["--concurrency", "1"]


async def test_volumes_of_the_proxys(mesh):
    volume = '{"certs": {"secret": {"secretName": "certs", "optional": true}}}'
    mount = '{"certs": {"mountPath": "/etc/certs/", "readOnly": true}}'
    pod, warnings = make(mesh, {f"{SIDECAR}userVolume": volume, f"{SIDECAR}userVolumeMount": mount})
    assert {"name": "certs", "mountPath": "/etc/certs/", "readOnly": True} in proxy(pod)["volumeMounts"]
    (found,) = [each for each in pod["spec"]["volumes"] if each["name"] == "certs"]
    assert (found["secret"]["secretName"], found["secret"]["optional"]) == ("certs", True)
    assert warnings == []
    with pytest.raises(ApiError, match="it is no JSON"):
        make(mesh, {f"{SIDECAR}userVolume": "certs"})


async def test_a_proxy_that_is_waited_for_comes_first(mesh):
    assert [each["name"] for each in make(mesh, {})[0]["spec"]["containers"]] == ["app", "istio-proxy"]
    pod, warnings = make(mesh, {CONFIG: "holdApplicationUntilProxyStarts: true"})
    assert [each["name"] for each in pod["spec"]["containers"]] == ["istio-proxy", "app"]
    assert pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "app"
    assert warnings == []


async def test_the_whole_mesh_waits_for_its_proxies_where_its_settings_say_so(mesh):
    settings = {"mesh": "defaultConfig: {holdApplicationUntilProxyStarts: true}"}
    mesh.client.patch("configmaps", "istio", "istio-system", {"data": settings})
    for own, first in (({}, "istio-proxy"), ({CONFIG: "holdApplicationUntilProxyStarts: false"}, "app")):
        assert make(mesh, own)[0]["spec"]["containers"][0]["name"] == first


@pytest.mark.parametrize(
    "annotations",
    [
        {f"{TRAFFIC}excludeOutboundPorts": "80, 443"},
        {f"{TRAFFIC}includeOutboundIPRanges": "10.99.0.0/16"},
        {CONFIG: "{concurrency: 1}"},
        {f"{SIDECAR}rewriteAppHTTPProbers": "true"},
        {"prometheus.istio.io/merge-metrics": "false"},
        {"example.org/note": "mine", "istio.example.org/note": "mine, too"},
    ],
)
async def test_what_is_honoured_is_not_worth_a_word(mesh, annotations):
    _, warnings = make(mesh, annotations)
    assert warnings == []
    assert mesh.events("AnnotationIgnored") == []


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        (
            {f"{TRAFFIC}excludeInboundPorts": "8082"},
            "traffic.sidecar.istio.io/excludeInboundPorts has no effect here: "
            "every inbound port goes through the sidecar",
        ),
        (
            {f"{SIDECAR}interceptionMode": "TPROXY"},
            "sidecar.istio.io/interceptionMode has no effect here: "
            "traffic reaches the sidecar without iptables",
        ),
        (
            {f"{SIDECAR}proxyCpu": "1"},
            "sidecar.istio.io/proxyCpu has no effect here: "
            "Istio 1.30 has no annotation or label of this name",
        ),
        (
            {CONFIG: "{concurrency: 2, terminationDrainDuration: 5s}"},
            "proxy.istio.io/config: terminationDrainDuration has no effect here",
        ),
    ],
)
async def test_what_changes_nothing_is_told_once(mesh, annotations, said):
    pod, warnings = make(mesh, annotations)
    assert warnings == [said]
    assert mesh.events("AnnotationIgnored") == [said]
    mesh.run(pod)
    (event,) = (each for each in mesh.client.list("events", "dev") if each["reason"] == "AnnotationIgnored")
    assert (event["type"], event["count"], event["involvedObject"]["uid"]) == (
        "Warning",
        1,
        pod["metadata"]["uid"],
    )


async def test_labels_are_looked_at_too(mesh):
    _, warnings = make(mesh, {}, {"istio.io/dataplane-mode": "ambient"})
    assert warnings == ["istio.io/dataplane-mode has no effect here: there is no ambient mesh"]


async def test_a_pod_without_a_proxy_is_told_nothing(mesh):
    annotations = {f"{SIDECAR}nothing": "x"}
    mesh.create(
        "pods", "p", metadata={"annotations": annotations}, spec={"containers": [{"name": "a", "image": "i"}]}
    )
    assert mesh.events("AnnotationIgnored") == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (
            f"{TRAFFIC}excludeOutboundPorts",
            "80,http",
            "excludeOutboundPorts invalid: failed parsing port 'http': failed parsing port 'http': "
            'strconv.ParseUint: parsing "http": invalid syntax',
        ),
        (
            f"{TRAFFIC}includeOutboundIPRanges",
            "10.0.0.1",
            "includeIPRanges invalid: failed parsing cidr '10.0.0.1': "
            "netip.ParsePrefix(\"10.0.0.1\"): no '/'",
        ),
        (
            f"{SIDECAR}interceptionMode",
            "none",
            "interceptionMode invalid, use REDIRECT,TPROXY,NONE: none",
        ),
        (
            f"readiness.status.{SIDECAR}periodSeconds",
            "-1",
            'strconv.ParseUint: parsing "-1": invalid syntax',
        ),
    ],
)
async def test_a_wrong_value_is_refused(mesh, name, value, why):
    with pytest.raises(ApiError) as refused:
        make(mesh, {name: value})
    assert refused.value.message == (
        'admission webhook "object.sidecar-injector.istio.io" denied the request: 1 error occurred:\n'
        f"\t* invalid value '{value}' for annotation '{name}': {why}\n\n"
    )


@pytest.mark.parametrize("config", ["[1]", "{concurrency: many}", "{concurrency: -1}", "{"])
async def test_a_config_that_is_none_is_refused(mesh, config):
    with pytest.raises(ApiError, match=f"invalid value '.*' for annotation '{CONFIG}'"):
        make(mesh, {CONFIG: config})
