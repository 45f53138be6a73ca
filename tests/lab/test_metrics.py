"""What proxies have counted, as a frame."""

import math

import pytest

from labkit.kube.proxies.metrics import quantile, series

PAGE = """# TYPE istio_request_duration_milliseconds histogram
istio_request_duration_milliseconds_bucket{reporter="source",le="1"} 0
istio_request_duration_milliseconds_bucket{reporter="source",le="5"} 8
istio_request_duration_milliseconds_bucket{reporter="source",le="+Inf"} 10
istio_request_duration_milliseconds_sum{reporter="source"} 40
istio_request_duration_milliseconds_count{reporter="source"} 10
# TYPE envoy_server_live gauge
envoy_server_live{} 1
# TYPE istio_build gauge
istio_build{component="proxy",tag="1.30.3"} 1
# TYPE istio_requests_total counter
istio_requests_total{reporter="source",source_version="a\\"b"} 3
"""


def test_a_page_is_read_series_by_series():
    histogram, counter = series(PAGE)

    assert counter == {
        "metric": "istio_requests_total",
        "reporter": "source",
        "source_version": 'a"b',
        "value": 3,
    }
    assert histogram | {"p50": 3.5, "p90": 5.0, "p99": 5.0} == histogram
    assert (histogram["value"], histogram["mean"]) == (10, 4.0)


def test_of_nothing_there_is_no_quantile():
    assert math.isnan(quantile({1.0: 0.0, math.inf: 0.0}, 0.5))


@pytest.mark.slow
def test_both_ends_of_a_call(lab):
    lab.goto(2, finished=True)
    before = lab.metrics("service-b", "istio_requests_total")["value"].sum()
    lab.send("/service-a", requests=5)
    called = lab.metrics("service-a", "istio_requests_total")
    answered = lab.metrics("service-b", "istio_requests_total")
    took = lab.metrics("service-b", "istio_request_duration_milliseconds")

    assert answered["value"].sum() - before == 5
    assert set(answered["reporter"]) == {"destination"}
    assert set(answered["source_canonical_service"]) == {"service-a-app"}
    assert set(called["reporter"]) == {"source", "destination"}
    assert (took["p50"] > 0).all()
