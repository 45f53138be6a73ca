"""Access-log lines into a typed frame (a row of the design's budget table)."""

import time
import uuid

import pytest

from labkit.traffic.access_log import parse

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

LINES = 500_000
HOSTS = ("producer-internal-host", "service-c-srv")


def lines():
    """As ServiceA's sidecar writes them: many values repeat, ids and ports do not."""
    for n in range(LINES):
        yield (
            f"[2026-01-31T12:{n // 60_000 % 60:02d}:{n // 1000 % 60:02d}.{n % 1000:03d}Z] "
            f'"GET /service-a HTTP/1.1" 200 - via_upstream - "-" 0 {100 + n % 100} {n % 37} {n % 36} "-" '
            f'"curl/8.23.0 (4f17d6d6-{n})" "{uuid.UUID(int=n * 7919 << 64)}" "producer-internal-host" '
            f'"127.42.0.{5 + n % 3}:8082" outbound|80||{HOSTS[n % 2]}.dev-service-mesh.svc.cluster.local '
            f"127.42.0.6:{40_000 + n % 20_000} 10.43.12.7:80 127.42.0.6:{30_000 + n % 20_000} - default\n"
        )


def test_lines_per_second(figure):
    log = "".join(lines()).encode()
    rates = []
    for _ in range(9):  # the first ones also pay for memory and threads
        began = time.perf_counter()
        count = len(parse(log))
        rates.append(count / (time.perf_counter() - began) / 1e6)
        assert count == LINES
    size = len(log) / LINES
    measured = f"{max(rates):.1f} million/s, {size:.0f} bytes a line"
    figure("access-log lines into a frame", measured, "2 million/s", met=max(rates) > 2)
