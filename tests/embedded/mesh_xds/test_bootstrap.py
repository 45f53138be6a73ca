"""What Envoy is started with."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from labkit.embedded.interfaces import Launch
from labkit.embedded.mesh.bootstrap import bootstrap, envoy_path, proxy_command, proxy_image


def launch(folder, *args, labels=None):
    container = {"name": "istio-proxy", "args": list(args or ("proxy", "sidecar"))}
    pod = {
        "metadata": {"name": "a-1", "namespace": "dev", "labels": labels or {}, "uid": "u"},
        "spec": {"containers": [{"name": "app"}, container], "nodeName": "labkit"},
    }
    return Launch(pod, container, folder, "127.42.0.7", "127.43.0.7", {})


def test_node_id_is_istios():
    config = bootstrap(launch(Path("/r"), labels={"app": "shop"}), Path("/x"))
    assert config["node"]["id"] == "sidecar~127.42.0.7~a-1.dev~dev.svc.cluster.local"
    assert config["node"]["cluster"] == "shop.dev"
    assert config["node"]["metadata"]["APP_CONTAINERS"] == "app"


def test_a_gateway_is_a_router():
    config = bootstrap(launch(Path("/r"), "proxy", "router", "--domain", "x"), Path("/x"))
    assert config["node"]["id"].startswith("router~")


def test_log_levels_are_the_containers():
    command = proxy_command(launch(Path("/r"), "proxy", "sidecar", "--proxyLogLevel=debug"), Path("/x"))
    assert command.argv[-4:] == ["-l", "debug", "--component-log-level", "misc:error,wasm:off"]


def test_workers_are_the_containers():
    command = proxy_command(launch(Path("/r"), "proxy", "sidecar", "--concurrency", "3"), Path("/x"))
    assert command.argv[command.argv.index("--concurrency") + 1] == "3"


def test_nothing_but_the_pods_address_is_bound():
    text = json.dumps(bootstrap(launch(Path("/r")), Path("/x")))
    assert "127.42.0.7" in text
    assert "0.0.0.0" not in text
    assert "127.0.0.1" not in text


def test_the_admin_port_is_a_unix_socket():
    command = proxy_image(Path("/x"))(launch(Path("/r")))
    assert command.unix_ports == {15000: Path("/r/admin.sock")}


def test_another_envoy_can_be_chosen(monkeypatch):
    assert os.access(envoy_path(), os.X_OK)
    monkeypatch.setenv("LABKIT_ENVOY", "/opt/other/envoy")
    assert envoy_path() == Path("/opt/other/envoy")


@pytest.mark.parametrize("kind", ["sidecar", "router"])
def test_envoy_finds_it_valid(tmp_path, kind):
    command = proxy_command(launch(tmp_path, "proxy", kind), tmp_path / "xds.sock")
    for name, content in command.files.items():
        (tmp_path / name).write_text(content)
    done = subprocess.run(
        [*command.argv, "--mode", "validate"], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
