"""The split panel in JupyterLab for two minutes, alone and beside ten busy loops: on time? At what cost?

``LABKIT_PANEL_SECONDS`` says how long each case takes.
"""

import contextlib
import os
import re
import time

import pytest

from ..browser.conftest import browser, context, desk, opened, page, screenshots  # noqa: F401
from ..browser.test_split_panel import SENT, ask, book, busy, pause, received, see_answers  # noqa: F401

SECONDS = float(os.environ.get("LABKIT_PANEL_SECONDS", "120"))
pytestmark = [pytest.mark.benchmark, pytest.mark.slow, pytest.mark.timeout(300 + SECONDS)]
LOOK = 5.0
"""Seconds between two looks."""
SHOWN = (
    "() => document.querySelector('.labkit-split .legend').textContent.match(/(\\d+) of \\d+ sent/)?.[1] ?? 0"
)
CPU = "import time; print(time.process_time())"


@pytest.mark.parametrize("loops", [0, 10])
@pytest.mark.parametrize("rate", [20, 100])
def test_on_time(book, page, received, figure, rate, loops):  # noqa: F811
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    ask(page, f"panel.stream.rate = {rate}")
    see_answers(page)
    with busy(loops) if loops else contextlib.nullcontext():
        before, began, bytes_before = cpu(page, tools), time.monotonic(), received[0]
        late = []
        while time.monotonic() < began + SECONDS:
            page.wait_for_timeout(1000 * LOOK)
            late.append(behind(page, rate))
        seconds, spent = time.monotonic() - began, cpu(page, tools)
        paused, rests = pause(page)
    kernel, shown = ((after - first) / seconds for after, first in zip(spent, before, strict=True))
    what = f"panel at {rate}/s" + (f" beside {loops} busy loops" if loops else "")
    both = kernel + shown
    figure(
        f"{what}: kernel + page",
        f"{kernel:.1%} + {shown:.1%} of a core",
        "25 %",
        met=both < 0.25 if rate == 100 and not loops else None,
    )
    figure(f"{what}: behind", f"{max(late):.1f} s at most", "2 s", met=max(late) < 2)
    figure(f"{what}: received", f"{(received[0] - bytes_before) / seconds / 1000:.1f} kB/s")
    figure(f"{what}: Pause is shown after", f"{paused:.0f} ms", "200 ms", met=paused < 200)
    figure(f"{what}: nothing more is sent after", f"{rests:.0f} ms", "200 ms", met=rests < 200)
    assert page.problems == []


def behind(page, rate):  # noqa: F811
    """Seconds of requests that the kernel has sent and the page does not show."""
    shown = int(page.evaluate(SHOWN))
    return (int(ask(page, SENT)) - shown) / rate


def cpu(page, tools):  # noqa: F811
    """Seconds of CPU that the kernel and the page have used."""
    metrics = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
    return float(re.findall(r"[\d.]+", ask(page, CPU))[-1]), metrics.get(
        "ProcessTime", metrics["TaskDuration"]
    )
