"""What becomes of a record that grows too large for one ConfigMap: the old is counted, the telling is kept.

Kept as it is: what was newest of each kind and step, when it first held, and the newest releases. Older
releases lose their pictures first. All else that is old goes into one entry, which says how much of what
there was, and of which time; the report tells it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from labkit.record.entries import Entry, in_order

LARGEST = 800_000
"""Bytes of entries with which it is time; a ConfigMap takes 1 MiB."""
_AFTERWARDS = 400_000
_PICTURES, _RELEASES = 5, 20
"""How many of the newest keep their pictures, and are kept at all."""
_ID = "condensed"


def size(entries: Sequence[Entry]) -> int:
    """Bytes that they take."""
    return sum(len(entry.id) + len(entry.text().encode()) for entry in entries)


def condensed(entries: Sequence[Entry]) -> list[Entry]:
    """*entries* in half the room; themselves where they take no more."""
    found = _with_few_pictures(in_order(entries))
    telling = {entry.id for entry in _telling(found)}
    left, folded = size(found), []
    for entry in found:
        if left <= _AFTERWARDS:
            break
        if entry.id not in telling and entry.kind != _ID:
            folded.append(entry)
            left -= size([entry])
    if not folded:
        return found
    gone = {entry.id for entry in folded}
    former = [entry for entry in found if entry.kind == _ID]
    rest = [entry for entry in found if entry.id not in gone and entry.kind != _ID]
    return in_order([_counted([*former, *folded]), *rest])


def _with_few_pictures(entries: Sequence[Entry]) -> list[Entry]:
    pictured = [entry.id for entry in entries if "picture" in entry.content][:-_PICTURES]
    return [_without_picture(entry) if entry.id in pictured else entry for entry in entries]


def _without_picture(entry: Entry) -> Entry:
    return replace(entry, content={key: one for key, one in entry.content.items() if key != "picture"})


def _telling(entries: Sequence[Entry]) -> Iterator[Entry]:
    judged = [entry for entry in entries if entry.kind in ("check", "task", "quiz", "goto")]
    yield from {(entry.kind, entry.step): entry for entry in judged}.values()
    yield from {(entry.kind, entry.step): entry for entry in reversed(judged) if entry.good}.values()
    yield from [entry for entry in entries if entry.kind == "release"][-_RELEASES:]


def _counted(entries: Sequence[Entry]) -> Entry:
    """How much of what there was in *entries*, as one; ``check 3``: so many."""
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.kind == _ID:
            counts.update({str(k): n for k, n in entry.content["counts"].items() if type(n) is int})
        else:
            counts[entry.kind if entry.step is None else f"{entry.kind} {entry.step}"] += 1
    since = min(entry.content["since"] if entry.kind == _ID else entry.time for entry in entries)
    until = max(entry.content["until"] if entry.kind == _ID else entry.time for entry in entries)
    return Entry(_ID, _ID, entries[-1].time, {"since": since, "until": until, "counts": dict(counts)})
