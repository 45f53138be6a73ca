"""The lab's own images in place of the scenario's."""

import pytest

from labkit import Lab
from labkit.scenario import images
from labkit.scenario.learner import Learner

from ..the_book import STEPS, objects

PREFIX = "registry.example/team/"


def deployments():
    return [obj for step in STEPS for obj in objects(step) if obj["kind"] == "Deployment"]


def container(obj):
    (only,) = obj["spec"]["template"]["spec"]["containers"]
    return only


def test_every_service_runs_from_one_image():
    changed = [container(images.with_own_images(obj, PREFIX)) for obj in deployments()]

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


def test_an_image_of_somebody_else_stays():
    (first, *_) = deployments()
    container(first)["image"] = "nginx"

    assert container(images.with_own_images(first, PREFIX))["image"] == "nginx"


def test_each_step_runs_them_for_a_learner_who_has_them():
    found = [obj for step in STEPS for obj in objects(step, Learner(images=PREFIX))]
    named = [container(obj)["image"] for obj in found if obj["kind"] == "Deployment"]

    assert set(named) == {f"{PREFIX}labkit-services"}
    assert {images.with_own_images(obj, "") is obj for obj in deployments()} == {True}


@pytest.mark.slow
def test_they_run(bench):
    """The argument chooses, wherever the image was pushed to."""
    bench.labkit("up")
    with Lab(kubeconfig=bench.kubeconfig, images=PREFIX) as lab:
        lab.goto(3)
        assert "Hello from ServiceB!" in lab.curl("/service-a").text

    (pod,) = bench.get("pods", "-n", "dev-service-mesh", "-l", "app=service-b-app")["items"]
    assert f"{PREFIX}labkit-services" in [c["image"] for c in pod["spec"]["containers"]]
