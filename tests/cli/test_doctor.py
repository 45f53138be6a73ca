"""`labkit doctor` proves that the lab can run, and names what keeps it from running by what was seen."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit.cli import doctor
from labkit.cli.doctor import host, machine, surroundings
from labkit.embedded.mesh.bootstrap import envoy_path
from labkit.kube.pods.endings import why_ended

LABKIT = Path(sys.executable).with_name("labkit")
IN_A_HOST = ["unshare", "-n", "sh", "-c"]
RULE = "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"


def thrown_away(bench):
    """No home of a throw-away cluster is on record or on the disk."""
    return bench.labkit("clean", "--yes").stdout == "Nothing to clean.\n" and not list(
        bench.root.glob("labkit-*")
    )


@pytest.fixture
def env(bench):
    return bench.env | {"TMPDIR": str(bench.root)}


def test_a_request_is_the_proof(bench, env):
    done = bench.labkit("doctor", env=env)

    assert "✔ Envoy 1." in done.stdout
    assert "✔ a request through gateway and sidecars of a throw-away cluster (" in done.stdout
    assert done.stdout.endswith("The lab can run here.\n")
    assert thrown_away(bench)


def fake_envoy(folder: Path, deed: str) -> Path:
    """An Envoy that tells its version and ends as *deed* says when it is to work."""
    script = folder / "envoy"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {envoy_path()} --version\n{deed}\n')
    script.chmod(0o755)
    return script


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("kill -ILL $$", "ended by SIGILL: the processor lacks an instruction"),
        ("kill -SYS $$", "ended by SIGSYS: the system's filter of calls (seccomp)"),
        ("echo 'cannot bind 127.42.0.3:15001' >&2; exit 1", "exit status 1"),
    ],
)
def test_an_envoy_that_ends_is_named_with_its_ending(bench, env, deed, reason):
    env = env | {"LABKIT_ENVOY": str(fake_envoy(bench.root, deed))}

    done = bench.labkit("doctor", env=env, check=False)

    assert done.returncode == 1
    assert "✘ a request through gateway and sidecars" in done.stdout
    assert "istio-proxy of pod istio-ingressgateway-" in done.stdout
    assert reason in done.stdout
    assert "Traceback" not in done.stderr
    assert thrown_away(bench)


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("#!/bin/sh\nkill -ILL $$\n", 0o755, "ended by SIGILL"),
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("\x7fELF, of another machine", 0o755, "Exec format error"),
        ("#!/bin/sh\necho 'version `GLIBC_2.99 not found' >&2; exit 1", 0o755, "GLIBC_2.99 not found"),
    ],
)
def test_an_envoy_that_does_not_run_is_named_with_the_reason(bench, env, content, mode, reason):
    binary = bench.root / "envoy"
    binary.write_text(content)
    binary.chmod(mode)

    done = bench.labkit("doctor", env=env | {"LABKIT_ENVOY": str(binary)}, check=False)

    assert done.returncode == 1
    assert f"✘ Envoy: {binary} does not run ({reason}" in done.stdout or reason in done.stdout
    assert "LABKIT_ENVOY names it" in done.stdout
    assert "throw-away" not in done.stdout, "nothing is tried that can't work"


def test_control_c_throws_everything_away(bench, env):
    process = subprocess.Popen([LABKIT, "doctor"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while not list(bench.root.glob("labkit-*/daemon.json")):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 130
    assert error.strip() == b"labkit: interrupted."
    assert thrown_away(bench)


def test_what_is_missing_is_named(bench, env):
    command = ["env", f"PATH={bench.root}", sys.executable, "-m", "labkit.cli", "doctor", "--no-proof"]
    assert "! kubectl not found" in bench.run(*command, env=env).stdout


def test_surroundings_are_named(bench, env):
    odd = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "KUBECONFIG": "/somewhere/else",
        "XDG_RUNTIME_DIR": "/nowhere",
    }

    said = bench.labkit("doctor", "--no-proof", env=env | odd).stdout

    assert "HTTPS_PROXY: set, and not used for addresses of this machine" in said
    assert "! XDG_RUNTIME_DIR=/nowhere: there is no such folder of yours" in said
    assert not shutil.which("kubectl") or "kubectl in this shell goes by /somewhere/else" in said


def test_few_open_files_are_said(bench, env):
    done = bench.run("sh", "-c", f"ulimit -n 64; exec {LABKIT} doctor --no-proof", env=env, check=False)

    assert done.returncode == 1
    assert "✘ 64 open files at most" in done.stdout


def test_a_machine_that_is_no_linux(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    result = CliRunner().invoke(doctor.doctor)
    assert result.exit_code == 1
    assert "the embedded cluster runs on Linux" in result.output


def test_another_labkit_is_named(bench, env):
    (bench.root / "labkit").write_text("#!/bin/sh\n")
    (bench.root / "labkit").chmod(0o755)
    path = f"{bench.root}{os.pathsep}{os.environ['PATH']}"

    said = bench.run(LABKIT, "doctor", "--no-proof", env=env | {"PATH": path}).stdout

    assert f"! `labkit` is {bench.root}/labkit: another than this one" in said


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit status 0"),
        (127, "is not there"),
        (137, "SIGKILL"),
        (-4, "SIGILL"),
        (255, "signal 127"),
        (143, "SIGTERM"),
    ],
)
def test_endings_in_words(code, words):
    assert words in why_ended(code)


def test_this_host_tracks_connections_or_not():
    assert host.tracks_connections() in (True, False)
    done = subprocess.run([*IN_A_HOST, "true"], capture_output=True, check=False)
    if done.returncode or not shutil.which("iptables"):
        pytest.skip("a network namespace with an iptables rule needs root and iptables")
    look = f"{sys.executable} -c 'from labkit.cli.doctor import host; print(host.tracks_connections())'"
    for rule, tracks in (("true", "False"), (RULE, "True")):
        script = f"ip link set lo up; {rule}; {look}"
        said = subprocess.run([*IN_A_HOST, script], capture_output=True, text=True, check=False)
        assert said.stdout.strip() == tracks, said.stderr


def test_every_surrounding_is_looked_at():
    assert all(list(check()) is not None for check in surroundings.SURROUNDINGS)
