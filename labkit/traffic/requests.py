"""Requests that were sent, as whoever asks about them may name them."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import pandas as pd

from labkit.errors import UsageError
from labkit.language import gettext
from labkit.traffic.curl import Answer

Requests: TypeAlias = Answer | pd.DataFrame
"""The answer of curl(), or the frame of send() or a part of it."""


def marks(of: Requests) -> tuple[list[str], dt.datetime]:
    """The tags of those that were answered and bear one, and a moment before the first of them was sent.

    Raises UsageError for what is neither an answer nor a frame of answers.
    """
    if isinstance(of, Answer):
        return [of.tag] * bool(of.tag), of.sent_at
    if not isinstance(of, pd.DataFrame) or "status" not in of:
        raise UsageError(
            gettext("of= takes what lab.curl() or lab.send() gave back, not {named}.", named=_named(of))
        )
    if "tag" not in of:
        return [], dt.datetime.now(dt.UTC)
    answered = of[of["status"].notna() & (of["tag"] != "")]
    if answered.empty:
        return [], dt.datetime.now(dt.UTC)
    return answered["tag"].tolist(), answered["time"].min().to_pydatetime()


def _named(thing: object) -> str:
    return gettext("another frame") if isinstance(thing, pd.DataFrame) else repr(thing)
