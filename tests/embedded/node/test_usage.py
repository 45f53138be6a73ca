"""What groups of processes use, read from the machine."""

import subprocess
import sys

import pytest

from labkit.embedded.node import usage

BURNS = """
import subprocess, sys, time
data = b"x" * (40 << 20)
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
while time.process_time() < 0.3: pass
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def burnt():
    """A process that has used 0.3 s of a processor and 40 MiB, and has a child."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", BURNS], **pipes) as process:
        assert process.stdout.readline() == b"done\n"
        yield process.pid


def test_a_family_is_counted_together(burnt):
    assert len(usage.family(burnt)) == 2
    found = usage.UsageMeter().usage(burnt)
    assert found.cpu * found.window > 0.25
    assert found.memory > 40 << 20


def test_what_was_before_the_last_look_counts_no_more(burnt, monkeypatch):
    monkeypatch.setattr(usage, "_SHORTEST", 0.0)
    meter = usage.UsageMeter()
    meter.look([burnt])
    meter.look([burnt])
    found = meter.usage(burnt)
    assert found.cpu * found.window < 0.25


def test_who_is_gone_uses_nothing():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert usage.UsageMeter().usage(process.pid) is None
