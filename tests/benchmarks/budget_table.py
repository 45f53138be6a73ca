"""The table at the end of a run: what the benchmarks noted, wherever they ran.

Files run side by side in processes of their own, and a test's report carries its figures from there.
"""

from typing import Any, NamedTuple

import pytest


class Figure(NamedTuple):
    """One row; a plain tuple until it is here."""

    what: str
    measured: str
    budget: str
    met: bool | None
    """Whether it keeps its budget; None where the design names none."""


FIGURE = "figure"
"""Under this name a test's report has its rows."""
_noted: list[Figure] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a finished test has noted."""
    if report.when == "call":
        _noted.extend(Figure(*row) for name, row in report.user_properties if name == FIGURE)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, if there is one."""
    if not _noted:
        return
    terminalreporter.section("budget table")
    heads = Figure("what", "measured", "budget", None)
    widths = [max(len(getattr(each, name)) for each in (heads, *_noted)) for name in ("what", "budget")]
    for each in (heads, *_noted):
        mark = {True: "✓", False: "✗", None: " "}[each.met]
        what, budget = each.what.ljust(widths[0]), each.budget.ljust(widths[1])
        terminalreporter.write_line(f"{mark} {what}  {budget}  {each.measured}")
    missed = [each.what for each in _noted if each.met is False]
    terminalreporter.write_line(f"missed: {', '.join(missed)}" if missed else "no budget is missed")
