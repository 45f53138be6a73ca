"""A mesh that somebody else has set up otherwise: the book runs there, and nothing of the mesh changes."""

import json
import shutil

import pytest

from labkit import Lab
from labkit.kube.api.resources import CONFIG_MAPS, DEPLOYMENTS, SIDECARS, TELEMETRIES
from labkit.kube.connecting.agreement import agree
from labkit.kube.connecting.connect import connect
from labkit.kube.connecting.first_look import first_look

from .. import the_book as cast

pytestmark = pytest.mark.slow
OTHERS = {"accessLogFile": "", "outboundTrafficPolicy": {"mode": "ALLOW_ANY"}, "connectTimeout": "7s"}
GATEWAYS_LOG = {
    "apiVersion": "telemetry.istio.io/v1",
    "kind": "Telemetry",
    "metadata": {"name": "gateways", "namespace": "istio-system"},
    "spec": {
        "selector": {"matchLabels": {"istio": "ingressgateway"}},
        "accessLogging": [{"providers": [{"name": "envoy"}]}],
    },
}


@pytest.fixture
def shared(own_cluster, tmp_path, monkeypatch):
    """A Lab that knows the cluster by a kubeconfig it was given; an istioctl that may not be called."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = {"data": {"mesh": json.dumps(OTHERS)}}
    own_cluster.kubectl("patch", "configmap", "istio", "-n", "istio-system", "-p", json.dumps(settings))
    own_cluster.kubectl("apply", "-f", "-", input=json.dumps(GATEWAYS_LOG))
    given = shutil.copy(own_cluster.kubeconfig, tmp_path / "given")
    api = connect(kubeconfig=given)
    agree(api)
    api.close()
    with Lab(kubeconfig=given) as lab:
        yield lab


def system(lab):
    """What of the mesh is its administrator's."""
    istio = lab.api.get(CONFIG_MAPS.path("istio-system", "istio"))
    deployments = lab.api.items(DEPLOYMENTS.path("istio-system"))
    specs = {each["metadata"]["name"]: each["spec"] for each in deployments}
    telemetries = [each["spec"] for each in lab.api.items(TELEMETRIES.path("istio-system"))]
    return istio["data"], specs, telemetries


def outbound_mode(lab):
    return lab.api.get(SIDECARS.path(cast.HOME, "default"))["spec"]["outboundTrafficPolicy"]["mode"]


def test_nothing_of_the_mesh_changes_and_the_lessons_hold(shared, capsys):
    before = system(shared)

    shared.goto(2, finished=True)

    assert system(shared) == before
    assert shared.check(2)
    assert outbound_mode(shared) == "REGISTRY_ONLY"
    assert shared.outbound_policy("ALLOW_ANY")
    assert system(shared) == before
    shared.goto(1)
    assert outbound_mode(shared) == "REGISTRY_ONLY"
    shared.istio_install()
    assert system(shared) == before
    assert "Istio was here before; its settings stay as they are" in capsys.readouterr().out


def test_what_only_an_administrator_can_set_is_asked_for(shared):
    facts = {fact.what: fact for fact in first_look(shared.api, cast.NAMESPACES).facts}

    assert "access log off" in facts["mesh settings"].seen
    assert "Ask for one at the gateways" in facts["mesh settings"].next_step


def test_a_namespace_that_is_made_by_hand_has_the_settings_too(shared):
    shared.goto(1)
    shared.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {cast.OUTSIDE}}}\n")

    assert shared.api.find(TELEMETRIES.path(cast.OUTSIDE, "access-log"))
    shared.reset()
