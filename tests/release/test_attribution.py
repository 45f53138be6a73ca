"""Whose an answer is, by what it says and by what the sidecars wrote."""

import types

import pandas as pd

from labkit.kube.mesh.destinations import Destination
from labkit.release.attribution import ByAnswer, ByLog, by_nobody, error_in
from labkit.traffic.answers import answering_service

HELLO = "Hello from ServiceA! Calling master system API... "
B, C, EXT = Destination("b.shop", port=80), Destination("c.shop", port=80), Destination("ext.far", port=80)


def answers(*seen):
    """(status, body) each, with the tags t0, t1 …"""
    rows = [
        {
            "time": pd.Timestamp("2026-01-01T00:00:00Z") + pd.Timedelta(seconds=i),
            "status": status,
            "service": answering_service(body),
            "body": body,
            "total_ms": 5.0,
            "error": None if status else "Connection refused",
            "tag": f"t{i}",
        }
        for i, (status, body) in enumerate(seen)
    ]
    frame = pd.DataFrame(rows).astype({"status": "Int16"})
    frame["time"] = frame["time"].dt.as_unit("us")
    return frame


def test_by_what_they_say():
    found = ByAnswer({"ServiceB": "B", "ServiceC": "C"})(
        answers(
            (200, f"{HELLO}Hello from ServiceB!"),
            (200, f"{HELLO}Hello from ServiceC! Calling master system API... 404 Not Found: [no body]"),
            (200, f"{HELLO}503 Service Unavailable: [no body]"),
            (503, "no healthy upstream"),
            (None, ""),
            (200, "Hello from somebody else!"),
        )
    )

    assert [(one.name, one.failed, one.tells_of_error) for one in found] == [
        ("B", False, False),
        ("C", False, True),
        (None, True, False),
        (None, True, False),
        (None, True, False),
        (None, False, False),
    ]
    assert found[1].at == found[0].at + 1


def line(request_id, app, cluster, code=200, flags=None):
    return {
        "request": request_id,
        "app": app,
        "upstream_cluster": cluster,
        "response_code": code,
        "response_flags": flags,
    }


def by_log(seen, lines, destinations):
    ids = {f"t{i}": f"id{i}" for i in range(len(seen))}
    frame = pd.DataFrame(lines)
    found = types.SimpleNamespace(frame=frame, request_ids=ids, complete=True)
    journal = types.SimpleNamespace(gateway_app="front", lines_of=lambda *_, **__: found)
    return [(one.name, one.failed) for one in ByLog(journal, destinations)(answers(*seen))]


def test_by_the_logs_the_first_caller_tells():
    """ServiceC calls another of the rule's destinations in its turn; and a gateway may lead to one."""
    lines = [
        line("id0", "front", "outbound|80||b.shop.svc.cluster.local"),
        line("id0", "a", "outbound|80||c.shop.svc.cluster.local"),
        line("id0", "c", "inbound|8082||"),
        line("id0", "c", "outbound|80||ext.far.svc.cluster.local"),
    ]

    assert by_log([(200, "anything")], lines, {"B": B, "C": C, "Ext": EXT}) == [("C", False)]


def test_by_the_logs_what_failed_has_failed_whatever_the_answer_says():
    lines = [
        line("id0", "a", "outbound|80|v2|b.shop.svc.cluster.local", 503, "UF"),
        line("id1", "a", None, 503, "NC"),
        line("id2", "a", "outbound|80|v1|b.shop.svc.cluster.local"),
    ]
    destinations = {"B v1": Destination("b.shop", "v1", 80), "B v2": Destination("b.shop", "v2", 80)}
    seen = [(200, "fine"), (200, "fine"), (200, "fine"), (200, "fine"), (500, "")]

    assert by_log(seen, lines, destinations) == [
        ("B v2", True),
        (None, True),
        ("B v1", False),
        (None, False),
        (None, True),
    ]


def test_nobody_knows():
    assert [(one.name, one.failed) for one in by_nobody(answers((200, "x"), (None, "")))] == [
        (None, False),
        (None, True),
    ]


def test_an_error_in_a_line():
    rows = answers((200, f"{HELLO}404 Not Found:\n[no body]"), (503, "no healthy upstream"), (None, ""))

    assert [error_in(row) for _, row in rows.iterrows()] == [
        "404 Not Found: [no body]",
        "503 no healthy upstream",
        "Connection refused",
    ]
