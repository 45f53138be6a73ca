"""Keys that were emptied or damaged: nobody gets in by that, and `labkit up` mends them and says so."""

import ssl
import urllib.error
import urllib.request

import pytest
import yaml

pytestmark = pytest.mark.slow


def ask(bench, token: str, path: str = "/api/v1/secrets") -> int:
    request = urllib.request.Request(
        bench.running.server + path, headers={"Authorization": f"Bearer {token}"}
    )
    context = ssl.create_default_context(cafile=str(bench.home.pki / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_an_emptied_token_opens_nothing(bench):
    bench.labkit("up", "--no-istio")
    old = bench.home.token.read_text()
    bench.home.token.write_text("")
    told = bench.labkit("up", "--no-istio").stdout
    assert "the cluster that runs still takes the one it began with" in " ".join(told.split())
    assert (ask(bench, ""), ask(bench, old)) == (401, 200)
    bench.labkit("down")

    told = bench.labkit("up", "--no-istio").stdout
    assert "was empty or damaged: the cluster has a new one" in " ".join(told.split())
    new = bench.home.token.read_text()
    assert (ask(bench, ""), ask(bench, " "), ask(bench, old), ask(bench, new)) == (401, 401, 401, 200)
    assert bench.kubectl("get", "namespaces", "-o", "name").startswith("namespace/")


def test_damaged_certificates_and_a_damaged_kubeconfig(bench):
    bench.labkit("up", "--no-istio")
    bench.labkit("down")
    (bench.home.pki / "server.key").write_text("")
    bench.kubeconfig.write_text("{")
    told = " ".join(bench.labkit("up", "--no-istio").stdout.split())
    assert "were damaged: the cluster has new ones" in told
    assert "The kubeconfig was damaged: there is a new one" in told
    assert bench.kubectl("get", "namespaces", "-o", "name").startswith("namespace/")


def test_a_kubeconfig_that_was_lost_while_the_cluster_runs(bench):
    bench.labkit("up", "--no-istio")
    before = yaml.safe_load(bench.kubeconfig.read_text())
    for damage in (bench.kubeconfig.unlink, lambda: bench.kubeconfig.write_text("[]")):
        damage()
        bench.labkit("up", "--no-istio")
        assert yaml.safe_load(bench.kubeconfig.read_text()) == before
