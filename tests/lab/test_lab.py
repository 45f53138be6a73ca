"""The one object a notebook holds."""

import datetime as dt
import sys
import threading
import time
from pathlib import Path

import pytest

from labkit import Lab
from labkit.errors import ApiRefused, ManifestError, NotRunning, RequestFailed, UsageError, WaitFailed
from labkit.kube.api.resources import DEPLOYMENTS, SERVICES, VIRTUAL_SERVICES
from labkit.traffic.journal import Journal
from labkit.traffic.one_request import first_ids

from ..clocks import ManualClock

pytestmark = pytest.mark.slow

HOME = "dev-service-mesh"
RULE = VIRTUAL_SERVICES.path(HOME, "producer-internal-host-vs")

WEIGHTS = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: producer-internal-host-vs
spec:
  hosts: [producer-internal-host]
  gateways: [mesh]
  http:
    - route:
        - destination: {host: producer-internal-host, port: {number: 80}}
          weight: WEIGHT_B
        - destination: {host: service-c-srv, port: {number: 80}}
          weight: WEIGHT_C
"""


def weights(b, c):
    return WEIGHTS.replace("WEIGHT_B", str(b)).replace("WEIGHT_C", str(c))


@pytest.fixture(scope="module")
def split_lab(lab):
    """Where B and C both answer."""
    lab.goto(4)
    return lab


def test_starting_prints_nothing(cluster, capsys):
    with Lab(kubeconfig=cluster.kubeconfig) as lab:
        assert repr(lab).startswith("<Lab on https://127.0.0.1:")

    assert capsys.readouterr() == ("", "")


def test_closing_twice(cluster):
    lab = Lab(kubeconfig=cluster.kubeconfig)
    lab.close()
    lab.close()


def test_nothing_is_left_by_a_lab(cluster):
    before = threading.active_count()
    with Lab(kubeconfig=cluster.kubeconfig) as lab:
        lab.goto(1, finished=True)
        lab.send("/service-a", requests=20, concurrency=4)

    assert threading.active_count() == before


@pytest.mark.parametrize("call", ["trace", "graph", "hops"])
def test_requests_that_are_none(lab, call):
    with pytest.raises(UsageError, match=r"of= takes .*lab\.curl\(\)"):
        getattr(lab, call)(of=3)


@pytest.mark.parametrize("wrong", [{"kubeconfig": "/nowhere/config"}, {"context": "no-such-context"}])
def test_no_such_cluster(cluster, wrong):
    with pytest.raises(NotRunning, match="Can't use"):
        Lab(**({"kubeconfig": cluster.kubeconfig} | wrong))


@pytest.mark.parametrize(("b", "c"), [(90, 10), (50, 50), (10, 90), (100, 0)])
def test_weights_show_in_answers_and_in_the_log(split_lab, b, c):
    split_lab.apply(weights(b, c))

    answers = split_lab.send("/service-a", requests=1000, concurrency=8)

    by_answers = split_lab.split(answers)
    by_log = split_lab.split(split_lab.access_log("service-a", of=answers))
    assert by_answers.p_value > 1e-6, str(by_answers)
    assert {k: v for k, v in by_answers.counts.items() if v} == {k: v for k, v in by_log.counts.items() if v}
    assert answers["status"].eq(200).all()


def test_answers_and_log_lines_join(split_lab):
    answers = split_lab.send("/service-a", requests=50, concurrency=4)

    log = split_lab.access_log("istio-ingressgateway", of=answers)

    entered = log[log["path"] == "/service-a"]
    joined = answers.merge(entered, on="request_id", validate="one_to_one")
    assert len(joined) == 50
    assert (joined["duration"] <= joined["total_ms"] + 1).all()


def test_hops_are_in_order(lab):
    lab.goto(6, finished=True)

    hops = lab.hops(lab.curl("/service-a"))

    assert hops["request"].nunique() == 1
    assert hops["request_id"].nunique() == 3, "each gateway makes one of its own"
    assert hops["app"].tolist() == [
        "istio-ingressgateway",
        "service-a-app",
        "service-a-app",
        "service-c-app",
        "service-c-app",
        "istio-egressgateway",
        "istio-ingressgateway",
        "service-ext-app",
    ]
    lab.goto(4)


def test_of_64_requests_at_once_each_has_its_own_lines(lab):
    """By what the services name, and, within what is known, by the connections between the gateways."""
    lab.goto(6, finished=True)

    hops = lab.hops(lab.send("/service-a", requests=256, concurrency=64))

    assert len(hops) == 8 * 256
    for request, way in hops.groupby("request"):
        assert len(way) == 8
        assert way["request_id"].nunique() == 3
        assert way["user_agent"].str.endswith(f"(request {request})").sum() == 6
        egress, called = (way[way["app"] == app] for app in ("istio-egressgateway", "service-c-app"))
        assert egress["start_time"].min() >= called["start_time"].min()
    unnamed = hops.assign(user_agent="Java/11")
    joined = first_ids(unnamed)
    for app in ("istio-egressgateway", "istio-ingressgateway", "service-ext-app"):
        assert joined[hops["app"] == app].isin(hops["request"]).mean() > 0.95, app
    lab.goto(4)


def test_lines_that_never_come_are_not_waited_for_long(split_lab):
    clock = ManualClock()

    lines = Journal(split_lab.api, clock=clock).lines_of(["0badc0de-1"], dt.datetime.now(dt.UTC), timeout=3)

    assert not lines.complete
    assert lines.frame.empty
    assert 3 <= clock.monotonic() <= 3.2


def test_the_log_of_all(split_lab):
    answers = split_lab.send("/service-a", requests=5)

    log = split_lab.access_log("service-a")

    assert set(answers["request_id"]) <= set(log["request_id"])
    assert log["pod"].nunique() == 1


@pytest.mark.parametrize("name", ["A", "ServiceA", "service-a", "service-a-app", "service-a-v1-deployment"])
def test_workloads_have_many_names(split_lab, name):
    split_lab.curl("/service-a")

    assert split_lab.access_log(name)["app"].eq("service-a-app").all()


def test_an_unknown_workload(split_lab):
    with pytest.raises(UsageError, match="has no workload 'service-z'"):
        split_lab.access_log("service-z")


def test_json_logs_read_the_same(split_lab):
    split_lab.istio_install("meshConfig.accessLogEncoding=JSON")
    try:
        answers = split_lab.send("/service-a", requests=40, concurrency=4)
        log = split_lab.access_log("service-a", of=answers)
        assert len(log[log["path"] == "/service-a"]) == 40
        assert log["response_code"].eq(200).all()
        assert len(split_lab.access_log("service-a").attrs["unparsed"]) == 0
    finally:
        split_lab.goto(4)


def test_apply_prints_what_kubectl_would(split_lab, capsys):
    applied = split_lab.apply("service-c-srv.yml")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("$ kubectl apply --server-side --force-conflicts -n dev-service-mesh -f ")
    assert lines[0].endswith(" -f $(labkit manifest service-c-srv.yml)")
    assert lines[1] == "service/service-c-srv serverside-applied"
    assert lines[2].startswith("acknowledged by 4 proxies in ")
    assert len(applied.acknowledged.proxies) == 4


PATCH = "{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {node: {id: a}}}}"
TARGET = "{group: gateway.networking.k8s.io, kind: Gateway, name: nobody}"


@pytest.mark.parametrize(
    ("kind", "version", "spec", "words"),
    [
        (
            "EnvoyFilter",
            "networking.istio.io/v1alpha3",
            f"{{configPatches: [{PATCH}]}}",
            "spec.configPatches[0].applyTo: BOOTSTRAP",
        ),
        (
            "WorkloadGroup",
            "networking.istio.io/v1",
            "{template: {serviceAccount: vm}}",
            "spec.template: no WorkloadEntry is made after it",
        ),
        (
            "RequestAuthentication",
            "security.istio.io/v1",
            f"{{targetRefs: [{TARGET}]}}",
            "spec.targetRefs[0]: no pod in namespace dev-service-mesh has the label",
        ),
    ],
)
def test_what_is_only_kept_is_told_in_the_last_line(split_lab, capsys, kind, version, spec, words):
    manifest = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: kept}}\nspec: {spec}"
    try:
        split_lab.apply(manifest)
        last = capsys.readouterr().out.splitlines()[-1]
        title = f"{kind.lower()}.{version.partition('/')[0]}/kept"
        assert last.startswith(f"not all of {title} is in force: {words}")
    finally:
        split_lab.delete(manifest)


def test_the_printed_command_does_the_same(split_lab, cluster, capsys):
    split_lab.apply("service-c-srv.yml")
    command, line, *_ = capsys.readouterr().out.splitlines()
    env = cluster.env | {"PATH": f"{Path(sys.executable).parent}:{cluster.env['PATH']}"}

    assert cluster.run("sh", "-c", command.removeprefix("$ "), env=env).stdout.splitlines() == [line]


def test_a_warning_is_shown(split_lab, capsys):
    two = weights(50, 50).replace("gateways: [mesh]", "gateways: [mesh]\n  exportTo: ['.', 'elsewhere']")

    try:
        applied = split_lab.apply(two)
    except ApiRefused:
        pytest.skip("this mesh refuses it")
    if applied.warnings:
        assert f"Warning: {applied.warnings[0]}" in capsys.readouterr().out
    split_lab.goto(4)


@pytest.mark.parametrize(
    ("manifest", "error", "reason"),
    [
        ("a: b: c\n", ManifestError, "line 1"),
        ("apiVersion: v1\nkind: Servize\nmetadata: {name: x}\n", ManifestError, 'no kind "Servize"'),
        (
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: x}\n",
            ManifestError,
            "no Kubernetes Gateway API, and so no `HTTPRoute`",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prts: []}\n", ApiRefused, "prts"),
        (weights(-1, 101), ApiRefused, "weight"),
        (weights(50, 50).replace("hosts: [producer-internal-host]", "hosts: []"), ApiRefused, "host"),
    ],
)
def test_what_is_wrong_changes_nothing(split_lab, manifest, error, reason):
    before = split_lab.api.get(RULE)

    with pytest.raises(error, match=reason):
        split_lab.apply(manifest)

    assert split_lab.api.get(RULE) == before
    assert split_lab.api.find(SERVICES.path(HOME, "x")) is None


def test_one_mistake_among_many_changes_nothing(split_lab):
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: fine}\nspec: {ports: [{port: 80}]}\n"
    before = split_lab.api.get(RULE)

    with pytest.raises(ApiRefused):
        split_lab.apply(f"{service}---\n{weights(1, 99)}---\n{weights(-1, 1)}")

    assert split_lab.api.find(SERVICES.path(HOME, "fine")) is None
    assert split_lab.api.get(RULE) == before


def test_an_unknown_image_is_told_at_once(split_lab):
    manifest = split_lab.manifest("service-b-deployment.yml").text
    wrong = manifest.replace("service-b-java-11", "service-z").replace("service-b", "service-z")

    with pytest.raises(WaitFailed, match=r"ImagePullBackOff|ErrImagePull"):
        split_lab.apply(wrong)
    split_lab.goto(4)

    assert split_lab.api.find(DEPLOYMENTS.path(HOME, "service-z-deployment")) is None


def test_a_manifest_shows_itself(split_lab):
    shown = split_lab.manifest("serviceA-gw.yml")._repr_markdown_()

    assert shown.startswith("`serviceA-gw.yml`\n```yaml\n")
    assert "kind: Gateway" in shown


def test_nobody_listens_is_a_sentence(lab):
    lab.goto(1)

    wait_until(lambda: not lab.gateway.accepts())  # Envoy says "acknowledged" a moment before it closes

    with pytest.raises(RequestFailed, match=r"curl: \(7\)"):
        lab.curl("/service-a")
    frame = lab.send("/service-a", requests=3)
    assert frame["error"].notna().all()
    assert frame["request_id"].isna().all()


def test_three_ways_out(lab):
    lab.goto(5)
    lab.apply("outside.yml")
    lab.apply("outbound.yml")
    refused = lab.curl("/outbound")
    assert refused.text.endswith("502 Bad Gateway: [no body]")
    assert ways(lab, refused) == [("block_all", None)]

    lab.outbound_policy("ALLOW_ANY")
    assert ways(lab, welcome(lab)) == [("allow_any", "PassthroughCluster")]

    lab.outbound_policy("REGISTRY_ONLY")
    lab.apply("outside-se.yml")
    assert ways(lab, welcome(lab)) == [("default", "outbound|8082||outside.outside.svc.cluster.local")]

    lab.goto(5)


def wait_until(fact, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def welcome(lab):
    answer = lab.curl("/outbound")
    assert answer.text.endswith("Hello from outside the mesh!")
    return answer


def ways(lab, answer):
    log = lab.access_log("outbound", of=answer)
    outbound = log[~log["upstream_cluster"].astype("str").str.startswith("inbound|").fillna(False)]
    names = outbound["upstream_cluster"].astype("object").where(outbound["upstream_cluster"].notna(), None)
    return list(zip(outbound["route_name"], names, strict=True))


def test_tables(split_lab):
    split_lab.curl("/service-a")
    pods, nodes, proxies = split_lab.pods(), split_lab.nodes(), split_lab.proxies()

    assert list(pods.columns) == ["namespace", "name", "ready", "status", "restarts", "age"]
    assert nodes["status"].tolist() == ["Ready"]
    assert proxies["state"].eq("SYNCED").all()
    assert "GET /service-a" in split_lab.logs("istio-ingressgateway")


def test_waiting_for_all(split_lab, cluster):
    cluster.kubectl("-n", HOME, "scale", "deployment/service-b-deployment", "--replicas=2")

    split_lab.wait()

    assert split_lab.pods(HOME)["name"].str.startswith("service-b").sum() == 2
    split_lab.goto(4)
