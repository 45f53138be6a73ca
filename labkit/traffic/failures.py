"""When a request has failed: one meaning, for every table, picture and judgement.

A line of an access log tells of a failure where the answer is 400 or more, where there is none at all,
and where a response flag says that it was cut off (``200 DC``: the caller left before the end). A line
with code 0 and no flag is a plain TCP connection that ended well. An answer has failed where the client
got none, or one of 400 or more.
Flags: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from labkit.traffic.response_flags import flags_of

_HARMLESS = frozenset({"DI", "DF", "OM"})
"""Flags that come with requests that ended well: a delay on purpose, a local reply of health checks."""


def line_failed(code: int, flags: str | None) -> bool:
    """Whether a line with that response code (0: none) and those response flags tells of a failure."""
    return code >= 400 or any(flag not in _HARMLESS for flag in flags_of(flags))


def failed_lines(lines: pd.DataFrame) -> pd.Series[bool]:
    """For each line of an access log whether it tells of a failure; index as *lines*."""
    codes = lines["response_code"].fillna(0).astype("int64").tolist()
    flags = lines["response_flags"].astype("object").where(lines["response_flags"].notna(), "").tolist()
    return _series(map(line_failed, codes, flags), lines)


def failed_answers(answers: pd.DataFrame) -> pd.Series[bool]:
    """For each answer of :func:`labkit.traffic.answers.send` whether it is a failure; index as *answers*."""
    return _series((pd.isna(status) or status >= 400 for status in answers["status"]), answers)


def _series(values: Iterable[bool], like: pd.DataFrame) -> pd.Series[bool]:
    return pd.Series(list(values), index=like.index, dtype="bool")
