"""Access-log lines, text and JSON, into typed frames and nothing lost."""

import datetime as dt
import json
import string

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.traffic.access_log import FIELDS, parse

GATEWAY = (
    '[2026-01-31T12:00:00.123Z] "GET /service-a HTTP/1.1" 200 - via_upstream - "-" 0 126 14 13 '
    '"127.0.0.1" "curl/8.23.0 (3f2a-1)" "9a0c3f3e-0f4e-9c7e-8f43-2f5c4f8c1d11" "127.42.255.1:8080" '
    '"127.42.0.7:8081" outbound|80||service-a-srv.dev-service-mesh.svc.cluster.local 127.42.0.5:40112 '
    "127.42.255.1:8080 127.0.0.1:51842 - -"
)
NOT_FOUND = (
    '[2026-01-31T12:00:01.000Z] "GET /nowhere HTTP/1.1" 404 NR route_not_found - "-" 0 0 0 - "-" '
    '"curl/8.23.0" "b1" "example" "-" - - 127.42.0.5:8080 127.0.0.1:51842 - -'
)
IN_JSON = {
    "start_time": "2026-01-31T12:00:00.123Z",
    "method": "GET",
    "path": "/service-a",
    "protocol": "HTTP/1.1",
    "response_code": 200,
    "response_flags": "-",
    "response_code_details": "via_upstream",
    "connection_termination_details": None,
    "upstream_transport_failure_reason": None,
    "bytes_received": 0,
    "bytes_sent": 126,
    "duration": 14,
    "upstream_service_time": "13",
    "x_forwarded_for": "127.0.0.1",
    "user_agent": "curl/8.23.0 (3f2a-1)",
    "request_id": "9a0c3f3e-0f4e-9c7e-8f43-2f5c4f8c1d11",
    "authority": "127.42.255.1:8080",
    "upstream_host": "127.42.0.7:8081",
    "upstream_cluster": "outbound|80||service-a-srv.dev-service-mesh.svc.cluster.local",
    "upstream_local_address": "127.42.0.5:40112",
    "downstream_local_address": "127.42.255.1:8080",
    "downstream_remote_address": "127.0.0.1:51842",
    "requested_server_name": None,
    "route_name": None,
}
MESSAGE = "2026-01-31T12:00:00.000001Z\tinfo\tEnvoy proxy is ready"


def plain(row):
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def test_every_field_is_typed():
    frame = parse(GATEWAY)

    row = plain(frame.iloc[0])
    assert list(row) == list(FIELDS)
    assert row.pop("start_time") == dt.datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=dt.UTC)
    assert row == {
        "method": "GET",
        "path": "/service-a",
        "protocol": "HTTP/1.1",
        "response_code": 200,
        "response_flags": None,
        "response_code_details": "via_upstream",
        "connection_termination_details": None,
        "upstream_transport_failure_reason": None,
        "bytes_received": 0,
        "bytes_sent": 126,
        "duration": 14,
        "upstream_service_time": 13,
        "x_forwarded_for": "127.0.0.1",
        "user_agent": "curl/8.23.0 (3f2a-1)",
        "request_id": "9a0c3f3e-0f4e-9c7e-8f43-2f5c4f8c1d11",
        "authority": "127.42.255.1:8080",
        "upstream_host": "127.42.0.7:8081",
        "upstream_cluster": "outbound|80||service-a-srv.dev-service-mesh.svc.cluster.local",
        "upstream_local_address": "127.42.0.5:40112",
        "downstream_local_address": "127.42.255.1:8080",
        "downstream_remote_address": "127.0.0.1:51842",
        "requested_server_name": None,
        "route_name": None,
    }


def test_a_dash_is_a_missing_value():
    frame = parse([NOT_FOUND])

    assert frame["response_flags"].tolist() == ["NR"]
    assert frame["upstream_service_time"].isna().all()
    assert frame["upstream_cluster"].isna().all()
    assert str(frame["upstream_service_time"].dtype) == "Int64"


def test_json_says_the_same_as_text():
    assert plain(parse(json.dumps(IN_JSON)).iloc[0]) == plain(parse(GATEWAY).iloc[0])


def test_json_with_numbers_as_texts():
    odd = IN_JSON | {"upstream_service_time": 13, "response_code": "200", "new_key": [1, {"a": 2}]}

    row = plain(parse(json.dumps(odd)).iloc[0])

    assert row.pop("new_key") == '[1, {"a": 2}]'
    assert row == plain(parse(GATEWAY).iloc[0])


def test_both_encodings_in_one_log():
    frame = parse("\n".join([MESSAGE, GATEWAY, json.dumps(IN_JSON), NOT_FOUND, json.dumps(IN_JSON)]))

    assert len(frame) == 4
    assert list(frame.attrs["unparsed"]) == [MESSAGE]


def test_json_first_then_text():
    frame = parse("\n".join([json.dumps(IN_JSON), GATEWAY, MESSAGE]))

    assert len(frame) == 2
    assert list(frame.attrs["unparsed"]) == [MESSAGE]


def test_other_lines_are_kept_and_counted():
    frame = parse("\n".join([MESSAGE, GATEWAY, "", "so it goes", NOT_FOUND]))

    assert len(frame) == 2
    assert len(frame.attrs["unparsed"]) == 2
    assert list(frame.attrs["unparsed"]) == [MESSAGE, "so it goes"]


