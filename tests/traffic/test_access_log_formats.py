"""Access logs of other formats, versions and tools: no line, no value is lost or altered in silence."""

import datetime as dt
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.traffic.access_log import FIELDS, of_mesh, parse
from labkit.traffic.access_log.moments import moment

TIME = "2024-03-01T18:09:47.423Z"
WAY = (
    '"172.20.81.14:80" outbound|80||shop.web.svc.cluster.local 10.5.7.134:57036 240.240.52.207:80 '
    "10.5.7.134:43558 -"
)


def line(
    path="/a", agent="okhttp/4.11.0", time=TIME, service_time="6", route="default", xff="-", id="3f774d92"
):
    """As Istio writes it since 1.9."""
    return (
        f'[{time}] "GET {path} HTTP/1.1" 200 - via_upstream - "-" 0 6381 6 {service_time} '
        f'"{xff}" "{agent}" "{id}" "shop.web" {WAY} {route}'
    )


def one(log, formats=()):
    """The only row of *log*, nothing being left over."""
    frame = parse(log, formats)
    assert list(frame.attrs["unparsed"]) == []
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize(
    "agent",
    [
        'FAKE" "AJ" "WAS" "HERE',
        '(iPhone) ###{"version":"7.0","platform":"iOS"}',
        'a"b',
        '"',
        '" "',
        'x " 200 " y',
        "\\",
    ],
)
def test_quotes_in_a_user_agent_are_part_of_it(agent):
    frame = parse("\n".join([line(), line(agent=agent), line("/next")]))

    assert frame["user_agent"].tolist() == ["okhttp/4.11.0", agent, "okhttp/4.11.0"]
    assert frame["request_id"].tolist() == ["3f774d92"] * 3
    assert frame["path"].tolist() == ["/a", "/a", "/next"]
    assert len(frame.attrs["unparsed"]) == 0


@pytest.mark.parametrize("path", ['/a"b', '/a?q="x"&r=" "', '/"'])
def test_quotes_in_a_path_are_part_of_it(path):
    assert one(line(path)).path == path


def test_what_a_client_writes_is_not_taken_for_the_proxys_words():
    agent = (
        'x" "id" "evil.example" "6.6.6.6:6" outbound|80||evil.example 1.1.1.1:1 2.2.2.2:2 3.3.3.3:3 - default'
    )

    row = one(line(agent=agent))

    assert (row.user_agent, row.authority, row.request_id) == (agent, "shop.web", "3f774d92")


@pytest.mark.parametrize("piece", ['" "', ' HTTP/1.1" 200 - via_upstream - "', '"', " ", '" 200 '])
def test_a_line_made_to_be_read_in_many_ways_takes_no_longer(piece):
    """Regular expressions that try again would be at it for years: pytest's own limit ends that."""
    agent = (piece * 60_000)[:60_000].strip()

    frame = parse("\n".join([line(agent=agent), line("/next"), line(agent=agent) + '"']))

    assert frame["path"].tolist()[1] == "/next"
    assert len(frame) + len(frame.attrs["unparsed"]) >= 3


def test_a_guess_is_told():
    odd = line(xff='10.0.0.1", "x')

    frame = parse("\n".join([odd, line()]))

    assert len(frame) == 2
    assert list(frame.attrs["unparsed"]) == [odd]


@pytest.mark.parametrize("name", ["my canary route", "a  b", 'say "hello"', "[x] {y}"])
def test_a_route_may_have_any_name(name):
    assert one(line(route=name)).route_name == name


@pytest.mark.parametrize("value", ["abc", "1.5", "99999999999999999999", "６"])
def test_a_value_that_does_not_fit_is_missing_and_told(value):
    odd = line("/odd", service_time=value)

    frame = parse("\n".join([line(), odd, line("/next")]))

    assert frame["path"].tolist() == ["/a", "/odd", "/next"]
    assert frame["upstream_service_time"].isna().tolist() == [False, True, False]
    assert list(frame.attrs["unparsed"]) == [odd]


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("2024-03-01T18:09:47Z", 0),
        ("2024-03-01T18:09:47.423456Z", 423_456_000),
        ("2024-03-01T18:09:47.423456789Z", 423_456_789),
        ("2024-03-01T19:09:47.423+01:00", 423_000_000),
        ("1709316587", 0),
        ("1709316587.423456", 423_456_000),
    ],
)
def test_start_times_of_any_precision(written, nanoseconds):
    whole = pd.Timestamp("2024-03-01T18:09:47Z") + pd.Timedelta(nanoseconds, "ns")

    for log in (line(time=written), json.dumps({"start_time": written, "method": "GET"})):
        assert one(log).start_time == whole


def test_times_of_all_precisions_in_one_log():
    frame = parse("\n".join(line(time=time) for time in (TIME, "1709316587.5", "2024-03-01T18:09:47Z", TIME)))

    assert frame["start_time"].notna().all()
    assert frame["start_time"].dt.microsecond.tolist() == [423_000, 500_000, 0, 423_000]


