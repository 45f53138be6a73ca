"""The budget table: every ``what: measured (budget …)`` line a benchmark printed, once more at the end."""

import re

_ROW = re.compile(r"^(.+?): (.+) \(budget (.+)\)$", re.MULTILINE)


def pytest_terminal_summary(terminalreporter):
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.getreports(outcome)]
    shown = [each.capstdout for each in reports if each.when == "call" and "benchmarks/" in each.nodeid]
    rows = [row for text in shown for row in _ROW.findall(text)]
    if not rows:
        return
    terminalreporter.section("budget table")
    width = max(len(what) for what, _, _ in rows)
    for what, measured, budget in rows:
        terminalreporter.write_line(f"{what.ljust(width)}  {measured}  (budget {budget})")
