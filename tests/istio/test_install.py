"""``labkit istio install`` on a running cluster."""

import pytest

from labkit.istio import LESSON_FLAGS

pytestmark = pytest.mark.slow

LESSON = [word for flag in LESSON_FLAGS for word in ("--set", flag)]
EGRESS = [
    *("--set", "components.egressGateways[0].name=istio-egressgateway"),
    *("--set", "components.egressGateways[0].enabled=true"),
]


@pytest.fixture(scope="module")
def installed(cluster):
    """The shared cluster; the lesson's installation is put back at the end."""
    yield cluster
    cluster.labkit("istio", "install", "-y", *LESSON)


def _names(cluster, kind):
    return set(cluster.kubectl("get", kind, "-n", "istio-system", "-o", "name").split())


def _generations(cluster):
    found = cluster.get("deployments", "-n", "istio-system")["items"]
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in found}


def test_the_same_again_changes_nothing(installed):
    installed.labkit("istio", "install", "-y", *LESSON)
    before = _generations(installed)
    pods = _names(installed, "pods")
    done = installed.labkit("istio", "install", "-y", *LESSON)
    assert done.stdout.splitlines() == [
        "✔ Istio core installed",
        "✔ Istiod installed",
        "✔ Ingress gateways installed",
        "✔ Installation complete",
    ]
    assert _generations(installed) == before
    assert _names(installed, "pods") == pods


def test_the_egress_gateway_comes_and_goes(installed):
    """With the flags of step 5, the kubeconfig before the command as in the scenario; then without them."""
    done = installed.labkit("istio", "-c", installed.kubeconfig, "install", "-y", *EGRESS, *LESSON)
    assert "✔ Egress gateways installed" in done.stdout.splitlines()
    assert "deployment.apps/istio-egressgateway" in _names(installed, "deployments")
    installed.labkit("istio", "install", "-y", *LESSON)
    for kind in ("deployments", "services", "serviceaccounts", "roles", "rolebindings"):
        assert not [name for name in _names(installed, kind) if "egress" in name]
    assert "service/istio-ingressgateway" in _names(installed, "services")


def test_what_others_put_there_stays(installed):
    installed.kubectl("create", "configmap", "mine", "-n", "istio-system")
    installed.labkit("istio", "install", "-y", *LESSON)
    assert "configmap/mine" in _names(installed, "configmaps")
    installed.kubectl("delete", "configmap", "mine", "-n", "istio-system")


def test_settings_arrive(installed):
    installed.labkit(
        *("istio", "install", "-y", *LESSON, "--set", "meshConfig.outboundTrafficPolicy.mode=ALLOW_ANY"),
        *("--set", "values.global.proxy.resources.limits.memory=96Mi"),
    )
    mesh = installed.get("configmap", "istio", "-n", "istio-system")["data"]["mesh"]
    assert "mode: ALLOW_ANY" in mesh
    values = installed.get("configmap", "istio-sidecar-injector", "-n", "istio-system")["data"]["values"]
    assert "96Mi" in values


def test_an_operator_file_is_taken_and_flags_win(installed, tmp_path):
    file = tmp_path / "istio.yaml"
    file.write_text(
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n"
        "spec: {profile: minimal, meshConfig: {accessLogEncoding: JSON, accessLogFile: /dev/null}}\n"
    )
    asked = ["-f", file, "--set", "profile=default", "--set", "meshConfig.accessLogFile=/dev/stdout"]
    assert "✔ Ingress gateways installed" in installed.labkit("istio", "install", "-y", *asked).stdout
    mesh = installed.get("configmap", "istio", "-n", "istio-system")["data"]["mesh"]
    assert "accessLogEncoding: JSON" in mesh
    assert "accessLogFile: /dev/stdout" in mesh


def test_without_yes_it_asks(installed):
    before = _generations(installed)
    done = installed.labkit("istio", "install", input="n\n", check=False)
    assert done.returncode == 1
    assert 'Istio 1.30.3 "default" profile' in done.stdout
    assert _generations(installed) == before


def test_a_setting_without_effect_is_a_warning(installed):
    done = installed.labkit("istio", "install", "-y", *LESSON, "--set", "values.global.logAsJson=true")
    assert "! values.global.logAsJson" in done.stderr
    assert "✔ Installation complete" in done.stdout
