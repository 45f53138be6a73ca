"""`kubectl get`, as a frame."""

import pandas as pd

from labkit.kube.resources import NODES, PODS
from labkit.kube.tables import table

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
    assert "<td>y-long</td>" in frame._repr_html_()
    assert type(frame[frame["ready"] == "2/2"]) is pd.DataFrame


def test_nothing_there(server, api):
    server.answer("GET", NODES.path(), {"columnDefinitions": COLUMNS, "rows": None})

    frame = table(api, NODES)

    assert frame.empty
    assert repr(frame) == "NAME   READY"
