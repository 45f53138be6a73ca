"""A rule that a controller steers: the lab shows it, and does not fight about its routes."""

import pytest
import yaml

from labkit.errors import ApiRefused, UsageError
from labkit.kube.api.api import APPLY_PATCH, MERGE_PATCH
from labkit.kube.api.resources import VIRTUAL_SERVICES

from .. import the_book as cast

pytestmark = pytest.mark.slow
NAME, ROBOT = "producer-internal-host-vs", "rollouts-controller"
PATH = VIRTUAL_SERVICES.path(cast.HOME, NAME)
REFUSED = f"The weights of the VirtualService {NAME} in {cast.HOME} are set by {ROBOT}, so "


@pytest.fixture
def steered(lab):
    """A learner's rule, in which a controller has set other weights."""
    lab.goto(3, finished=True)
    routes = lab.api.get(PATH)["spec"]["http"]
    for target, weight in zip(routes[0]["route"], (80, 20), strict=True):
        target["weight"] = weight
    query, body = {"fieldManager": ROBOT}, {"spec": {"http": routes}}
    lab.api.request("PATCH", PATH, query=query, body=body, content_type=MERGE_PATCH)
    yield lab
    lab.api.request("DELETE", PATH)


def rule(lab, *weights, **meta):
    """The rule as it is, with other *weights* if any."""
    spec = lab.api.get(PATH)["spec"]
    for target, weight in zip(spec["http"][0]["route"], weights, strict=False):
        target["weight"] = weight
    metadata = {"name": NAME, "namespace": cast.HOME, **meta}
    found = {"apiVersion": VIRTUAL_SERVICES.group_version, "kind": "VirtualService"}
    return yaml.safe_dump(found | {"metadata": metadata, "spec": spec})


def test_other_weights_are_refused_with_the_controllers_name(steered, capsys):
    before = steered.api.get(PATH)
    with pytest.raises(UsageError, match=REFUSED):
        steered.apply(rule(steered, 50, 50))
    assert steered.api.get(PATH) == before
    assert "kubectl apply" not in capsys.readouterr().out, "nothing is shown as done"


def test_nothing_beside_it_in_the_same_manifest_is_applied(steered):
    beside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside", "namespace": cast.HOME}}
    with pytest.raises(UsageError, match=REFUSED):
        steered.apply(yaml.safe_dump(beside) + "---\n" + rule(steered, 50, 50))
    assert steered.api.find(f"/api/v1/namespaces/{cast.HOME}/configmaps/beside") is None


def test_what_leaves_its_routes_as_they_are_is_applied(steered):
    steered.apply(rule(steered, labels={"team": "shop"}))
    assert steered.api.get(PATH)["metadata"]["labels"]["team"] == "shop"
    assert steered.weights() == {"ServiceB": 80, "ServiceC": 20}


def test_what_the_api_refuses_is_told_as_ever(steered):
    wrong = rule(steered, 50, 50).replace("hosts:", "hostz:")
    with pytest.raises(ApiRefused, match="hostz"):
        steered.apply(wrong)


def test_who_takes_it_over_by_force_has_it(steered):
    query, body = {"fieldManager": "kubectl", "force": True}, yaml.safe_load(rule(steered, 30, 70))
    steered.api.request("PATCH", PATH, query=query, body=body, content_type=APPLY_PATCH)
    steered.apply(rule(steered, 40, 60))
    assert steered.weights() == {"ServiceB": 40, "ServiceC": 60}
