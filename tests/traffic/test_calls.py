"""Edges out of access logs: real lines, and any lines at all."""

import math
import time

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.kube.proxies.running import Pod, Running, Service
from labkit.traffic.access_log import parse
from labkit.traffic.calls import AGAIN, CLIENT, COLUMNS, GONE, OUTSIDE, STOPPED, calls

HOME, SYSTEM, EXTERNAL = "dev-service-mesh", "istio-system", "external-cluster"
IPS = {"a": "10.0.0.2", "b": "10.0.0.3", "c": "10.0.0.4", "ext": "10.0.0.5", "bare": "10.0.0.9"}
INGRESS, EGRESS = "10.0.0.6", "10.0.0.7"


def pod(name, namespace, ip, *, gateway=False, proxy=True):
    labels = {"app": name, "istio": name} if gateway else {"app": name}
    return Pod(namespace, f"{name}-pod", ip, name, labels, "" if gateway else name, proxy, gateway, "")


def service(name, namespace, app, cluster_ip):
    return Service(namespace, name, cluster_ip, (80,), {"app": app})


RUNNING = Running(
    pods=(
        *(
            pod(name, EXTERNAL if name == "ext" else HOME, ip, proxy=name != "bare")
            for name, ip in IPS.items()
        ),
        pod("ingressgateway", SYSTEM, INGRESS, gateway=True),
        pod("egressgateway", SYSTEM, EGRESS, gateway=True),
    ),
    services=(
        service("a-srv", HOME, "a", "10.43.0.2"),
        service("b-srv", HOME, "b", "10.43.0.3"),
        service("c-srv", HOME, "c", "10.43.0.4"),
        service("bare-srv", HOME, "bare", "10.43.0.9"),
        service("ext-srv", EXTERNAL, "ext", "10.43.0.5"),
        service("ingressgateway", SYSTEM, "ingressgateway", "10.43.0.6"),
    ),
)
A, B, C, BARE, EXT = (f"{EXTERNAL if n == 'ext' else HOME}/{n}" for n in ("a", "b", "c", "bare", "ext"))
IN, OUT = f"{SYSTEM}/ingressgateway", f"{SYSTEM}/egressgateway"


def line(
    *,
    peer,
    cluster="-",
    host="-",
    here="10.9.9.9:80",
    code=200,
    flags="-",
    ms=3,
    xff="-",
    name="x",
    route="-",
    request="6b4f",
    local="127.0.0.6:1",
    tls="-",
):
    """A line as Envoy writes it in Istio's format."""
    return (
        f'[2026-01-31T12:00:00.000Z] "GET /{name} HTTP/1.1" {code} {flags} via_upstream - "-" '
        f'0 20 {ms} 1 "{xff}" "curl/8" "{request}" "{name}" "{host}" {cluster} '
        f"{local} {here} {peer} {tls} {route}"
    )


def log(pod_name, *lines):
    frame = parse("\n".join(lines))
    frame.insert(0, "app", pod_name)
    frame.insert(1, "pod", f"{pod_name}-pod")
    return frame


def outbound(service, namespace=HOME):
    return f"outbound|80||{service}.{namespace}.svc.cluster.local"


def inbound(name, caller, *, xff="-"):
    return log(
        name,
        line(
            peer=f"{caller}:0",
            cluster="inbound|80||",
            host=f"{IPS[name]}:80",
            here=f"{IPS[name]}:80",
            xff=xff,
        ),
    )


OUTBOUND_LINES = {
    "enters": lambda: log(
        "ingressgateway", line(peer="192.0.2.2:5", cluster=outbound("a-srv"), host=f"{IPS['a']}:80", xff="1")
    ),
    "a": lambda: inbound("a", "192.0.2.2", xff="192.0.2.2"),
    "a→c": lambda: log(
        "a", line(peer=f"{IPS['a']}:9", cluster=outbound("c-srv"), host=f"{IPS['c']}:80", here="10.43.0.3:80")
    ),
    "c": lambda: inbound("c", IPS["a"]),
    "c→egress": lambda: log(
        "c", line(peer=f"{IPS['c']}:9", cluster=outbound("egressgateway", SYSTEM), host=f"{EGRESS}:8080")
    ),
    "egress→ingress": lambda: log(
        "egressgateway",
        line(peer=f"{IPS['c']}:7", cluster=outbound("ingressgateway", SYSTEM), host=f"{INGRESS}:8080"),
    ),
    "ingress→ext": lambda: log(
        "ingressgateway",
        line(peer=f"{EGRESS}:7", cluster=outbound("ext-srv", EXTERNAL), host=f"{IPS['ext']}:80"),
    ),
    "ext": lambda: inbound("ext", EGRESS, xff=EGRESS),
}


def together(*frames):
    return pd.concat(frames, ignore_index=True)


def found(*frames):
    """(source, destination) → requests."""
    edges = calls(together(*frames), RUNNING)
    return {(row.source, row.destination): row.requests for row in edges.itertuples()}


