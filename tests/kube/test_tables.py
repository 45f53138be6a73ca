"""`kubectl get`, as a frame."""

import pandas as pd

from labkit.kube.api.resources import NODES, PODS
from labkit.kube.api.tables import Listing, table, table_of

COLUMNS = [
    {"name": "Name", "priority": 0},
    {"name": "Ready", "priority": 0},
    {"name": "IP", "priority": 1},
]


def answer(*rows):
    found = [{"cells": list(cells), "object": {"metadata": {"namespace": ns}}} for ns, *cells in rows]
    return {"columnDefinitions": COLUMNS, "rows": found}


def test_all_namespaces(server, api):
    server.answer("GET", PODS.path(), answer(("a", "x", "2/2", "1"), ("b", "y-long", "0/1", "2")))

    frame = table(api, PODS)

    assert frame.to_dict("list") == {
        "namespace": ["a", "b"],
        "name": ["x", "y-long"],
        "ready": ["2/2", "0/1"],
    }
    assert "as=Table" in server.requests[-1][4]["Accept"]


def test_none_of_the_namespaces_is_there(api):
    assert table_of(api, PODS, ["a", "b"]).empty


def test_one_namespace_wide(server, api):
    server.answer("GET", PODS.path("a"), answer(("a", "x", "2/2", "1")))

    assert list(table(api, PODS, "a", wide=True).columns) == ["name", "ready", "ip"]


def test_it_prints_as_kubectl_does(server, api):
    server.answer("GET", PODS.path(), answer(("a", "x", "2/2", "1"), ("b", "y-long", "0/1", "2")))

    frame = table(api, PODS)

    assert repr(frame).splitlines() == [
        "NAMESPACE   NAME     READY",
        "a           x        2/2",
        "b           y-long   0/1",
    ]
    assert '<th style="text-align:left">name</th>' in frame._repr_html_()
    assert '<td style="text-align:left">y-long</td>' in frame._repr_html_()
    assert repr(frame[frame["ready"] == "2/2"]) == repr(pd.DataFrame(frame)[frame["ready"] == "2/2"])


def test_a_listing_is_shown_whole():
    cluster = "outbound|80||istio-ingressgateway.istio-system.svc.cluster.local"
    kinds = {"upstream_cluster": pd.Categorical([cluster, None]), "status": pd.array([200, None], "Int64")}
    frame = Listing(kinds)

    for shown in (frame, frame[["status", "upstream_cluster"]], frame.head(1), frame.T):
        assert cluster in shown._repr_html_().replace("<wbr>", ""), "pandas cuts after 50 characters"
        assert "<td>" not in shown._repr_html_()
    assert frame._repr_html_().count(">-<") == 2, "as Envoy writes what is not there"
    assert len(Listing({"n": range(1000)})._repr_html_()) < 20_000


def test_a_long_name_may_go_on_in_the_next_line():
    page = Listing(
        {"response_code": ["via_upstream|80||a.b", "127.0.0.1:80 <b>", "1.5 of &amp;"]}
    )._repr_html_()

    assert ">response_<wbr>code<" in page
    assert ">via_<wbr>upstream|<wbr>80||<wbr>a.<wbr>b<" in page
    assert ">127.0.0.1:80 &lt;b&gt;<" in page
    assert ">1.5 of &amp;amp;<" in page


def test_nothing_there(server, api):
    server.answer("GET", NODES.path(), {"columnDefinitions": COLUMNS, "rows": None})

    frame = table(api, NODES)

    assert frame.empty
    assert repr(frame) == "NAME   READY"
