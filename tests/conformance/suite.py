"""Upstream's ``e2e.test``: which specs it has, and some of them run against a cluster, in one process.

A process has a time limit, since upstream waits five minutes for a pod that never comes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE = 20
"""Seconds that a spec out of time has to clean up after itself."""
OUT_OF_TIME = "A suite timeout occurred"
_FROM_CHANCE = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
    (r"\b(127\.\d+\.\d+\.\d+|10\.43\.\d+\.\d+|localhost):?\d*", "ADDRESS"),
    (r"\b\d{4}-\d\d-\d\d[T ][\d:.]+\S*( \+0000 UTC)?", "TIME"),
    (r"-\d{3,}\b", "-N"),
    (r"\s+", " "),
)
"""What differs from run to run, and what stands for it in a table."""


@dataclass(frozen=True)
class Outcome:
    """How a spec went: ``passed``, ``failed`` or ``skipped``, and why not passed, in upstream's words."""

    result: str
    reason: str = ""


@dataclass(frozen=True)
class Suite:
    """The binary, and the cluster it shall ask."""

    binary: Path
    kubeconfig: Path

    def specs(self) -> list[str]:
        """The names of all Conformance specs."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "junit.xml"
            self._run(report, "--ginkgo.dry-run", "--ginkgo.label-filter=Conformance", limit=120)
            return sorted(_spec(case) for case in _cases(report) if case.find("skipped") is None)

    def run(self, specs: Sequence[str], limit: float, log: Path) -> dict[str, Outcome]:
        """Run *specs* in one process for at most *limit* seconds; what it says goes to *log*.

        Those that it did not come to, and the one that was cut short among others, are not in the answer.
        """
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "junit.xml"
            focus = [f"--ginkgo.focus={re.escape(spec)}" for spec in specs]
            bounds = (f"--ginkgo.timeout={limit:.0f}s", f"--ginkgo.grace-period={GRACE}s")
            log.write_text(self._run(report, *focus, *bounds, limit=limit))
            asked = set(specs)
            ended = {_spec(case): _outcome(case) for case in _cases(report) if _spec(case) in asked}
        if len(specs) == 1:
            return ended or {specs[0]: Outcome("failed", "it ended without a report")}
        return {spec: each for spec, each in ended.items() if not _is_cut_short(each)}

    def _run(self, report: Path, *options: str, limit: float) -> str:
        words = [
            *(str(self.binary), f"--kubeconfig={self.kubeconfig}", "--provider=skeleton"),
            *("--disable-log-dump", "--dump-logs-on-failure=false", f"--repo-root={report.parent}"),
            *("--allowed-not-ready-nodes=-1", "--minStartupPods=-1", "--ginkgo.no-color"),
            *(f"--ginkgo.junit-report={report}", f"--e2e-output-dir={report.parent}", *options),
        ]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            return process.communicate(timeout=limit + 4 * GRACE)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0]


def _cases(report: Path) -> list[ET.Element]:
    if not report.exists():
        return []
    return [case for case in ET.parse(report).iter("testcase") if case.get("name", "").startswith("[It]")]


def _spec(case: ET.Element) -> str:
    """Its name as upstream's list has it: without ``[It]`` and the labels that ginkgo adds."""
    name = case.get("name", "").removeprefix("[It] ")
    return name[: name.index("[Conformance]") + len("[Conformance]")] if "[Conformance]" in name else name


def _outcome(case: ET.Element) -> Outcome:
    status = case.get("status", "failed")
    if status in ("passed", "skipped"):
        return Outcome(status, _words(case.find("skipped")))
    why = next((found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None)
    return Outcome("failed", _words(why) or status)


def _is_cut_short(outcome: Outcome) -> bool:
    """Whether it had no time, or no turn."""
    return outcome in (Outcome("skipped", "skipped"), Outcome("failed", OUT_OF_TIME))


def _words(element: ET.Element | None) -> str:
    text = "" if element is None else element.get("message") or element.text or ""
    for pattern, instead in _FROM_CHANCE:
        text = re.sub(pattern, instead, text)
    return text.strip()[:200]
