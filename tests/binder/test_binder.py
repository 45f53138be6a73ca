"""The files a Binder session is made of: they agree with the package, and do what they say."""

import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"


def pins() -> dict[str, str]:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    return {
        canonicalize_name(name): pin for name, equals, pin in (x.partition("==") for x in lines) if equals
    }


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_dependency_is_pinned_to_a_version_the_package_accepts():
    for wanted in map(Requirement, project()["dependencies"]):
        assert wanted.specifier.contains(pins()[canonicalize_name(wanted.name)]), wanted


def test_the_package_itself_is_installed():
    assert "-e ." in (BINDER / "requirements.txt").read_text().splitlines()


def test_the_python_is_one_the_package_accepts():
    chosen = re.fullmatch(r"python-(\d+\.\d+)", (BINDER / "runtime.txt").read_text().strip())
    assert chosen
    assert Requirement(f"labkit{project()['requires-python']}").specifier.contains(chosen[1])


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_executed(name: str):
    assert os.access(BINDER / name, os.X_OK)
    subprocess.run(["bash", "-n", BINDER / name], check=True)


def begin_session(bench) -> tuple[float, str]:
    """Seconds until start's argument ran, and what that printed."""
    began = time.monotonic()
    env = bench.env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = bench.run(BINDER / "start", "sh", "-c", 'echo "$KUBECONFIG"', env=env)
    return time.monotonic() - began, done.stdout.strip()


@pytest.mark.slow
def test_a_session_starts_the_cluster_beside_the_server(bench):
    seconds, kubeconfig = begin_session(bench)
    assert seconds < 5
    assert kubeconfig == str(bench.kubeconfig)
    bench.labkit("up")  # waits for the one that start began
    daemon = bench.running.pid

    began = time.monotonic()
    bench.run(sys.executable, "-c", "from labkit.kube import embedded; assert embedded.running()")
    found = time.monotonic() - began
    print(f"\na new Python process finds the cluster in {found:.2f} s")
    assert found < 5
    again, _ = begin_session(bench)
    assert again < 1
    bench.labkit("up")
    assert bench.running.pid == daemon
