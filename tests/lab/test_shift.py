"""A gradual shift on a real cluster: a healthy ServiceC takes over, a broken one is sent back."""

import threading

import pytest

from labkit.errors import UsageError
from labkit.scenario.weights import set_weights, weights_now
from labkit.traffic.shift import Health, Limits

pytestmark = pytest.mark.slow


def test_a_healthy_c_takes_over(lab, capsys):
    lab.goto(5, finished=True)
    set_weights(lab.api, 0)

    course = lab.shift(to="C", steps=[10, 50, 100], requests=40)

    assert course.succeeded, course.shift.verdict
    assert weights_now(lab.api) == {"ServiceB": 0, "ServiceC": 100}
    assert set(course.shift.answers["status"]) == {200}, "no request was lost while weights changed"
    c = course.table[course.table["destination"] == "ServiceC"]
    assert list(c["weight of ServiceC %"]) == [10, 50, 100]
    assert c["errors"].sum() == 0
    assert c["requests"].iloc[-1] >= 40
    assert (c["95 % within ms"] > 0).any()
    assert course.plot().png()
    assert "acknowledged by" in capsys.readouterr().out


def test_a_broken_c_is_sent_back_and_why(lab, capsys):
    lab.goto(3, finished=True)  # the external cluster is missing: ServiceC gets 404
    set_weights(lab.api, 0)

    course = lab.shift(to="C", steps=[25, 50, 100], requests=60)

    assert not course.succeeded
    assert "ServiceC failed" in course.reason
    assert "404" in course.reason
    assert "istio-ingressgateway.istio-system.svc.cluster.local/service-ext" in course.reason
    assert weights_now(lab.api) == {"ServiceB": 100, "ServiceC": 0}
    assert course.table["weight of ServiceC %"].max() == 25, "no further step was tried"
    assert course.shift.rolled_back_at
    b = course.table[course.table["destination"] == "ServiceB"]
    assert b["errors"].sum() == 0, "ServiceB is not blamed"
    assert "back to ServiceC 0 %" in capsys.readouterr().out
    assert "Rolled back" in repr(course)
    weight = next(trace for trace in course.plot().figure.data if trace.name == "weight")
    assert list(weight.x) == sorted(weight.x), "time goes one way"
    assert weight.y[-1] == 0
    assert not [t for t in threading.enumerate() if t.name == "labkit-stream"]


def test_what_makes_no_sense_is_refused(lab):
    lab.goto(3, finished=True)
    for wrong in ({"to": "A"}, {"steps": [10, 200]}, {"steps": []}, {"requests": 0}):
        with pytest.raises(UsageError, match=r"not to A|The steps|at least 1 request"):
            lab.shift(**wrong)
    with pytest.raises(UsageError, match="to ServiceB or ServiceC, not to D"):
        lab.shift(to="D")


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (Health("ServiceC", 100, 5, 5, 20), None),
        (Health("ServiceC", 100, 6, 5, 20), "failed 6 of 100"),
        (Health("ServiceC", 100, 0, 5, 1500), "took 1500 ms"),
        (Health("ServiceC", 0, 0, 0, 0), None),
        (Health("ServiceC", 4, 4, 5, 20), "failed 4 of 4"),
        (Health("ServiceC", 10, 2, 5, 20), None),
        (Health("ServiceC", 10, 0, 5, 1500), None),
        (Health("ServiceC", 20, 2, 5, 20), "failed 2 of 20"),
    ],
)
def test_limits(seen, broken):
    reason = Limits().broken_by(seen)

    assert reason is None if broken is None else broken in reason
