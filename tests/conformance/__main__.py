"""``LABKIT_E2E=PATH python -m tests.conformance [WORDS]``: see README.md beside this file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conformance import table
from tests.conformance.images import enter_agnhost, enter_nautilus
from tests.conformance.suite import Outcome, Suite

E2E, AGNHOST = "LABKIT_E2E", "LABKIT_AGNHOST"
_TOGETHER = 8
"""How many specs one process runs: it takes seconds to start."""


def main() -> None:
    """Run what the command line asks for, on a cluster of its own."""
    asked = _arguments()
    if not asked.sums:
        _on_a_cluster(asked)
    print(table.summary(table.read()))


def _on_a_cluster(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="labkit-conformance-") as folder:
        os.environ["LABKIT_HOME"] = folder
        if agnhost := os.environ.get(AGNHOST):
            enter_agnhost(Path(agnhost).absolute(), Path(folder))
        enter_nautilus(Path(folder))
        _labkit("up")
        try:
            _run(Suite(Path(os.environ[E2E]).absolute(), Path(folder) / "kubeconfig"), asked)
        finally:
            _labkit("down")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("words", nargs="*", help="only specs whose name holds one of these")
    parser.add_argument("--but", action="append", default=[], help="not those whose name holds this")
    parser.add_argument("--failed", action="store_true", help="only those that did not pass last time")
    parser.add_argument("--all", action="store_true", help="the impossible ones, too")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (2)")
    parser.add_argument("--together", type=int, default=_TOGETHER, help="specs in one process (8)")
    parser.add_argument("--limit", type=float, default=90, help="seconds for each process (90)")
    parser.add_argument("--sums", action="store_true", help="run nothing: only add up what the table holds")
    parser.add_argument("--logs", type=Path, help="a folder for what each spec says")
    asked = parser.parse_args()
    if not os.environ.get(E2E) and not asked.sums:
        parser.error(f"{E2E} names no binary: how to build it is in tests/conformance/README.md")
    return asked


def _run(suite: Suite, asked: argparse.Namespace) -> None:
    known = table.read()
    specs = suite.specs()
    outcomes = {spec: known.get(spec, Outcome("not run")) for spec in specs}
    impossible = {spec: why for spec in specs if (why := table.impossible(spec))}
    for spec, why in impossible.items():
        if outcomes[spec].result != "passed":
            outcomes[spec] = Outcome("impossible", why)
    table.update({spec: each for spec, each in outcomes.items() if known.get(spec) != each})
    reasons = {} if asked.all else impossible
    chosen = [spec for spec in specs if spec not in reasons and _is_asked(spec, outcomes, asked)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as at_once:
        run = _Run(suite, asked.limit, asked.logs or Path(folder))
        try:
            _in_turn(run, chosen, at_once, asked.together)
        except KeyboardInterrupt:
            at_once.shutdown(cancel_futures=True)  # what is done is in the table


def _in_turn(run: _Run, chosen: Sequence[str], at_once: ThreadPoolExecutor, size: int) -> None:
    together = [spec for spec in chosen if "[Serial]" not in spec]
    parts = [together[at : at + size] for at in range(0, len(together), size)] if size > 1 else []
    cut_short = [spec for part in at_once.map(run.group, parts) for spec in part] if parts else together
    list(at_once.map(run.alone, cut_short))
    for spec in chosen:
        if "[Serial]" in spec:
            run.alone(spec)


class _Run:
    """One look at many specs."""

    def __init__(self, suite: Suite, limit: float, logs: Path) -> None:
        self._suite, self._limit, self._logs = suite, limit, logs
        logs.mkdir(parents=True, exist_ok=True)

    def group(self, specs: Sequence[str]) -> list[str]:
        """Run *specs* one after the other in one process; those of them that were cut short."""
        found = self._suite.run(specs, self._limit, self._log(specs[0], "group-"))
        self._keep(found)
        return [spec for spec in specs if spec not in found]

    def alone(self, spec: str) -> None:
        """Run *spec* in a process of its own."""
        self._keep(self._suite.run([spec], self._limit, self._log(spec)))

    def _keep(self, found: Mapping[str, Outcome]) -> None:
        for spec, outcome in found.items():
            if outcome.result != "passed" and (why := table.impossible(spec)):
                outcome = Outcome("impossible", why)
            print(f"{outcome.result:10} {spec}", flush=True)
            table.update({spec: outcome})

    def _log(self, spec: str, before: str = "") -> Path:
        name = "".join(letter if letter.isalnum() else "-" for letter in spec)
        return self._logs / f"{before}{name[:150]}.log"


def _is_asked(spec: str, known: dict[str, Outcome], asked: argparse.Namespace) -> bool:
    named = not asked.words or any(word in spec for word in asked.words)
    named = named and not any(word in spec for word in asked.but)
    return named and not (asked.failed and spec in known and known[spec].result == "passed")


def _labkit(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "labkit.cli", *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