def test_the_ingress_gateway_is_passed_twice_and_counted_as_two():
    assert found(*(make() for make in OUTBOUND_LINES.values())) == {
        (CLIENT, IN): 1,
        (IN, A): 1,
        (A, C): 1,
        (C, OUT): 1,
        (OUT, IN + AGAIN): 1,
        (IN + AGAIN, EXT): 1,
    }


def test_shares_errors_and_median():
    to_b = [line(peer="10.0.0.2:1", cluster=outbound("b-srv"), host="10.0.0.3:80", ms=ms) for ms in (1, 2, 9)]
    to_c = line(peer="10.0.0.2:1", cluster=outbound("c-srv"), host="10.0.0.4:80", code=503, flags="UC", ms=4)

    edges = calls(log("a", *to_b, to_c), RUNNING).set_index("destination")

    assert edges["share"].to_dict() == {B: 0.75, C: 0.25}
    assert edges["errors"].to_dict() == {B: 0, C: 1}
    assert edges["p50_ms"].to_dict() == {B: 2.0, C: 4.0}
    assert edges.loc[B, "about"] == ("b-srv",)


@pytest.mark.parametrize(
    ("fields", "why", "about"),
    [
        ({"cluster": "BlackHoleCluster", "code": 502, "name": "moon"}, "502 unknown host", "moon"),
        ({"code": 502, "route": "block_all", "name": "moon"}, "502 unknown host", "moon"),
        ({"code": 404, "flags": "NR", "name": "lost"}, "404 no route", "/lost"),
        ({"code": 503, "flags": "UH", "cluster": outbound("b-srv")}, "503 no ready pod", "b-srv"),
        ({"code": 503, "flags": "FI", "cluster": outbound("b-srv")}, "503 fault rule", "b-srv"),
        ({"code": 0, "flags": "DC", "cluster": outbound("b-srv")}, "caller gave up", "b-srv"),
    ],
)
def test_a_request_that_went_nowhere(fields, why, about):
    edges = calls(log("a", line(peer="10.0.0.2:1", **fields)), RUNNING)

    assert edges["destination"].tolist() == [f"{A}{STOPPED}{why}"]
    assert edges["errors"].tolist() == [1]
    assert edges["about"][0][0].startswith(about)


def test_a_redirect_by_the_proxy_itself_is_no_dead_end():
    assert found(log("ingressgateway", line(peer="192.0.2.2:1", code=301))) == {(CLIENT, IN): 1}


def test_a_caller_without_proxy_is_known_by_the_line_of_who_was_called():
    by_gateway = log("ingressgateway", line(peer="10.0.0.9:1", cluster=outbound("a-srv"), host="10.0.0.2:80"))

    assert found(inbound("b", IPS["bare"]), by_gateway) == {
        (BARE, B): 1,
        (BARE, IN + AGAIN): 1,
        (IN + AGAIN, A): 1,
    }


def test_a_client_that_reaches_a_pod_past_the_gateway():
    assert found(inbound("a", "192.0.2.77")) == {(CLIENT, A): 1}


@pytest.mark.parametrize("host", ["10.43.0.9:80", "10.0.0.9:8082"])
def test_passed_through_to_a_service_or_a_pod_of_the_cluster(host):
    assert found(log("a", line(peer="10.0.0.2:1", cluster="PassthroughCluster", host=host))) == {(A, BARE): 1}


def test_passed_through_to_the_world():
    lines = log(
        "a", line(peer="10.0.0.2:1", cluster="PassthroughCluster", host="203.0.113.5:443", name="shop.test")
    )

    assert found(lines) == {(A, f"{OUTSIDE}shop.test"): 1}


def test_pods_that_have_been_replaced_since():
    to_old_pod = line(peer="10.0.0.2:1", cluster=outbound("b-srv"), host="10.0.0.33:80")
    to_old_service = line(peer="10.0.0.2:1", cluster=outbound("old-srv"), host="10.0.0.44:80")

    assert found(log("a", to_old_pod, to_old_service)) == {(A, B): 1, (A, f"{GONE}old-srv"): 1}


def test_a_caller_that_is_gone_is_not_taken_for_a_client():
    name = f"ingressgateway.{SYSTEM}.svc.cluster.local"
    lines = log(
        "ingressgateway", line(peer="10.0.0.66:1", name=name, cluster=outbound("a-srv"), host="10.0.0.2:80")
    )

    assert found(lines) == {(GONE, IN + AGAIN): 1, (IN + AGAIN, A): 1}


def test_ipv6():
    running = Running((pod("a", HOME, "fd00::2"), pod("b", HOME, "fd00::3", proxy=False)))
    lines = log(
        "a",
        line(peer="[fd00::2]:99", cluster="PassthroughCluster", host="[fd00::3]:80"),
        line(peer="[fd00::3]:99", cluster="inbound|80||", host="[fd00::2]:80"),
    )

    edges = calls(lines, running)

    assert edges[["source", "destination"]].to_numpy().tolist() == [[A, B], [B, A]]


SNI = "outbound_.80_._.b-srv.dev-service-mesh.svc.cluster.local"