def test_a_stray_quote_loses_its_own_line_only():
    swallowing = GATEWAY.replace('"127.42.0.7:8081"', '"127.42.0.7:8081')

    frame = parse("\n".join([GATEWAY, swallowing, NOT_FOUND, GATEWAY]))

    assert frame["path"].tolist() == ["/service-a", "/nowhere", "/service-a"]
    assert list(frame.attrs["unparsed"]) == [swallowing]


def test_a_quote_within_a_field_costs_no_line():
    odd = GATEWAY.replace('"curl/8.23.0 (3f2a-1)"', '"curl "quoted""')

    frame = parse("\n".join([odd, NOT_FOUND]))

    assert len(frame) + len(frame.attrs["unparsed"]) == 2
    assert frame["path"].tolist()[-1] == "/nowhere"


def test_a_line_cut_off_is_kept():
    frame = parse(GATEWAY + "\n" + NOT_FOUND[:80])

    assert len(frame) == 1
    assert list(frame.attrs["unparsed"]) == [NOT_FOUND[:80]]


def test_json_cut_off_is_kept():
    line = json.dumps(IN_JSON)

    frame = parse(f"{line}\n{line[:50]}\n{line}")

    assert len(frame) == 2
    assert list(frame.attrs["unparsed"]) == [line[:50]]


def test_as_many_words_as_fields_make_no_line():
    words = " ".join(["word"] * 22)

    frame = parse(f"{GATEWAY}\n{words}")

    assert len(frame) == 1
    assert list(frame.attrs["unparsed"]) == [words]


@pytest.mark.parametrize("nothing", ["", "\n\n", b""])
def test_nothing_has_all_columns(nothing):
    frame = parse(nothing)

    assert len(frame) == 0
    assert list(frame.columns) == list(FIELDS)


def test_bytes_that_are_no_text():
    agent = GATEWAY.encode().replace(b"curl/8.23.0", b"\xe9\xff")

    frame = parse(GATEWAY.encode() + b"\n\xff\xfe\x00\n" + agent)

    assert len(frame) == 2
    assert len(frame.attrs["unparsed"]) == 1


def test_attrs_survive_a_selection():
    frame = parse(f"{MESSAGE}\n{GATEWAY}")

    assert len(frame[frame["response_code"] == 200].attrs["unparsed"]) == 1


word = st.text(st.sampled_from(string.ascii_letters + string.digits + "._:|/%?=&~"), min_size=1, max_size=20)
quoted = st.text(st.sampled_from(string.ascii_letters + string.digits + " ._:;,()/-'\\{}[]é"), max_size=30)
number = st.integers(0, 2**40)
moment = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1))


@st.composite
def records(draw):
    """The fields of one request, as Envoy has them; ``None`` is written as a dash."""
    text = {name: draw(st.none() | word) for name in FIELDS}
    names = ("upstream_transport_failure_reason", "x_forwarded_for", "user_agent", "request_id")
    text |= {name: draw(st.none() | quoted.filter(lambda v: v not in ("", "-"))) for name in names}
    numbers = ("response_code", "bytes_received", "bytes_sent", "duration")
    when = draw(moment).replace(tzinfo=dt.UTC)
    when = when.replace(microsecond=when.microsecond // 1000 * 1000)
    fixed = {"start_time": when, "method": draw(word), "protocol": draw(word), "path": draw(quoted)}
    fixed["path"] = fixed["path"].replace(" ", "").strip("-") or "/"
    service_time = draw(st.none() | number)
    return text | {name: draw(number) for name in numbers} | fixed | {"upstream_service_time": service_time}


def written(r):
    """As Envoy writes it with Istio's default text format."""
    v = {name: "-" if value is None else value for name, value in r.items()}
    when = r["start_time"].strftime("%Y-%m-%dT%H:%M:%S.") + f"{r['start_time'].microsecond // 1000:03d}Z"
    return (
        f'[{when}] "{v["method"]} {v["path"]} {v["protocol"]}" {v["response_code"]} {v["response_flags"]} '
        f"{v['response_code_details']} {v['connection_termination_details']} "
        f'"{v["upstream_transport_failure_reason"]}" {v["bytes_received"]} {v["bytes_sent"]} {v["duration"]} '
        f'{v["upstream_service_time"]} "{v["x_forwarded_for"]}" "{v["user_agent"]}" "{v["request_id"]}" '
        f'"{v["authority"]}" "{v["upstream_host"]}" {v["upstream_cluster"]} {v["upstream_local_address"]} '
        f"{v['downstream_local_address']} {v['downstream_remote_address']} {v['requested_server_name']} "
        f"{v['route_name']}"
    )


@given(st.lists(records(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_what_is_written_is_read(many):
    frame = parse("\n".join(map(written, many)) + "\n")

    assert [plain(row) for _, row in frame.iterrows()] == many
    assert len(frame.attrs["unparsed"]) == 0


@given(st.lists(records(), min_size=1, max_size=5), st.lists(st.text(max_size=60), max_size=5))
@settings(deadline=None, max_examples=150)
def test_noise_between_lines_costs_no_line(many, noise):
    noise = [
        line for text in noise for line in text.splitlines() if line.strip() and not line.startswith("{")
    ]
    noise = [line for line in noise if len(line.split(" ")) < 20]
    lines = [line for pair in zip(map(written, many), noise, strict=False) for line in pair]
    lines += [written(record) for record in many[len(noise) :]]

    frame = parse("\n".join(lines))

    assert len(frame) == len(many)
    assert len(frame.attrs["unparsed"]) == min(len(noise), len(many))
