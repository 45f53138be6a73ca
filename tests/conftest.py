"""Real clusters for tests, and the proof that nothing of them is left.

``cluster``: one for the whole session, with Istio as the first lesson installs it; a test that uses it
    cleans up its own namespaces. ``LABKIT_HOME`` and ``KUBECONFIG`` point to it.
``own_cluster``: such a one for the tests of one file.
``bench``: an empty home of a test's own, for those that start, stop, break and kill clusters.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from labkit.embedded.cluster import launch, processes
from labkit.embedded.cluster.home import Home

from .benchmarks.budget_table import pytest_runtest_logreport, pytest_terminal_summary  # noqa: F401

hypothesis.settings.register_profile("labkit", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("labkit")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Files side by side where there are many; one after the other where figures are measured."""
    few = config.args and all("::" in each or Path(each).suffix == ".py" for each in config.args)
    measured = any("benchmarks" in each for each in config.args)
    is_worker = hasattr(config, "workerinput")
    if config.option.numprocesses is None and not (few or measured or is_worker):
        config.option.numprocesses, config.option.dist = min(4, os.cpu_count() or 1), "loadfile"
        config.option.loadscopereorder = False  # the slow ones come first as they are: browser, cli, e2e


os.environ["LABKIT_LANGUAGE"] = "en"  # what is said is read by tests, whatever the machine's own language

LABKIT = Path(sys.executable).parent / "labkit"


@dataclasses.dataclass(frozen=True)
class Bench:
    """A home, and commands typed in a shell that uses it."""

    root: Path

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def kubeconfig(self) -> Path:
        return self.home.kubeconfig

    @property
    def env(self) -> dict[str, str]:
        mine = {
            "LABKIT_HOME": str(self.home.root),
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.root),  # kubectl keeps a cache there
            "LABKIT_OWNER": str(os.getpid()),  # a test run that is killed takes its clusters with it
            "COLUMNS": "200",
        }
        return {**os.environ, **mine}

    def run(self, *command: object, check: bool = True, **options) -> subprocess.CompletedProcess[str]:
        """Run *command*; with *check*, a failure shows what it printed."""
        options = {"env": self.env, "capture_output": True, "text": True, "timeout": 90} | options
        done = subprocess.run([str(word) for word in command], check=False, **options)
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def labkit(self, *words: object, **options) -> subprocess.CompletedProcess[str]:
        """The console script."""
        return self.run(LABKIT, *words, **options)

    def kubectl(self, *words: object, **options) -> str:
        """What real kubectl prints on stdout."""
        if not shutil.which("kubectl"):
            pytest.skip("no kubectl here; install it to run this test")
        return self.run("kubectl", *words, **options).stdout

    def get(self, *words: object) -> dict:
        """``kubectl get … -o json``."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    @property
    def running(self) -> launch.Running | None:
        return launch.find(self.home)

    @property
    def gateway(self) -> str:
        """``host:port``, found as the scenario finds it."""
        service = self.get("service", "istio-ingressgateway", "-n", "istio-system")
        host = service["status"]["loadBalancer"]["ingress"][0]["ip"]
        port = next(port["port"] for port in service["spec"]["ports"] if port["name"] == "http2")
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop what runs here, then look for leftovers: processes (and so their ports) and files."""
        running = self.running
        pids = processes.of(running.pid) if running else {}
        launch.stop(self.home)
        left = {pid: name for pid, name in pids.items() if _is_alive(pid)}
        assert not left, f"still running after stop: {left}"
        if running:
            assert not running.run.exists(), f"{running.run} was left"
        self.home.remove()
        assert not self.home.root.exists(), f"left in the home: {list(self.home.root.iterdir())}"


def _is_alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pytest_configure() -> None:
    """Ctrl-C is heard, also where a shell has started the tests in the background and had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """An empty home; what the test leaves running is stopped, and leftovers fail it."""
    root = Path(tempfile.mkdtemp(prefix="lk-"))
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "state"))
    bench = Bench(root)
    try:
        yield bench
        bench.close()
    finally:
        launch.stop(bench.home)
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _with_istio(*exported: str) -> Iterator[Bench]:
    """A running cluster; the variables *exported* that point to it hold in this process, too."""
    root = Path(tempfile.mkdtemp(prefix="lk-"))
    bench = Bench(root)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(root / "state"))
            for name in exported:
                patch.setenv(name, bench.env[name])
            bench.labkit("up")
            yield bench
        bench.close()
    finally:
        launch.stop(bench.home)
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Bench]:
    """A running cluster with Istio, shared by all tests."""
    with _with_istio("LABKIT_HOME", "KUBECONFIG") as bench:
        yield bench


@pytest.fixture
def given(cluster: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig as somebody was given it: a copy, away from the cluster's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Path(shutil.copy(cluster.kubeconfig, tmp_path / "given"))


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Bench]:
    """The same for a file's own tests, where they do to it what no other test could bear."""
    with _with_istio() as bench:
        yield bench
