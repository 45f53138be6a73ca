"""``LABKIT_E2E=PATH python -m tests.conformance [WORDS]``: see README.md beside this file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conformance import table
from tests.conformance.images import enter_agnhost
from tests.conformance.suite import Outcome, Suite

E2E, AGNHOST = "LABKIT_E2E", "LABKIT_AGNHOST"


def main() -> None:
    """Run what the command line asks for, on a cluster of its own."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="labkit-conformance-") as folder:
        os.environ["LABKIT_HOME"] = folder
        if agnhost := os.environ.get(AGNHOST):
            enter_agnhost(Path(agnhost).absolute(), Path(folder))
        _labkit("up")
        try:
            _run(Suite(Path(os.environ[E2E]).absolute(), Path(folder) / "kubeconfig"), asked)
        finally:
            _labkit("down")
    print(table.summary(table.read()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("words", nargs="*", help="only specs whose name holds one of these")
    parser.add_argument("--but", action="append", default=[], help="not those whose name holds this")
    parser.add_argument("--failed", action="store_true", help="only those that did not pass last time")
    parser.add_argument("--all", action="store_true", help="the impossible ones, too")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (2)")
    parser.add_argument("--limit", type=float, default=90, help="seconds for each spec (90)")
    parser.add_argument("--logs", type=Path, help="a folder for what each spec says")
    if not os.environ.get(E2E):
        parser.error(f"{E2E} names no binary: how to build it is in tests/conformance/README.md")
    return parser.parse_args()


def _run(suite: Suite, asked: argparse.Namespace) -> None:
    known = table.read()
    specs = suite.specs()
    outcomes = {spec: known[spec] for spec in specs if spec in known}
    reasons = {} if asked.all else {spec: why for spec in specs if (why := table.impossible(spec))}
    outcomes |= {spec: Outcome("impossible", why) for spec, why in reasons.items()}
    chosen = [spec for spec in specs if spec not in reasons and _is_asked(spec, outcomes, asked)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as at_once:
        logs = asked.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)

        def one(spec: str) -> None:
            began = time.monotonic()
            outcomes[spec] = suite.run(spec, asked.limit, logs / f"{_file_name(spec)}.log")
            print(f"{outcomes[spec].result:8} {time.monotonic() - began:4.0f} s  {spec}", flush=True)
            table.write(dict(outcomes))

        for apart in (False, True):
            group = [spec for spec in chosen if ("[Serial]" in spec) is apart]
            _all(at_once.map(one, group) if not apart else map(one, group))
    table.write(outcomes)


def _all(done: Iterable[None]) -> None:
    for _ in done:
        pass


def _is_asked(spec: str, known: dict[str, Outcome], asked: argparse.Namespace) -> bool:
    named = not asked.words or any(word in spec for word in asked.words)
    named = named and not any(word in spec for word in asked.but)
    return named and not (asked.failed and spec in known and known[spec].result == "passed")


def _file_name(spec: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in spec)[:150]


def _labkit(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "labkit.cli", *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
