"""The lab's own images in place of the scenario's."""

import importlib
import sys

import pytest

from labkit.scenario import images, steps


@pytest.fixture
def ours(monkeypatch):
    monkeypatch.setenv("LABKIT_IMAGES", "registry.example/team/")
    importlib.reload(images)
    yield images
    monkeypatch.undo()
    importlib.reload(images)


def deployments():
    return [obj for step in steps.STEPS for obj in step.objects() if obj["kind"] == "Deployment"]


def container(obj):
    (only,) = obj["spec"]["template"]["spec"]["containers"]
    return only


def test_every_service_runs_from_one_image(ours):
    changed = [container(ours.with_own_images(obj)) for obj in deployments()]

    assert {each["image"] for each in changed} == {"registry.example/team/labkit-services"}
    assert [each["args"] for each in changed] == [
        ["service-a"],
        ["service-b"],
        ["service-c"],
        ["service-ext"],
    ]
    # What `kind load` brought is used, and what is not said is asked for in full.
    assert {each["imagePullPolicy"] for each in changed} == {"IfNotPresent"}
    assert {each["resources"]["requests"]["cpu"] for each in changed} == {"20m"}


def test_an_image_of_somebody_else_stays(ours):
    (first, *_) = deployments()
    container(first)["image"] = "nginx"

    assert container(ours.with_own_images(first))["image"] == "nginx"


@pytest.mark.slow
def test_they_run(bench, tmp_path):
    """The argument chooses, wherever the image was pushed to."""
    bench.labkit("up")
    script = "from labkit import Lab; lab = Lab(); lab.goto(3); print(lab.curl('/service-a').text)"
    done = bench.run(
        sys.executable, "-c", script, env=bench.env | {"LABKIT_IMAGES": "registry.example/team/"}
    )

    assert "Hello from ServiceB!" in done.stdout
    (pod,) = bench.get("pods", "-n", "dev-service-mesh", "-l", "app=service-b-app")["items"]
    assert "registry.example/team/labkit-services" in [c["image"] for c in pod["spec"]["containers"]]
