"""The last line of an applied manifest: what of it nobody acts upon."""

from labkit.kube.api.resources import Resource
from labkit.kube.applying.apply import AppliedObject
from labkit.kube.applying.in_force import only_kept


def test_the_meshs_settings_have_no_status_and_are_told_by_their_warnings():
    settings = Resource("", "v1", "ConfigMap", "configmaps", True)
    warnings = ["another", "data.mesh: enableTracing: has no effect in this cluster yet"]
    obj = {"metadata": {"name": "istio", "namespace": "istio-system"}}
    found = list(only_kept(None, [AppliedObject(settings, obj, False, warnings)]))
    assert found == [f"not all of configmap/istio is in force: {warnings[1]}"]
    assert list(only_kept(None, [AppliedObject(settings, obj, False, warnings[:1])])) == []
