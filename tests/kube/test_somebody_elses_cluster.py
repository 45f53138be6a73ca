"""A cluster that is reached by somebody's kubeconfig: looked at first, changed after a yes only."""

import os
import shlex
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from labkit import Lab
from labkit.cli import labkit
from labkit.errors import NotAgreed, UsageError
from labkit.kube.api.permissions import IN_THE_LAB, denied, roles
from labkit.kube.api.resources import NAMESPACES as NAMESPACES_OF_CLUSTER
from labkit.kube.api.wait import wait_until_gone
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB, agree, signs_of_production
from labkit.kube.connecting.connect import connect
from labkit.kube.connecting.first_look import _ask_for_rights, _istio, _labkit, first_look
from labkit.kube.mesh.control_plane import control_planes
from labkit.scenario.learner import Learner
from labkit.scenario.reset import belongings

from .. import the_book as cast
from ..the_book import HOME, NAMESPACES

pytestmark = pytest.mark.slow
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "billing"}}


@pytest.fixture
def kubeconfig(given):
    return given


@pytest.fixture
def api(kubeconfig):
    found = connect(kubeconfig=kubeconfig)
    yield found
    found.close()


def test_the_books_own_cluster_needs_no_yes(cluster):
    assert not connect(kubeconfig=cluster.kubeconfig).shared


def test_nothing_is_changed_before_a_yes(api):
    with pytest.raises(NotAgreed, match=r"labkit look --context \S+ --yes"):
        api.request("POST", "/api/v1/namespaces", body=NAMESPACE)

    assert api.find("/api/v1/namespaces/billing") is None
    assert api.request("POST", "/api/v1/namespaces", query={"dryRun": "All"}, body=NAMESPACE).code == 201


def test_a_yes_is_remembered_for_the_cluster(api, kubeconfig):
    agree(api)
    again = connect(kubeconfig=kubeconfig)

    again.request("POST", "/api/v1/namespaces", body=NAMESPACE)
    try:
        signs = signs_of_production(again, NAMESPACES)
    finally:
        again.request("DELETE", "/api/v1/namespaces/billing")
    wait_until_gone(again, NAMESPACES_OF_CLUSTER, "", "billing")
    assert signs == ["it has 1 more namespace: billing"]


def test_a_name_that_sounds_like_production(api):
    api.context = "eu-prod-2"

    assert signs_of_production(api, NAMESPACES)[0] == '"eu-prod-2" sounds like production'


def test_the_first_look_is_a_table(api):
    table = first_look(api, NAMESPACES).table

    marks = dict(zip(table["what"], table["mark"], strict=True))
    assert marks["Kubernetes"] == marks["Istio"] == marks["mesh settings"] == marks["permissions"] == "✓"
    assert (table["seen"] != "").all()


def test_other_labs_are_no_production(api):
    mine = {"name": "outside-anna", "labels": {"app.kubernetes.io/part-of": "labkit"}}
    agree(api)
    for metadata in ({"name": "dev-service-mesh"}, mine):
        if api.find(f"/api/v1/namespaces/{metadata['name']}") is None:  # another test's may be there
            api.request("POST", "/api/v1/namespaces", body=NAMESPACE | {"metadata": metadata})
    try:
        facts = {
            fact.what: fact
            for fact in first_look(
                api, ["outside-anna"], plain=["outside-anna"], labs=Learner("anna").of_labs
            ).facts
        }
    finally:
        for name in ("dev-service-mesh", "outside-anna"):
            api.request("DELETE", f"/api/v1/namespaces/{name}")
            wait_until_gone(api, NAMESPACES_OF_CLUSTER, "", name)
    assert facts["production"].mark == "✓"
    assert facts["namespace outside-anna"].seen == "without injection, as it is meant to be"


def test_what_is_advised_names_the_cluster(api):
    api.context = "team a"

    facts = {fact.what: fact for fact in first_look(api, ["nobody"]).facts}

    assert _ask_for_rights(api) == "labkit look --roles USER | kubectl --context 'team a' apply -f -"
    assert facts["Istio"].mark == "✓"


def test_a_pod_needs_to_name_its_cluster_to_labkit_alone(api):
    api.context = "in-cluster"

    assert _ask_for_rights(api) == "labkit look --roles USER | kubectl apply -f -"
    assert _labkit(api, "istio install") == "labkit istio install --context in-cluster"


