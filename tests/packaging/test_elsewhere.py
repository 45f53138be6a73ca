"""Where labkit runs without a hand of ours: the workflow and the dev container do what the checkout says."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "check.yml"
CONTAINER = ROOT / ".devcontainer"
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def job() -> dict:
    """The workflow's only job."""
    (found,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    return found


def test_the_workflow_does_nothing_that_ci_run_does_not() -> None:
    steps = job()["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    used = {step["uses"].partition("@")[0] for step in steps if "uses" in step}
    assert used == {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}
    assert not [step for step in steps if "env" in step]


def test_the_workflow_runs_on_every_python_the_package_names() -> None:
    named = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)}
    assert set(job()["strategy"]["matrix"]["python"]) == named
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(each) for each in named)


def test_the_workflow_keeps_what_ci_run_keeps_and_gives_it_its_time() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert job()["steps"][-1]["with"]["path"] == re.search(r"^ARTIFACTS=\$PWD/(\S+)", script, re.M)[1]
    assert job()["timeout-minutes"] * 60 > int(re.search(r"^LIMIT=(\d+)", script, re.M)[1])


def test_the_container_is_made_of_binders_parts() -> None:
    made = (CONTAINER / "Dockerfile").read_text()
    python = (BINDER / "runtime.txt").read_text().strip().replace("-", ":")
    assert f"FROM {python}\n" in made
    assert "COPY binder/apt.txt" in made
    assert "USER root" not in made
    create = (CONTAINER / "create").read_text()
    assert "--requirement binder/requirements.txt" in create
    assert "binder/postBuild" in create


def test_the_container_says_how_it_is_made() -> None:
    text = re.sub(r"^//.*$|\s// .*$", "", (CONTAINER / "devcontainer.json").read_text(), flags=re.M)
    container = json.loads(text)
    user = container["remoteUser"]
    assert f"USER {user}\n" in (CONTAINER / container["build"]["dockerfile"]).read_text()
    assert (CONTAINER / container["build"]["context"]).samefile(ROOT)
    script = ROOT / container["postCreateCommand"]
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert [int(port) for port in container["portsAttributes"]] == container["forwardPorts"]
