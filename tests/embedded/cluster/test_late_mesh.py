"""What of the mesh a cluster does without until istiod starts."""

import subprocess
import sys

import pytest
import yaml

from labkit import istio
from labkit.embedded.cluster import late_mesh
from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.mesh.mesh_config import MeshConfig, is_as_installed
from labkit.embedded.mesh.validation import trial, without_effect
from labkit.embedded.status import ApiError
from labkit.istio import manifests

FLAGS = ([], istio.LESSON_FLAGS, ["profile=demo"])


def _config_map(mesh):
    return {
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": yaml.safe_dump(mesh)},
    }


def _request(resource, obj):
    return AdmissionRequest(
        "CREATE", resource, obj["metadata"].get("namespace", ""), obj, None, dry_run=False
    )


def test_a_cluster_starts_without_the_mesh():
    program = (
        "import sys; from labkit.embedded.cluster import importing; importing.parts();"
        "print(*{'grpc', 'google', 'cryptography', 'labkit.embedded.mesh.model'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("flags", FLAGS, ids=["default", "lesson", "demo"])
def test_settings_as_they_are_installed_are_known_to_be_right(flags):
    found = manifests.istiod(istio.settings(istio.parse(flags)))
    config_map = next(
        each for each in found if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "istio")
    )
    assert is_as_installed(config_map)
    assert list(trial.check_settings(MeshConfig.from_config_map(config_map))) == []
    assert without_effect("configmaps", config_map) == []


@pytest.mark.parametrize(
    "mesh", [{"accessLogFile": "/tmp/x"}, {"connectTimeout": "a while"}, {"no such": 1}, {"trustDomain": "x"}]
)
def test_all_others_are_looked_at(mesh):
    assert not is_as_installed(_config_map(mesh))


def test_what_istio_refuses_is_refused():
    rule = {
        "kind": "VirtualService",
        "metadata": {"name": "it", "namespace": "default"},
        "spec": {"hosts": []},
    }
    with pytest.raises(ApiError, match="must be provided"):
        late_mesh.validation(None, _request("virtualservices.networking.istio.io", rule))
    assert late_mesh.validation(None, _request("configmaps", _config_map({"connectTimeout": "a while"})))
    assert late_mesh.validation(None, _request("pods", {"metadata": {"name": "it"}})) == []
