"""The services' Containerfile, built."""

import json
import os
import shutil
import tarfile

import pytest

from .kubernetes import services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LARGEST = 60_000_000


@pytest.fixture
def image(tmp_path, monkeypatch):
    if os.getuid() != 0 or not shutil.which("buildah"):
        pytest.skip("no buildah here, or not root: Debian's package `buildah` builds the image of this test")
    monkeypatch.setenv("LABKIT_KUBERNETES_CACHE", str(tmp_path))
    with tarfile.open(services.image()) as archive:
        yield archive


def test_it_is_small_and_nobody_in_particular(image):
    index = read(image, json.load(image.extractfile("index.json"))["manifests"][0])
    config = read(image, index["config"])["config"]

    assert sum(layer["size"] for layer in index["layers"]) < LARGEST
    assert config["User"] == "1000"
    assert config["Entrypoint"] == ["python", "-m", "labkit.services"]


def read(image, described):
    return json.load(image.extractfile(f"blobs/{described['digest'].replace(':', '/')}"))
