"""``/metrics``: what the server has answered, what it keeps and what it uses, for Prometheus."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from labkit.embedded.api.request.target import Target
from labkit.embedded.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_READS = {"GET": ("GET", "LIST"), "DELETE": ("DELETE", "DELETECOLLECTION")}
"""The verb of one object, and that of a collection."""
_Labels = tuple[tuple[str, str], ...]


class Requests:
    """Counts answers."""

    def __init__(self) -> None:
        self._began = time.time()
        self._count: Counter[_Labels] = Counter()

    def note(self, method: str, target: Target | None, code: int, *, is_watch: bool) -> None:
        """One more answer; what names no resource is not told apart."""
        verb = "WATCH" if is_watch else method
        if target is not None and not is_watch and method in _READS:
            verb = _READS[method][not target.name]
        labels: dict[str, str] = {"code": str(code), "verb": verb}
        if target is not None:
            labels |= {"group": target.kind.group, "version": target.version}
            labels |= {"resource": target.kind.plural, "subresource": target.subresource}
        self._count[tuple(sorted(labels.items()))] += 1

    def text(self, store: Store) -> str:
        """All of it, in the text format."""
        kept = {each: len(store.objects(each)) for each in store.resources}
        own = resource.getrusage(resource.RUSAGE_SELF)
        used = own.ru_utime + own.ru_stime
        parts = (
            ("apiserver_request_total", "counter", "Requests answered.", self._count.items()),
            (
                "apiserver_storage_objects",
                "gauge",
                "Objects kept, by resource.",
                (((("resource", name),), number) for name, number in sorted(kept.items()) if number),
            ),
            (
                "process_cpu_seconds_total",
                "counter",
                "Processor time used.",
                [((), used)],
            ),
            ("process_resident_memory_bytes", "gauge", "Memory used.", [((), _resident())]),
            ("process_start_time_seconds", "gauge", "When it began.", [((), self._began)]),
        )
        return "".join(line for part in parts for line in _family(*part))


def _family(name: str, kind: str, words: str, values: Iterable[tuple[_Labels, float]]) -> Iterator[str]:
    yield f"# HELP {name} {words}\n# TYPE {name} {kind}\n"
    for labels, value in values:
        shown = ",".join(f'{key}="{text}"' for key, text in labels)
        yield f"{name}{{{shown}}} {value}\n" if shown else f"{name} {value}\n"


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
