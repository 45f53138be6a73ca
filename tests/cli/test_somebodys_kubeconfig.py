"""`labkit lab --context` with the kubeconfigs people have: in parts, with spaces, plug-ins, relative paths.

None of them is ever written.
"""

import base64
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from ..conftest import LABKIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CONTEXT = "Übung: my lab/1"
PLUGIN = """#!/bin/sh
[ "$PLACE" = here ] || exit 1
cat <<EOF
{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
  "status": {{"token": "{token}"}}}}
EOF
"""


@pytest.fixture
def given(bench, tmp_path):
    """KUBECONFIG in three files, named as seen from their folder; the folder, and what is in it."""
    bench.labkit("up")
    whole = yaml.safe_load(bench.kubeconfig.read_text())
    cluster = whole["clusters"][0]["cluster"]
    parts = tmp_path / "my configs"
    (parts / "certs").mkdir(parents=True)
    (parts / "certs" / "ca.crt").write_bytes(base64.b64decode(cluster.pop("certificate-authority-data")))
    plugin = parts / "log-in"
    plugin.write_text(PLUGIN.format(token=whole["users"][0]["user"]["token"]))
    plugin.chmod(0o700)
    log_in = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./log-in",
        "interactiveMode": "Never",
        "env": [{"name": "PLACE", "value": "here"}],
    }
    _write(
        parts / "a",
        clusters=[{"name": "c 1", "cluster": cluster | {"certificate-authority": "certs/ca.crt"}}],
    )
    _write(parts / "b", users=[{"name": "u 1", "user": {"exec": log_in}}])
    contexts = [{"name": CONTEXT, "context": {"cluster": "c 1", "user": "u 1", "namespace": "theirs"}}]
    _write(parts / "c", contexts=contexts, **{"current-context": CONTEXT})
    return parts


def _write(file: Path, **content) -> None:
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config"} | content, allow_unicode=True))


@pytest.fixture
def environment(bench, given, tmp_path):
    """That of somebody in the folder of the kubeconfigs, who has no lab of their own."""
    mine = {"KUBECONFIG": "a:b:c", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    return {key: value for key, value in os.environ.items() if not key.startswith("LABKIT_")} | mine


@pytest.fixture
def server(given, environment):
    """`labkit lab` on that cluster, once it is JupyterLab."""
    words = [LABKIT, "lab", "--no-browser", "--port", "0", "--context", CONTEXT]
    with subprocess.Popen(
        words, cwd=given, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            shown = ""
            for line in process.stdout:
                shown += line
                if re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/lab", line):
                    break
            else:
                pytest.fail(shown)
            yield process
        finally:
            process.terminate()


def test_the_lab_works_with_it_and_leaves_it_as_it_is(bench, given, environment, server, tmp_path):
    before = _files(given)
    found = dict(
        entry.split("=", 1) for entry in Path(f"/proc/{server.pid}/environ").read_text().split("\0") if entry
    )
    terminal = environment | {"KUBECONFIG": found["KUBECONFIG"], "LABKIT_CONTEXT": found["LABKIT_CONTEXT"]}
    elsewhere = tmp_path / "notebooks"
    elsewhere.mkdir()

    def kubectl(*words):
        return bench.run("kubectl", *words, env=terminal, cwd=elsewhere).stdout.strip()

    bench.kubectl("version", "--client")  # skips where there is none
    assert found["LABKIT_CONTEXT"] == CONTEXT
    assert kubectl("config", "current-context") == CONTEXT
    assert kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}") == "dev-service-mesh"
    assert "istiod" in kubectl("get", "pods", "-n", "istio-system")
    kubectl("config", "set-context", "--current", "--namespace", "another")
    assert kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}") == "another"
    looked = bench.run(LABKIT, "look", "--context", CONTEXT, env=terminal, cwd=elsewhere).stdout
    assert "Nothing was changed" in looked
    refused = bench.run(LABKIT, "run", "--context", CONTEXT, env=terminal, cwd=elsewhere, check=False).stderr
    assert f"labkit look --context {shlex.quote(CONTEXT)} --yes" in refused
    assert _files(given) == before


def _files(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def test_two_contexts_never_share_a_file(bench, given, environment, monkeypatch):
    """Whatever is in their names."""
    from labkit.cli.open_lab import _before_the_usual

    names = ["a b", "a-b", "a/b", "ab", "аб", "../ab"]
    contexts = [{"name": name, "context": {"cluster": "c 1"}} for name in names]
    _write(given / "c", contexts=contexts, **{"current-context": names[0]})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(given)

    found = {name: _before_the_usual(name, "home").split(os.pathsep) for name in names}

    assert len({files[0] for files in found.values()}) == len(names)
    assert all(files[1:] == [str(given / part) for part in "abc"] for files in found.values())
    assert {Path(files[0]).parent for files in found.values()} == {Path(found["a b"][0]).parent}
