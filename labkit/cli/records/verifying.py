"""``labkit report --verify``: what reports' signatures show, by a cluster's keys or by fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labkit.errors import ClusterError
from labkit.kube.connecting.connect import connect
from labkit.language import gettext
from labkit.record.signature import KEYS_PATH, known_keys
from labkit.record.verdict import judge


def verify_all(files: Sequence[Path], context: str | None, fingerprints: Sequence[str]) -> int:
    """Say it of each file, by the cluster's keys and those of *fingerprints*; the exit status: the worst."""
    known, of = _known(context, known_otherwise=bool(fingerprints))
    verdicts = [judge(file, known, of, fingerprints) for file in files]
    for verdict in verdicts:
        print(verdict)
    return max(verdict.finding for verdict in verdicts)


def print_fingerprints(context: str | None) -> None:
    """One a line: to be noted where reports come from clusters of the learners' own."""
    for each in known_keys(connect(context=context, start=False).get(KEYS_PATH)):
        print(each)


def _known(context: str | None, *, known_otherwise: bool) -> tuple[dict[str, Any], str]:
    """The cluster's keys, and whose they are in words; none where there is no cluster and it must not be."""
    try:
        api = connect(context=context, start=False)
        return known_keys(api.get(KEYS_PATH)), gettext("the cluster at {host}", host=api.host)
    except ClusterError:
        if not known_otherwise:
            raise
        return {}, gettext("one of the keys that you named")
