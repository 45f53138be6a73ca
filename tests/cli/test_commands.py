"""The console script, typed as a learner types it."""

import signal
import subprocess
import time

import pytest

from labkit.embedded.cluster import launch


def test_kubeconfig_prints_the_path_and_nothing_else(bench):
    assert bench.labkit("kubeconfig").stdout == f"{bench.kubeconfig}\n"


def test_status_without_a_cluster_says_the_next_step(bench):
    done = bench.labkit("status", check=False)
    assert done.returncode == 1
    assert "`labkit up`" in done.stdout


def test_down_without_a_cluster_is_fine(bench):
    assert "No cluster runs" in bench.labkit("down").stdout


def test_up_prints_where_everything_is(bench):
    first = bench.labkit("up", "--no-istio").stdout
    assert f"kubeconfig: {bench.kubeconfig}" in first
    assert "Cluster started" in first
    assert "Cluster runs already" in bench.labkit("up", "--no-istio").stdout
    assert "labkit" in bench.kubectl("get", "nodes")


def test_kubectl_keeps_its_namespace_over_a_restart(bench):
    bench.labkit("up", "--no-istio")
    bench.kubectl("config", "set-context", "--current", "--namespace=dev-service-mesh")
    bench.labkit("down")
    bench.labkit("up", "--no-istio")
    assert bench.kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}") == "dev-service-mesh"


def test_clean_asks_first_and_removes_all(bench):
    bench.labkit("up", "--no-istio")
    refused = bench.labkit("clean", check=False, input="n\n")
    assert refused.returncode == 1
    assert bench.running
    bench.labkit("clean", "--yes")
    assert bench.running is None
    assert not bench.home.root.exists()
    assert bench.labkit("clean").stdout == "Nothing to clean.\n"


def test_clean_finds_other_homes(bench):
    other = type(bench)(bench.root / "other")
    launch.start(other.home)
    bench.labkit("clean", "--yes")
    assert launch.find(other.home) is None
    assert not other.home.root.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["istio", "install", "-y"], "No cluster runs in"),
        (["istio", "install", "-y", "--set", "meshConfig.accesLogFile=x"], "Did you mean"),
        (["run", "99-nowhere.ipynb"], "There is no notebook"),
        (["istio", "install", "-y", "-c", "/nowhere"], "/nowhere"),
        (["run", "-p", "requests=[1"], "A value of --parameter is no YAML"),
        (["run", "-o", "/proc/nowhere"], "/proc/nowhere can't be used for the executed notebooks"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(bench, words, sentence):
    done = bench.labkit(*words, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_can_not_be_written_is_a_sentence(bench):
    done = bench.run(
        "env", "LABKIT_HOME=/proc/nowhere", launch.sys.executable, "-m", "labkit.cli", "up", check=False
    )
    assert done.returncode == 1
    assert "LABKIT_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_control_c_while_starting_leaves_no_traceback(bench):
    process = subprocess.Popen(
        [bench_script(), "up", "--no-istio"], env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not bench.home.start_lock.exists():
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert b"Traceback" not in error
    assert process.returncode == 0 or error.strip() == b"labkit: interrupted."


def bench_script():
    from pathlib import Path

    return str(Path(launch.sys.executable).parent / "labkit")


def test_a_terminal_gets_ticks_too(bench, in_a_terminal):
    shown, _ = in_a_terminal([bench_script(), "up", "--no-istio"], bench.env)

    assert "✔ Cluster started" in shown.decode()


@pytest.mark.slow
def test_two_ups_at_once_make_one_cluster(bench):
    both = [subprocess.Popen([bench_script(), "up"], env=bench.env, stdout=subprocess.PIPE) for _ in range(2)]
    assert [each.communicate(timeout=60) and each.returncode for each in both] == [0, 0]
    pods = bench.get("pods", "-n", "istio-system")["items"]
    assert len(pods) == 2


@pytest.mark.slow
def test_a_home_with_a_long_and_odd_name(bench):
    odd = type(bench)(bench.root / ("a long näme, with spaces " * 5))
    odd.labkit("up")
    try:
        assert odd.running.run != odd.home.root / "run"
        assert "SYNCED" in odd.labkit("status").stdout
    finally:
        odd.close()