def test_what_is_advised_where_istio_is_missing_is_understood(api):
    api.context = "team a"

    advised = shlex.split(_istio(api, []).next_step)

    assert advised == ["labkit", "istio", "install", "--context", "team a"]
    assert CliRunner().invoke(labkit, [*advised[1:], "--help"]).exit_code == 0


def test_one_alone_is_refused_beside_a_class_and_takes_no_gateway_away(kubeconfig, api):
    """By rules for any host the class's requests would be answered as well."""
    agree(api)
    body = NAMESPACE | {"metadata": {"name": "outside-anna", "labels": {"labkit/learner": "anna"}}}
    gateway = {"name": "istio-egressgateway", "namespace": "istio-system", "labels": {PART_OF: PART_OF_LAB}}
    service = {"metadata": gateway, "spec": {"ports": [{"port": 80}]}}
    api.request("POST", "/api/v1/namespaces", body=body)
    api.request("POST", "/api/v1/namespaces/istio-system/services", body=service)
    try:
        with pytest.raises(UsageError, match=r"A class works on this cluster \(anna\)"):
            Lab(kubeconfig=kubeconfig)
        kept = [str(one) for one in belongings(api, Learner())]
    finally:
        api.request("DELETE", "/api/v1/namespaces/outside-anna")
    try:
        wait_until_gone(api, NAMESPACES_OF_CLUSTER, "", "outside-anna")
        alone = [str(one) for one in belongings(api, Learner())]
    finally:
        api.request("DELETE", "/api/v1/namespaces/istio-system/services/istio-egressgateway")
    assert "service/istio-egressgateway" not in kept
    assert "service/istio-egressgateway" in alone


def test_the_control_plane(api):
    (plane,) = control_planes(api)

    assert plane.is_new_enough
    assert plane.ready
    assert (plane.config_map, plane.injection_label) == ("istio", ("istio-injection", "enabled"))


def test_permissions_are_asked_of_the_api(api):
    assert denied(api, [(permission, HOME) for permission in IN_THE_LAB]) == []


def test_the_roles_are_objects_the_api_takes(cluster, api):
    """A real kubectl applies them in a dry run, where the namespaces are there."""
    given = roles("anna", ["default"], "kube-public")
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=given)

    assert done.count("created (server dry run)") == 8


def test_roles_of_two_have_nothing_in_common():
    """Names that the API would not take become others, which differ where the users do."""
    users = (
        "anna",
        "anna-x",
        "https://login/anna",
        "https:-/login/anna",
        "system:serviceaccount:school:anna",
    )
    made = [obj for user in users for obj in yaml.safe_load_all(roles(user, ["default"], "record"))]
    keys = [(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in made]

    assert len(set(keys)) == len(keys) == 8 * len(users)
    assert not any(set("/%") & set(name) for *_, name in keys)


@pytest.mark.parametrize(("said", "home"), [({}, f"{cast.HOME}-anna"), ({"LABKIT_USER": ""}, cast.HOME)])
def test_the_roles_are_for_the_names_of_that_learner(said, home):
    env = {name: value for name, value in os.environ.items() if name != "LABKIT_USER"} | said
    command = [sys.executable, "-m", "labkit.cli", "look", "--roles", "anna"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)

    assert f"name: {home}\n" in done.stdout


def test_whom_the_cluster_knows_by_a_long_name_needs_a_short_one(monkeypatch):
    monkeypatch.delenv("LABKIT_USER", raising=False)
    done = CliRunner().invoke(labkit, ["look", "--roles", "system:serviceaccount:school:anna"])

    assert isinstance(done.exception, UsageError)
    assert "`LABKIT_USER=anna labkit look --roles system:serviceaccount:school:anna`" in str(done.exception)


def test_a_mesh_installed_by_revisions_is_asked_by_its_revision(cluster, api):
    """Where no revision is the default one, ``istio-injection=enabled`` would ask nobody."""
    wish = {"name": "wish", "labels": {"istio-injection": "enabled", "team": "a"}}
    namespace = NAMESPACE | {"metadata": wish}
    cluster.kubectl("label", "deployment", "istiod", "-n", "istio-system", "istio.io/rev=1-30", "--overwrite")
    try:
        made = api.request("POST", "/api/v1/namespaces", query={"dryRun": "All"}, body=namespace).object
    finally:
        cluster.kubectl(
            "label", "deployment", "istiod", "-n", "istio-system", "istio.io/rev=default", "--overwrite"
        )
    labels = made["metadata"]["labels"]
    assert (labels["istio.io/rev"], labels["team"]) == ("1-30", "a")
    assert "istio-injection" not in labels
