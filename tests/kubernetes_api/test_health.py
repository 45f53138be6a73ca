"""What the server says of itself."""

import re


def _text(api_server, path):
    answer = api_server.ask("GET", path)
    return answer.code, answer.body.decode()


def test_readiness_check_by_check(api_server):
    code, text = _text(api_server, "/readyz?verbose&exclude=etcd")
    lines = text.splitlines()
    assert (code, lines[0], lines[-1]) == (200, "[+]ping ok", "readyz check passed")
    assert "[+]etcd excluded: ok" in lines
    assert {"[+]log ok", "[+]poststarthook/rbac/bootstrap-roles ok", "[+]shutdown ok"} <= set(lines)


def test_metrics_count_answers_and_objects(api_server, config_map):
    code, text = _text(api_server, "/metrics")
    assert code == 200
    count = r'apiserver_request_total\{[^}]*code="201"[^}]*resource="configmaps"[^}]*\} (\d+)'
    made = re.findall(count, text)
    assert sum(map(int, made)) >= 1
    assert re.search(r"^process_cpu_seconds_total [\d.e+-]+$", text, re.M)


def test_kubectl_dumps_the_cluster(kubectl, namespace, tmp_path, needs_controllers):
    folder = tmp_path / "dump"
    kubectl("cluster-info", "dump", f"--namespaces={namespace}", f"--output-directory={folder}")
    found = {each.name for each in (folder / namespace).iterdir()}
    assert {"pods.json", "replication-controllers.json", "daemonsets.json", "events.json"} <= found
    assert "Kubernetes control plane" in kubectl("cluster-info")
