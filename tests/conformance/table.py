"""The table of results: a line for each spec, kept beside this file and read before it is written."""

from __future__ import annotations

import csv
import fcntl
import tomllib
from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from tests.conformance.suite import Outcome

RESULTS = Path(__file__).parent / "results.csv"
IMPOSSIBLE = Path(__file__).parent / "impossible.toml"
_COLUMNS = ("spec", "result", "reason")


def read() -> dict[str, Outcome]:
    """What is known of each spec."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return {row["spec"]: Outcome(row["result"], row["reason"]) for row in csv.DictReader(file)}


def write(outcomes: Mapping[str, Outcome]) -> None:
    """Keep *outcomes*, in the order of names."""
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows((spec, each.result, each.reason) for spec, each in sorted(outcomes.items()))


def update(outcomes: Mapping[str, Outcome]) -> None:
    """Keep *outcomes* beside what others have found meanwhile."""
    with RESULTS.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write({**read(), **outcomes})


def impossible(spec: str) -> str:
    """Why no process of an ordinary account can do what *spec* asks; empty where it can."""
    reasons = tomllib.loads(IMPOSSIBLE.read_text(encoding="utf-8"))["reason"]
    return next((each["why"] for each in reasons if any(_named(spec, name) for name in each["specs"])), "")


def _named(spec: str, pattern: str) -> bool:
    return fnmatchcase(spec.replace("[", "(").replace("]", ")"), pattern.replace("[", "(").replace("]", ")"))


def summary(outcomes: Mapping[str, Outcome]) -> str:
    """How many of each result, in all and in each of upstream's groups."""
    groups: dict[str, Counter[str]] = {}
    for spec, outcome in sorted(outcomes.items()):
        for group in ("all", spec.partition("]")[0].removeprefix("[")):
            groups.setdefault(group, Counter())[outcome.result] += 1
    results = ("passed", "failed", "skipped", "impossible", "not run")
    lines = [f"| group | {' | '.join(results)} |", "|---|" + "---|" * len(results)]
    for group, counted in groups.items():
        lines.append(f"| {group} | {' | '.join(str(counted[each]) for each in results)} |")
    return "\n".join(lines)