def test_a_time_that_is_none_is_told():
    odd = line(time="yesterday")

    frame = parse(f"{line()}\n{odd}")

    assert frame["start_time"].isna().tolist() == [False, True]
    assert list(frame.attrs["unparsed"]) == [odd]


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("%s.%3f", "1709316587.423"),
        ("%s", "1709316587"),
        ("%Y/%m/%d %H:%M:%S.%6f", "2024/03/01 18:09:47.423000"),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Mar/2024:18:09:47 +0000"),
        ("%FT%TZ", "2024-03-01T18:09:47Z"),
    ],
)
def test_times_in_a_format_of_ones_own(form, written):
    begin = dt.datetime(2024, 3, 1, 18, 9, 47, tzinfo=dt.UTC).timestamp()

    assert moment(written, form) // 10**9 == begin


BEGIN = f'[{TIME}] "GET /a HTTP/1.1" 503 UF '
END = f' 0 6381 6 - "-" "curl" "3f" "shop.web" {WAY}'
OLDER = {
    "1.4": BEGIN + '"-" "reset"' + f"{END} default",
    "1.8": BEGIN + '"reset"' + f"{END} default",
    "1.3": BEGIN + '"-" "reset"' + END,
}


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize("count", [1, 500])
def test_formats_of_older_versions(version, count):
    frame = parse("\n".join([OLDER[version]] * count))

    assert len(frame) == count
    assert set(frame["response_flags"]) == {"UF"}
    assert set(frame["upstream_transport_failure_reason"]) == {"reset"}
    assert set(frame["user_agent"]) == {"curl"}
    assert len(frame.attrs["unparsed"]) == 0


def test_a_log_across_an_upgrade_keeps_its_order():
    frame = parse(
        "\n".join([OLDER["1.4"], line("/b"), OLDER["1.8"], json.dumps({"start_time": TIME, "path": "/c"})])
    )

    assert frame["path"].tolist() == ["/a", "/b", "/a", "/c"]
    assert len(frame.attrs["unparsed"]) == 0


def test_the_mark_behind_a_cluster_is_none_of_its_name():
    marked = line().replace("cluster.local ", "cluster.local; ")
    in_json = json.dumps({"start_time": TIME, "upstream_cluster": "outbound|80||shop.web.svc.cluster.local;"})

    for log in (marked, in_json):
        assert one(log).upstream_cluster == "outbound|80||shop.web.svc.cluster.local"


STAMP = "2024-03-01T18:09:48.000000001Z"
WRAPPERS = {
    "kubectl --timestamps": f"{STAMP} {{}}",
    "kubectl --prefix": "[pod/a-6f9/istio-proxy] {}",
    "kubectl --prefix --timestamps": f"[pod/a-6f9/istio-proxy] {STAMP} {{}}",
    "stern": "a-6f9c istio-proxy {}",
    "stern -A": "web a-6f9c istio-proxy {}",
    "stern -A (newer)": "web › a-6f9c istio-proxy {}",
    "stern --timestamps": f"a-6f9c istio-proxy {STAMP} {{}}",
    "CRI": f"{STAMP} stdout F {{}}",
    "stern's colours": "\x1b[36ma-6f9c\x1b[0m \x1b[33mistio-proxy\x1b[0m {}",
    "kubetail": "[a-6f9c] {}",
    "kubetail, a container of several": "[a-6f9c istio-proxy] {}",
    "docker compose": "envoy_1  | {}",
    "journald": "Mar  1 18:09:48 host-1 envoy[123]: {}",
    "journald -o short-iso": "2024-03-01T18:09:48+0000 host-1 envoy[123]: {}",
    "copied with blanks": "    {}",
}
NOISE = "2024-03-01T18:09:47.000001Z\tinfo\tEnvoy proxy is ready"


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    "inner", [line(), json.dumps({"start_time": TIME, "path": "/a"})], ids=["text", "json"]
)
def test_what_tools_put_around_a_line_is_taken_off(wrapper, inner):
    log = "\n".join(WRAPPERS[wrapper].format(each) for each in (NOISE, inner, inner, "odd"))

    frame = parse(log)

    assert frame["path"].tolist() == ["/a", "/a"]
    assert list(frame.attrs["unparsed"]) == [log.split("\n")[0], log.split("\n")[-1]]


def test_a_container_runtimes_files():
    docker = [json.dumps({"log": f"{each}\n", "stream": "stdout", "time": STAMP}) for each in (line(), NOISE)]
    long = line(agent="x" * 20_000)
    cri = [f"{STAMP} stdout P {long[:9000]}", f"{STAMP} stdout F {long[9000:]}"]
    pieces = [
        json.dumps({"log": part, "stream": "stdout", "time": STAMP})
        for part in (long[:9000], long[9000:] + "\n")
    ]

    frame = parse("\n".join([*docker, *cri, *pieces]))

    assert frame["user_agent"].str.len().tolist() == [13, 20_000, 20_000]
    assert list(frame.attrs["unparsed"]) == [docker[1]]