def a_calls_b(*told, caller="a", **more):
    """A line of the caller's for each request, and where *told* names what the TLS asked for, one of b's."""
    host = f"{IPS['b']}:80"
    for n, tls in enumerate(told):
        yield log(caller, line(peer="x:1", cluster=outbound("b-srv"), host=host, request=f"{n}", **more))
        if tls is not None:
            cluster, peer = "inbound|80||", "192.0.2.2:0"  # by its X-Forwarded-For, as sidecars have it
            yield log(
                "b", line(peer=peer, cluster=cluster, host=host, here=host, request=f"{n}", tls=tls, xff="1")
            )


def mutual_tls(*frames):
    """(source, destination) → the share that went over mutual TLS."""
    edges = calls(together(*frames), RUNNING)
    return {(row.source, row.destination): row.mutual_tls for row in edges.itertuples()}


@pytest.mark.parametrize(
    ("told", "share"),
    [
        ([SNI, SNI], 1.0),
        (["-"], 0.0),
        ([SNI, "-", None], 0.5),
        (["b.example.com"], 0.0),  # a name asked for by who has no certificate of the mesh's
    ],
)
def test_mutual_tls_is_told_by_who_was_called(told, share):
    assert mutual_tls(*a_calls_b(*told)) == {(A, B): share}


def test_where_nobody_tells_nothing_is_said_of_mutual_tls():
    """A line that has not arrived, one whose own addresses look like an answer, and a client's."""
    pod_itself = {"here": f"{IPS['b']}:80"}

    assert all(map(math.isnan, mutual_tls(*a_calls_b(None), *a_calls_b(None, **pod_itself)).values()))
    assert math.isnan(mutual_tls(inbound("a", "192.0.2.77"))[CLIENT, A])


def test_mutual_tls_to_a_gateway_is_known_by_the_connection():
    """It makes an id of its own."""
    ends, at = {"local": f"{IPS['c']}:4444"}, f"{EGRESS}:8443"
    sent = line(peer="x:1", cluster=outbound("egressgateway", SYSTEM), host=at, request="1", **ends)
    came = line(
        peer=ends["local"], cluster=outbound("ext-srv", EXTERNAL), host=f"{IPS['ext']}:80", here=at, tls=SNI
    )

    found = mutual_tls(log("c", sent), log("egressgateway", came))
    assert found[C, OUT] == 1.0
    assert math.isnan(found[OUT, EXT])


def test_nothing_seen():
    edges = calls(log("a"), RUNNING)

    assert edges.empty
    assert list(edges) == list(COLUMNS)


def test_lines_of_pods_nobody_knows():
    assert (
        found(log("elsewhere", line(peer="1.2.3.4:5", cluster=outbound("a-srv"), host="10.0.0.2:80"))) == {}
    )


ANY_LINE = st.fixed_dictionaries(
    {
        "peer": st.sampled_from([f"{ip}:77" for ip in [*IPS.values(), INGRESS, EGRESS, "192.0.2.2"]]),
        "cluster": st.sampled_from(
            ["-", "BlackHoleCluster", "PassthroughCluster", "inbound|80||", outbound("b-srv")]
        ),
        "host": st.sampled_from(["-", "10.0.0.3:80", "10.43.0.4:80", "203.0.113.1:80"]),
        "code": st.sampled_from([0, 200, 301, 404, 503]),
        "flags": st.sampled_from(["-", "NR", "UH", "DC", "UF,URX"]),
        "xff": st.sampled_from(["-", "192.0.2.2"]),
    }
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*IPS, "ingressgateway", "egressgateway"]), ANY_LINE),
        min_size=1,
        max_size=9,
    )
)
def test_any_lines(written):
    """Every edge has its share and no more errors than requests; together, no call is counted twice."""
    lines = log("a", *(line(**fields) for _, fields in written))
    lines["pod"] = [f"{name}-pod" for name, _ in written]

    edges = calls(lines, RUNNING)

    assert (edges["requests"] > 0).all()
    assert (edges["errors"] <= edges["requests"]).all()
    assert edges.groupby("source")["share"].sum().round(9).eq(1).all()
    assert not edges.duplicated(["source", "destination"]).any()
    assert edges["requests"].sum() <= 2 * len(lines), "a gateway's line tells of two calls, others of one"
    parts = [calls(part.reset_index(drop=True), RUNNING) for part in (lines[:4], lines[4:])]
    assert edges["requests"].sum() == sum(part["requests"].sum() for part in parts)


def test_speed():
    """150,000 lines, as a learner's load makes them."""
    sent = [
        line(
            peer=f"10.0.0.2:{n % 60_000}",
            cluster=outbound(f"{'bc'[n % 2]}-srv"),
            host=f"10.0.0.{3 + n % 2}:80",
        )
        for n in range(75_000)
    ]
    arrived = line(peer="10.0.0.2:4", cluster="inbound|80||", host="10.0.0.3:80")
    lines = together(log("a", *sent), log("b", *[arrived] * 75_000))

    started = time.process_time()
    edges = calls(lines, RUNNING)

    assert edges["requests"].tolist() == [37_500, 37_500]
    assert time.process_time() - started < 1
