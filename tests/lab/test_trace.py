"""One request's journey, through real proxies."""

import io

import pytest
from PIL import Image

from labkit.traffic.trace import journey
from labkit.views.waterfall import Trace

from .. import the_book as cast

pytestmark = pytest.mark.slow

WHOLE_WAY = [
    ("ingress gateway", "through", "ServiceA"),
    ("ServiceA", "in", "ServiceA"),
    ("ServiceA", "out", "ServiceC"),
    ("ServiceC", "in", "ServiceC"),
    ("ServiceC", "out", "egress gateway"),
    ("egress gateway", "through", "ingress gateway"),
    ("ingress gateway", "through", "External Cluster Service"),
    ("External Cluster Service", "in", "External Cluster Service"),
]


def test_the_whole_way_there_and_the_time_spent_at_each(lab):
    lab.goto(6, finished=True)
    trace = lab.trace("/service-a")
    table = trace.table

    assert list(table[["proxy", "direction", "to"]].itertuples(index=False, name=None)) == WHOLE_WAY
    assert table["within"].dropna().tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert (table["start_ms"].diff().dropna() >= 0).all()
    assert (table["own_ms"] <= table["duration_ms"]).all()
    assert table["duration_ms"].iloc[0] <= 1000 * trace.answer.seconds + 1
    assert table["flags"].isna().all()
    assert "ServiceC → egress gateway → ingress gateway → External" in repr(trace)


def test_where_it_failed_and_why_in_words(lab):
    lab.goto(2, finished=True)
    trace = lab.trace("/nobody")

    assert trace.table[["proxy", "to", "status", "flags"]].to_numpy().tolist() == [
        ["ingress gateway", "nowhere", 404, "NR"]
    ]
    assert "no route fits this host and path" in repr(trace)


def test_an_answer_one_has_already(lab):
    lab.goto(2, finished=True)
    answer = lab.curl("/service-a")

    assert lab.trace(of=answer).table["proxy"].tolist()[-1] == "ServiceB"


def test_it_shows_itself_with_and_without_a_kernel(lab):
    lab.goto(2, finished=True)
    trace = lab.trace("/service-a")
    bundle = trace._repr_mimebundle_()[0]

    assert {"application/vnd.plotly.v1+json", "image/png", "text/plain"} <= set(bundle)
    bars = [one for one in bundle["application/vnd.plotly.v1+json"]["data"] if one["type"] == "bar"]
    assert {hop for bar in bars for hop in bar["y"]} == set(trace.table["hop"])
    with Image.open(io.BytesIO(trace.png())) as image:
        assert image.width == 760


def test_a_line_that_has_not_come_is_missed(lab):
    lab.goto(2, finished=True)
    answer = lab.curl("/service-a")
    some = lab.hops(answer).iloc[:3]

    trace = Trace(answer, journey(some, cast.BY_APP, cast.TITLES), complete=False)

    assert "ServiceA sent it on to ServiceB: no line of that has come yet." in repr(trace)
    assert trace.png()


def test_an_unknown_host(lab):
    lab.goto(5)
    lab.apply("outside.yml")
    lab.apply("outbound.yml")
    trace = lab.trace("/outbound")
    lab.goto(5)

    assert trace.table["status"].tolist()[-1] == 502
    assert "Outbound answered 502: the mesh does not know this host" in repr(trace)
