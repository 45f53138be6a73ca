"""The lines of one request, where gateways put ids of their own in the place of the one they were given."""

import random

import pandas as pd
import pytest

from labkit.traffic.one_request import first_ids

MS = pd.Timedelta(milliseconds=1)
BEGIN = pd.Timestamp("2026-01-05T10:00:00Z")
COLUMNS = (
    *("pod", "request_id", "user_agent", "protocol", "start_time", "duration"),
    *("upstream_local_address", "upstream_host", "downstream_remote_address", "downstream_local_address"),
)


def line(pod, request_id, began, ended, source=None, target=None, caller=None, own=None, **more):
    """A line as Envoy prints it: whole milliseconds, both cut off."""
    values = (pod, request_id, "Java/11", "HTTP/1.1", BEGIN + int(began) * MS, int(ended - began))
    return {**dict(zip(COLUMNS, (*values, source, target, caller, own), strict=True)), **more}


def traffic(requests, at_once, seed, *, http2=False, named=False, apart_ms=0.0):
    """Lines of calls that go through two gateways, and for each line the request it is of.

    at_once: how many calls are under way at a time. On HTTP/1.1 each has a connection to itself.
    apart_ms: how far the clocks of the three proxies are apart.
    """
    chance = random.Random(seed)
    rows = []
    clocks = (0.0, apart_ms, -apart_ms)
    for slot in range(at_once):
        now = 100 + chance.random() * 3
        connection = 0 if http2 else slot
        for number in range(requests // at_once):
            first = f"{slot}-{number}"
            took = 0.4 + chance.expovariate(1 / 3)
            spans = [(now + 0.2 * n, now + took + 1.2 - 0.2 * n) for n in range(3)]
            agent = f"ServiceC (request {first})" if named else "Java/11"
            ends = [
                (f"c:{connection}", "egress:8080", "c:9", "vip:80"),
                (f"e:{connection}", "ingress:8080", f"c:{connection}", "egress:8080"),
                (f"i:{connection}", "ext:8082", f"e:{connection}", "ingress:8080"),
            ]
            for n, (span, clock, end) in enumerate(zip(spans, clocks, ends, strict=True)):
                its_id = first if n == 0 else f"{first}/{n}"
                made = line("cei"[n], its_id, span[0] + clock, span[1] + clock, *end, user_agent=agent)
                made["protocol"] = "HTTP/2" if http2 and n else "HTTP/1.1"
                rows.append((span[1] + clock, made))
            now += took + 1.3 + chance.expovariate(1 / 2)
    rows.sort(key=lambda row: row[0])  # a line is written when its request is done
    frame = pd.DataFrame([row for _, row in rows]).sort_values("pod", kind="stable", ignore_index=True)
    return frame, frame["request_id"].str.partition("/")[0]


def wrong(frame, truth):
    """How many lines are taken for those of another request; not those that are only not joined."""
    return int(first_ids(frame).str.partition("/")[0].ne(truth[frame.index]).sum())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("apart_ms", [0, 2])
def test_one_call_at_a_time_on_each_connection_is_never_taken_for_another(seed, apart_ms):
    frame, truth = traffic(640, 64, seed, apart_ms=apart_ms)

    assert first_ids(frame).tolist() == truth.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_one_call_at_a_time_on_http2_as_well(seed):
    frame, truth = traffic(200, 1, seed, http2=True)

    assert first_ids(frame).tolist() == truth.tolist()


@pytest.mark.parametrize("http2", [False, True])
def test_what_the_caller_names_is_exact_whatever_the_rest_looks_like(http2):
    frame, truth = traffic(640, 64, 1, http2=http2, named=True, apart_ms=500)
    frame = frame.sample(frac=1, random_state=2)

    assert first_ids(frame).tolist() == truth[frame.index].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_many_at_once_on_one_connection_are_counted_even_if_some_are_taken_for_each_other(seed):
    frame, truth = traffic(640, 64, seed, http2=True)

    joined = first_ids(frame)

    assert joined[frame["pod"] == "e"].nunique() > 0.9 * 640
    assert joined.isin(truth).mean() > 0.95
    few, its_truth = traffic(640, 2, seed, http2=True)
    assert wrong(few, its_truth) < wrong(frame, truth)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_log_that_is_cut_off_joins_no_other_line(cut):
    """Of the caller's log the first lines are missing, of the second gateway's the last ones."""
    frame, truth = traffic(60, 1, cut)
    callers, last = frame.index[frame["pod"] == "c"], frame.index[frame["pod"] == "i"]
    rest = frame.drop([*callers[:cut], *last[-cut:]])

    assert wrong(rest, truth) == 0


def test_a_call_that_was_sent_later_than_the_next_one_is_joined_in_the_order_of_the_connection():
    """It waited in its own proxy: the callers' beginnings are in another order than the gateway's."""
    frame = pd.DataFrame(
        [
            line("c", "quick", 5, 10, "c:1", "g:80", "c:9", "vip:80"),
            line("c", "late", 0, 110, "c:1", "g:80", "c:9", "vip:80"),
            line("g", "g1", 5, 9, "g:1", "x:80", "c:1", "g:80"),
            line("g", "g2", 100, 109, "g:1", "x:80", "c:1", "g:80"),
        ]
    )

    assert first_ids(frame).tolist() == ["quick", "late", "quick", "late"]


def test_ids_that_a_gateway_keeps_stay():
    frame, truth = traffic(60, 4, 3)
    frame["request_id"] = truth

    assert first_ids(frame).tolist() == truth.tolist()


def test_lines_that_name_each_other_in_a_circle_end():
    frame = pd.DataFrame(
        [
            line("c", "a", 1, 2, user_agent="X (request b)"),
            line("c", "b", 1, 2, user_agent="X (request a)"),
        ]
    )

    assert set(first_ids(frame)) <= {"a", "b"}


def test_lines_without_ids_addresses_or_durations():
    frame = pd.DataFrame([line("c", None, 1, 2), line("g", "a", 1, 2)])
    frame["duration"] = pd.array([None, None], dtype="Int64")

    assert first_ids(frame).isna().tolist() == [True, False]
    assert first_ids(frame.iloc[:0]).empty