@pytest.mark.parametrize(
    "around",
    [
        lambda line: {"stream": "stdout", "log": f"{line}\n", "time": STAMP, "attrs": {"tag": "x"}},
        lambda line: {"message": line, "podName": "a-6f9c", "containerName": "istio-proxy"},
        lambda line: {"@timestamp": STAMP, "log": line, "kubernetes": {"pod_name": "a-6f9c"}},
        lambda line: {"textPayload": line, "resource": {"type": "k8s_container"}},
        lambda line: {"MESSAGE": line, "PRIORITY": "6"},
    ],
    ids=["Docker, in another order", "stern -o json", "Fluent Bit", "Google's logs", "journald's export"],
)
@pytest.mark.parametrize(
    "inner", [line(), json.dumps({"start_time": TIME, "path": "/a"})], ids=["text", "json"]
)
def test_objects_of_log_shippers(around, inner):
    log = [json.dumps(around(each)) for each in (NOISE, inner, inner)]

    frame = parse("\n".join(log))

    assert frame["path"].tolist() == ["/a", "/a"]
    assert list(frame.attrs["unparsed"]) == log[:1]


def test_an_access_log_may_have_a_field_called_message():
    formats = of_mesh(
        {"accessLogEncoding": "JSON", "accessLogFormat": '{"message": "%REQ(:PATH)%", "took": "%DURATION%"}'}
    )

    frame = parse('{"message": "/a", "took": 5}\n', formats)

    assert frame["path"].tolist() == ["/a"]
    assert len(frame.attrs["unparsed"]) == 0


OWN = (
    '%PROTOCOL% took=%DURATION%ms <%REQ(:METHOD)%> "%REQ(:PATH)%" %RESPONSE_CODE% '
    "%REQ(X-TEAM)% %START_TIME(%s)%\n"
)


def test_a_text_format_of_ones_own():
    formats = of_mesh({"accessLogFormat": OWN})

    frame = parse(
        'HTTP/2 took=12ms <GET> "/a b" 200 blue 1709316587\nHTTP/2 took=-ms <GET> "/" 503 - 1709316588\n',
        formats,
    )

    assert frame["duration"].tolist() == [12, pd.NA]
    assert frame["path"].tolist() == ["/a b", "/"]
    assert frame["req_x_team"].tolist()[0] == "blue"
    assert frame["start_time"].dt.second.tolist() == [47, 48]
    assert list(frame.columns)[: len(FIELDS)] == list(FIELDS)
    assert len(frame.attrs["unparsed"]) == 0


def test_a_format_that_is_no_csv():
    formats = of_mesh({"accessLogFormat": 'agent="%REQ(USER-AGENT)%" code=%RESPONSE_CODE%;%ROUTE_NAME%'})

    row = one('agent="a "b" c" code=200;my route', formats)

    assert (row.user_agent, row.response_code, row.route_name) == ('a "b" c', 200, "my route")


def test_a_json_format_of_ones_own():
    text = json.dumps({"at": "%START_TIME%", "http": {"status": "%RESPONSE_CODE%"}, "team": "%REQ(X-TEAM)%"})
    formats = of_mesh({"accessLogEncoding": "JSON", "accessLogFormat": text})

    row = one(json.dumps({"at": TIME, "http": {"status": 418}, "team": "blue"}), formats)

    assert (row.response_code, row.team) == (418, "blue")
    assert row.start_time == pd.Timestamp(TIME)


def test_a_providers_format():
    provider = {"name": "mine", "envoyFileAccessLog": {"logFormat": {"labels": {"code": "%RESPONSE_CODE%"}}}}

    assert one('{"code": 200}', of_mesh({"extensionProviders": [provider]})).response_code == 200


def test_keys_that_nobody_knows_are_kept():
    row = one(json.dumps({"start_time": TIME, "trace": {"id": "7f"}, "tags": [1, "a"]}))

    assert (row["trace.id"], row["tags"]) == ("7f", '[1, "a"]')


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
logs = st.lists(
    st.one_of(anything, st.sampled_from([line(), line(agent='a"b'), NOISE, '{"start_time": 1}', "{"]))
)


@given(logs)
@settings(max_examples=300)
def test_nothing_raises_and_every_line_is_somewhere(lines):
    text = "\n".join(lines)
    there = [each for each in text.split("\n") if each.strip()]

    frame = parse(text)

    kept = list(frame.attrs["unparsed"])
    assert len(frame) + len(kept) >= len(there)
    assert {each.removesuffix("\r") for each in kept} <= {
        each.removesuffix("\r") for each in text.split("\n")
    }


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40))
@settings(max_examples=300)
def test_whatever_a_client_calls_itself_no_neighbour_suffers(agent):
    frame = parse("\n".join([line("/1"), line("/2", agent=agent), line("/3")]))

    assert frame["path"].tolist() == ["/1", "/2", "/3"]
    assert frame["user_agent"].tolist()[::2] == ["okhttp/4.11.0"] * 2
    mine = frame["user_agent"].tolist()[1]
    assert mine == agent or agent == "-" or len(frame.attrs["unparsed"]) == 1 or '" "' in agent
