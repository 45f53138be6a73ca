"""A rule whose weights a controller sets is read and shown, and left to the controller."""

import copy
import re

import pytest

from labkit.errors import UsageError
from labkit.release.change import set_weights
from labkit.release.finding import rule_of
from labkit.release.managers import managed_elsewhere, managers_of
from labkit.release.shift import run, shift

from .world import TO, OneRule, Proxies, plain, virtual_service, work

ROUTES = {"f:spec": {".": {}, "f:hosts": {}, "f:http": {}}}


def entry(manager, fields=ROUTES, operation="Update", **more):
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields} | more


def ruled_by(*entries, **meta):
    return virtual_service(managedFields=list(entries), **meta)


CANARY = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1"}


@pytest.mark.parametrize(
    ("entries", "owners", "managers"),
    [
        ([entry("rollouts-controller")], [], ["rollouts-controller"]),
        ([entry("argocd-controller", operation="Apply"), entry("kubectl")], [], ["argocd-controller"]),
        ([entry("flagger")], [CANARY | {"controller": True}], ["flagger", "Canary podinfo"]),
        ([entry("kubectl-edit")], [CANARY | {"controller": True}], ["Canary podinfo"]),
        ([entry("kubectl")], [CANARY], []),
        ([entry("kubectl-client-side-apply"), entry("labkit")], [], []),
        ([entry("rollouts-controller", {"f:metadata": {"f:labels": {}}}), entry("helm")], [], []),
        ([entry("pilot-discovery", {"f:status": {"f:conditions": {}}}, subresource="status")], [], []),
        ([entry("", ROUTES)], [], []),
    ],
)
def test_who_sets_the_weights(entries, owners, managers):
    rule = rule_of(ruled_by(*entries, ownerReferences=owners))

    assert managers_of(rule) == managers
    assert bool(managed_elsewhere(rule)) is bool(managers)


def test_an_object_without_managed_fields_is_anybodys():
    assert managed_elsewhere(rule_of(virtual_service())) == ""


REFUSED = re.escape("The weights of the VirtualService b-vs in shop are set by rollouts-controller, so ")


def test_new_weights_are_refused_with_the_managers_name_and_nothing_is_written():
    api = OneRule(ruled_by(entry("rollouts-controller")))

    with pytest.raises(UsageError, match=REFUSED):
        set_weights(api, rule_of(api.obj), [50, 50], strategy=Proxies())
    assert not api.writes


def test_a_shift_is_refused_before_anything_is_sent():
    rule = rule_of(ruled_by(entry("rollouts-controller")))

    with pytest.raises(UsageError, match=REFUSED):
        shift(None, None, None, rule, to=TO, names={TO: "C"})


def test_a_controller_that_takes_the_rule_amid_a_shift_keeps_it():
    """The shift ends, and what it had noted in the object is gone: nobody takes it up later."""
    takes = copy.deepcopy(ruled_by(entry("rollouts-controller")))
    takes["spec"]["http"][0]["route"][1]["weight"] = 7

    def take(what):
        if what == "before read" and len(api.writes) == 1 and "labkit" in str(api.obj):
            note = api.obj["metadata"]["annotations"]
            api.obj = copy.deepcopy(takes) | {"metadata": takes["metadata"] | {"annotations": note}}

    found = work(step=take)
    api = found.api
    with pytest.raises(UsageError, match=REFUSED):
        run(found, (10, 50, 100))
    assert plain(api.obj) == plain(takes)
    assert found.watch.closed
