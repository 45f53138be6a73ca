"""How the tasks' checks judge what they see: by what tells right from wrong, not by a millisecond."""

import pandas as pd
import pytest

from labkit.scenario.learner import Learner
from labkit.scenario.tasks import check_task

CALLS = 12
THROUGH_C = (
    "Hello from ServiceA! … Hello from ServiceC! Calling master system API... 504 Gateway Timeout: [x]"
)


class Seen:
    """A lab in which every call of ServiceC's ended as these lines say."""

    learner = Learner()

    def __init__(self, waits, caller="UT", gateway="DI,DR"):
        self.logs = {"service-c": (waits, caller), "istio-egressgateway": (waits, gateway)}

    def send(self, path, *, requests, concurrency):
        return pd.DataFrame({"body": [THROUGH_C] * CALLS, "service": "ServiceC", "total_ms": 505.0})

    def access_log(self, workload, of=None):
        waits, flags = self.logs[workload]
        return pd.DataFrame({"duration": [waits] * CALLS, "response_flags": [flags] * CALLS})


@pytest.mark.parametrize("wait", [497, 499, 500, 501, 540, 700])
def test_half_a_second_is_half_a_second(wait):
    report = check_task(Seen(wait), 5)

    assert report, str(report)


def test_one_slow_answer_is_the_machines_fault():
    waits = pd.Series([499, *[1800] * (CALLS - 1)])

    class Busy(Seen):
        def access_log(self, workload, of=None):
            return super().access_log(workload, of).assign(duration=waits)

    assert check_task(Busy(0), 5)


def test_envoys_guard_against_floods_of_resets_is_no_mistake():
    ended = THROUGH_C.partition("504")[0] + "503 Service Unavailable: [reset reason: connection termination]"

    class Guarded(Seen):
        def __init__(self, ended):
            super().__init__(500)
            self.ended = ended

        def send(self, path, *, requests, concurrency):
            return (
                super()
                .send(path, requests=requests, concurrency=concurrency)
                .assign(body=[ended] * self.ended + [THROUGH_C] * (CALLS - self.ended))
            )

    assert check_task(Guarded(2), 5)
    assert not check_task(Guarded(6), 5)


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (Seen(100), "about half a second"),
        (Seen(1000), "about half a second"),
        (Seen(2, caller=None, gateway="FI"), "stopped waiting"),
        (Seen(500, gateway=None), "held every call back"),
        (Seen(500, gateway="RADIUS DIVE"), "held every call back"),
    ],
)
def test_another_number_or_another_reason_is_found_out(seen, broken):
    report = check_task(seen, 5)

    assert any(broken in finding.promise for finding in report.findings if not finding.holds), str(report)
