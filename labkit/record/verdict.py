"""What the signature of a report's file shows, in a sentence and an exit status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from labkit.errors import UsageError
from labkit.language import gettext, ngettext
from labkit.record.envelope import Envelope, opened
from labkit.record.signature import PAGE, Signed, changed_parts, checked, known_keys
from labkit.scenario.recorded import learner_of


class Finding(IntEnum):
    """What is wrong, the worst last; its number is the exit status. (1 and 2 are a failed command's.)"""

    INTACT = 0
    OTHER_CLUSTER = 3
    UNSIGNED = 4
    CHANGED = 5
    NO_REPORT = 6


@dataclass(frozen=True)
class Verdict:
    """About one file."""

    file: Path
    finding: Finding
    words: str

    def __str__(self) -> str:
        return f"{self.file}: {self.words}"


def judge(file: Path, known: Mapping[str, Any], of: str, named: Collection[str] = ()) -> Verdict:
    """Whether *file* is as one of the *known* keys signed it. *of*: whose keys these are, in words.

    named: fingerprints of keys that are known, too, and are taken from the file.
    """
    try:
        envelope = opened(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return Verdict(file, Finding.NO_REPORT, gettext("it is no report of labkit's") + ".")
    except UsageError as error:
        return Verdict(file, Finding.NO_REPORT, f"{error}.")
    enclosed = known_keys(_keys(envelope))
    named_here = {name: key for name, key in enclosed.items() if name in named}
    return Verdict(file, *_judged(envelope, {**known, **named_here}, enclosed, of))


def _judged(
    envelope: Envelope, known: Mapping[str, Any], enclosed: Mapping[str, Any], of: str
) -> tuple[Finding, str]:
    if envelope.signature is None:
        return Finding.UNSIGNED, gettext("unsigned: nothing shows whether it was changed.")
    token = envelope.signature["token"]
    if signed := checked(token, known):
        changed = _changed(envelope, signed)
        return (Finding.CHANGED, changed) if changed else (Finding.INTACT, _intact(signed, of))
    other = checked(token, enclosed)
    if other is None:
        words = gettext(
            "its signature was not made by {of}, and the file has no key that made it: it is another "
            "cluster's, or was changed.",
            of=of,
        )
        return Finding.OTHER_CLUSTER, words
    changed = _changed(envelope, other)
    return Finding.OTHER_CLUSTER, _of_another(other, of) + (f" {changed}" if changed else "")


def _keys(envelope: Envelope) -> dict[str, Any]:
    keys = (envelope.signature or {}).get("keys")
    return keys if isinstance(keys, dict) else {}


def _changed(envelope: Envelope, signed: Signed) -> str:
    """What of it is not as it was signed, in a sentence; nothing where all is."""
    parts = changed_parts(signed, envelope.texts)
    name = str(envelope.document["about"].get("learner", ""))
    signer = _signer(signed)
    if signer != name and not parts:
        return gettext(
            "changed hands: it says that it is {name}'s, and was signed for {signer}.",
            name=_named(name),
            signer=_named(signer or signed.account),
        )
    if not parts:
        return ""
    named = ", ".join(gettext("what the page shows") if one == PAGE else one for one in parts)
    return ngettext(
        "changed since it was signed, in {number} part: {named}.",
        "changed since it was signed, in {number} parts: {named}.",
        len(parts),
        named=named,
    )


def _signer(signed: Signed) -> str | None:
    """The learner whose account it was signed with."""
    words = signed.account.split(":")
    return learner_of(words[2]) if len(words) == 4 and words[3] == "default" else None


def _named(learner: str) -> str:
    return learner or gettext("a learner without a name")


def _intact(signed: Signed, of: str) -> str:
    return gettext(
        "intact: as {of} signed it at {time:%Y-%m-%d %H:%M} UTC, for {signer} (key {key}).",
        of=of,
        time=_time(signed),
        signer=_named(_signer(signed) or ""),
        key=signed.fingerprint,
    )


def _of_another(signed: Signed, of: str) -> str:
    return gettext(
        "signed by another cluster than {of}: with the key {key}, at {time:%Y-%m-%d %H:%M} UTC by its own "
        "clock. Whose that is, this file can't prove.",
        of=of,
        key=signed.fingerprint,
        time=_time(signed),
    )


def _time(signed: Signed) -> dt.datetime:
    return dt.datetime.fromtimestamp(signed.issued, dt.UTC)
