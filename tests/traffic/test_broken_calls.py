"""Calls that were lost before a rule could have a say, told from those that a rule refused."""

import pandas as pd
import pytest

from labkit.traffic.broken_calls import broken_call, never_arrived

RESET = (
    "Hello from ServiceA! Calling master system API... I/O error on GET request "
    'for "http://producer-internal-host": '
    "Connection reset; nested exception is java.net.SocketException: Connection reset"
)
THROUGH_C = (
    "Hello from ServiceA! Calling master system API... Received response from master system (http://x): "
    "Hello from ServiceC! Calling master system API... I/O error on GET request "
    'for "http://gw.istio-system:80/ext": '
    "gw.istio-system; nested exception is java.net.UnknownHostException: gw.istio-system"
)


def test_who_called_whom_and_what_happened():
    call = broken_call(["Hello from ServiceB!", f"300 differ, such as: {RESET}"])

    assert (call.caller, call.host, call.message) == (
        "ServiceA",
        "producer-internal-host",
        "Connection reset",
    )
    assert not call.unresolved


def test_the_caller_is_the_one_that_failed():
    call = broken_call([THROUGH_C])

    assert (call.caller, call.host) == ("ServiceC", "gw.istio-system")
    assert call.unresolved


@pytest.mark.parametrize(
    "text", ["", "Hello from ServiceB!", "… 503 Service Unavailable: [no body]", "HTTP 404"]
)
def test_an_http_answer_is_no_broken_call(text):
    assert broken_call([text]) is None


def log(*lines):
    return pd.DataFrame(lines, columns=["app", "upstream_cluster", "request_id"])


INBOUND, OUTBOUND = "inbound|8081||", "outbound|80||b.ns.svc.cluster.local"


@pytest.mark.parametrize(
    ("lines", "lost"),
    [
        ([("a", INBOUND, "1")], True),
        ([("a", INBOUND, "1"), ("a", OUTBOUND, "1")], False),
        ([("a", INBOUND, "1"), ("a", OUTBOUND, "1"), ("a", INBOUND, "2")], True),
        ([("a", INBOUND, "1"), ("a", "BlackHoleCluster", None)], False),
        ([("b", INBOUND, "1")], False),
        ([], False),
    ],
)
def test_a_call_without_a_line_never_arrived(lines, lost):
    assert never_arrived(log(*lines), "a") is lost
