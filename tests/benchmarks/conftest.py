"""The design's budget table, with what was measured: one command prints it.

    pytest tests/benchmarks

Every benchmark measures one thing and notes it with ``figure``; the table stands at the end of the run.
A budget that is missed is a ✗ in the table and no failure: a figure depends on the machine and on what
else it does. Only what no machine can explain fails. An ordinary `pytest` leaves out the benchmarks that
only measure, and keeps those that prove a promise as well (marked ``promise``).
"""

import pytest

from .budget_table import FIGURE


@pytest.fixture
def figure(request):
    """Note a row: ``figure("labkit up", "1.8 s", "2 s", met=True)``."""

    def note(what, measured, budget="", *, met=None):
        request.node.user_properties.append((FIGURE, (what, measured, budget, met)))

    return note


def pytest_collection_modifyitems(config, items):
    if any("benchmarks" in str(word) for word in config.invocation_params.args) or config.option.markexpr:
        return
    unasked = [each for each in items if _only_measures(each)]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [each for each in items if not _only_measures(each)]


def _only_measures(item):
    return item.get_closest_marker("benchmark") and not item.get_closest_marker("promise")
