"""Whose an object is: somebody's who typed it, or a controller's that would make it again."""

import pytest

from labkit.kube.api.resources import CONFIG_MAPS, VIRTUAL_SERVICES
from labkit.scenario.makers import made_by_controller

WRITTEN = {"f:data": {}, "f:metadata": {}}
LABELLED = {"f:metadata": {}}


def obj(*managers, **metadata):
    fields = [
        {
            "manager": manager,
            "operation": "Update",
            "fieldsV1": written,
            **({"subresource": sub} if sub else {}),
        }
        for manager, written, sub in managers
    ]
    return {"metadata": {"name": "x", "managedFields": fields, **metadata}}


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": [{"kind": "Job"}]},
        {"labels": {"istio.io/config": "true"}},
        {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
        {"annotations": {"meta.helm.sh/release-name": "shop"}},
        {"annotations": {"kubernetes.io/description": "Contains a CA bundle"}},
    ],
)
def test_owners_and_marks(metadata):
    assert made_by_controller(CONFIG_MAPS, obj(("kubectl-create", WRITTEN, None), **metadata))


@pytest.mark.parametrize(
    ("managers", "controllers"),
    [
        ([], False),
        ([("kubectl-client-side-apply", WRITTEN, None)], False),
        ([("labkit", WRITTEN, None)], False),
        ([("pilot-discovery", WRITTEN, None)], True),
        ([("pilot-discovery", WRITTEN, None), ("kubectl-label", LABELLED, None)], True),
        ([("kubectl-create", WRITTEN, None), ("vpa", LABELLED, None)], False),
        ([("kubectl-create", WRITTEN, None), ("pilot-discovery", WRITTEN, "status")], False),
        ([("kubectl", LABELLED, None)], False),
    ],
)
def test_managers(managers, controllers):
    assert made_by_controller(CONFIG_MAPS, obj(*managers)) is controllers


def test_a_rule_in_the_way_goes_by_whichever_client_it_came():
    assert not made_by_controller(VIRTUAL_SERVICES, obj(("curl", WRITTEN, None)))


def test_a_learners_own_mark():
    labels = {"app.kubernetes.io/managed-by": "kubectl"}

    assert not made_by_controller(CONFIG_MAPS, obj(("kubectl", WRITTEN, None), labels=labels))
