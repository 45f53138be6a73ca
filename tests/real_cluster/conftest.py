"""The whole book on the cluster that ``LABKIT_CONTEXT`` names: yours, or one made for it.

    LABKIT_CONTEXT=kind-kind pytest tests/real_cluster -n0 -m real_cluster
    python -m tests.real_cluster.kubernetes pytest tests/real_cluster -n0 -m real_cluster

What is seen is a table at the end. Nothing of it is left on the cluster, and the last test says so.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LABKIT = Path(sys.executable).parent / "labkit"
_KEY = "real_cluster"


def pytest_collection_modifyitems(config, items):
    """An ordinary `pytest` has no such cluster."""
    if "real_cluster" in config.option.markexpr:
        return
    unasked = [each for each in items if each.get_closest_marker("real_cluster")]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [each for each in items if each not in unasked]


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster of somebody's, and commands that use it as its learner would."""

    context: str
    root: Path

    @property
    def env(self) -> dict[str, str]:
        mine = {"LABKIT_CONTEXT": self.context, "XDG_STATE_HOME": str(self.root / "state"), "COLUMNS": "200"}
        return {**os.environ, **mine}

    def run(self, *command: object, check: bool = True, **options) -> subprocess.CompletedProcess[str]:
        """Run *command*; with *check*, a failure shows what it printed."""
        options = {"env": self.env, "capture_output": True, "text": True, "timeout": 600} | options
        done = subprocess.run([str(word) for word in command], check=False, **options)
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def labkit(self, *words: object, **options) -> str:
        """What the console script prints."""
        return self.run(LABKIT, *words, **options).stdout

    def kubectl(self, *words: object, **options) -> str:
        """What kubectl prints, as the cluster's administrator."""
        return self.run("kubectl", f"--context={self.context}", *words, **options).stdout

    def objects(self) -> set[str]:
        """What is there of the kinds that a lab makes: kind, namespace and name of each."""
        columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
        found = self.kubectl("get", ",".join(KINDS), "-A", "-o", columns, "--no-headers")
        lines = {" ".join(line.split()) for line in found.splitlines()}
        return {line for line in lines if not line.startswith(("Event ", "Lease "))}


KINDS = (
    *("namespaces", "deployments", "services", "configmaps", "secrets", "serviceaccounts"),
    *("roles", "rolebindings", "clusterroles", "clusterrolebindings"),
)
ISTIO_KINDS = (
    *("gateways", "virtualservices", "destinationrules", "serviceentries", "sidecars", "envoyfilters"),
    *("workloadentries", "proxyconfigs"),
)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The named cluster, with a learner's yes to it that is forgotten afterwards."""
    context = os.environ.get("LABKIT_CONTEXT")
    if not context:
        pytest.skip("LABKIT_CONTEXT names no cluster")
    with tempfile.TemporaryDirectory(prefix="lk-real-") as root:
        yield Cluster(context, Path(root))


@pytest.fixture(scope="session")
def before(cluster) -> set[str]:
    """What was there before the first test."""
    return cluster.objects()


@pytest.fixture(scope="session")
def mesh(cluster, before) -> Cluster:
    """The cluster, where it has an Istio that the book can use."""
    seen = cluster.labkit("look", "--yes", "--production")
    if missing := [line for line in seen.splitlines() if line.startswith("✗")]:
        pytest.skip(f"no mesh for the book here: {' '.join(missing[0].split())}")
    return cluster


@pytest.fixture
def seen(record_property):
    """``seen(words)`` puts figures into the table."""
    return lambda words: record_property(_KEY, words)


def pytest_terminal_summary(terminalreporter):
    """The table: part, how it went, seconds, what was seen."""
    reports = [
        (outcome, report)
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
        if "real_cluster/test_book" in report.nodeid
    ]
    if not reports:
        return
    terminalreporter.section(f"the book on {os.environ.get('LABKIT_CONTEXT', 'no cluster')}")
    for outcome, report in reports:
        part = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        terminalreporter.line(f"{part:45} {outcome:8} {report.duration:6.1f} s  {_words(report)}")


def _words(report) -> str:
    if report.skipped:
        return str(report.longrepr[2])
    words = "; ".join(str(value) for name, value in report.user_properties if name == _KEY)
    if not report.failed:
        return words
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(str(crash.message if crash else report.longrepr).split())[:300]
