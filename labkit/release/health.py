"""How each destination of a rule did, by what the mesh has seen of it and what its clients got.

A request belongs to the destination that a sidecar's log says it was sent to. It has failed where that
line tells of a failure, where the client's answer is one, and where it made the destination's own calls
fail: a failed line that the answering pod's proxy wrote of the same request. So a service counts as broken
when one that it calls is missing, although it politely answers 200 with the failure in its text.
Its latency is the duration of the caller's line, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from labkit.kube.mesh.destinations import Destination
from labkit.kube.proxies.proxies import Proxy
from labkit.language import gettext, ngettext
from labkit.traffic.failures import failed_answers, failed_lines


@dataclass(frozen=True)
class Health:
    """One destination, by the requests that were sent to it."""

    destination: str
    """As it is called here."""
    requests: int = 0
    errors: int = 0
    slow: int = 0
    """Requests that took longer than the limit."""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    example: str = ""
    """One of the errors, as a log has it."""

    @property
    def error_rate(self) -> float:
        """0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        if not self.requests:
            return gettext("{destination} none", destination=self.destination)
        errors = gettext("no errors")
        if self.errors:
            errors = ngettext("{number} error", "{number} errors", self.errors)
        return gettext(
            "{destination} {requests}, {errors}, 95 % within {p95_ms:g} ms",
            destination=self.destination,
            requests=self.requests,
            errors=errors,
            p95_ms=self.p95_ms,
        )


@dataclass(frozen=True)
class Seen:
    """What became of some requests."""

    health: tuple[Health, ...]
    """One for each destination of the rule, in its order."""
    answers: int
    """All that came back, or did not."""
    astray: int
    """Failed answers that no destination is to blame for: they never came to one."""
    example: str = ""
    """One of those, as the client saw it."""


def seen(
    answers: pd.DataFrame,
    lines: pd.DataFrame,
    request_ids: Mapping[str, str],
    proxies: Sequence[Proxy],
    destinations: Mapping[Destination, str],
    *,
    slow_ms: float,
) -> Seen:
    """What became of *answers*.

    answers: as :func:`labkit.traffic.answers.send` makes them. lines: those of every proxy's access log
    that belong to them, with ``pod``; request_ids: tag → the mesh's id. destinations: those of the rule,
    with the name to show for each.
    """
    ids = answers["tag"].map(dict(request_ids)).astype("object")
    failed_here = set(ids[failed_answers(answers)].dropna())
    calls = calls_to(lines, proxies, list(destinations))
    broken = broken_within(_answering(calls, proxies), lines)
    health = tuple(
        health_of(name, calls[calls["destination"] == i], failed_here | broken.keys(), broken, slow_ms)
        for i, name in enumerate(destinations.values())
    )
    lost = failed_answers(answers) & ~ids.isin(set(calls["request"]))
    return Seen(health, len(answers), int(lost.sum()), _words(answers[lost]))


def calls_to(
    lines: pd.DataFrame, proxies: Sequence[Proxy], destinations: Sequence[Destination]
) -> pd.DataFrame:
    """The lines in which a sidecar sent a request to one of *destinations*, with the number of it."""
    gateways = {proxy.pod for proxy in proxies if proxy.is_gateway}
    clusters = lines["upstream_cluster"].astype("object")
    numbers = {cluster: number_of(str(cluster), destinations) for cluster in clusters.dropna().unique()}
    which = clusters.map(numbers).where(~lines["pod"].isin(gateways))
    calls = lines[which.notna()].assign(destination=which.dropna().astype("int64"))
    # What a destination calls in its turn is its own affair, even if it is another of them.
    callers = calls.sort_values("start_time", kind="stable").drop_duplicates("request")
    calls = calls[calls["pod"] == calls["request"].map(callers.set_index("request")["pod"])]
    return calls.assign(failed=failed_lines(calls), pod_ip=_hosts(calls))


def number_of(cluster: str, destinations: Sequence[Destination]) -> int | None:
    """Which of *destinations* an access log's ``upstream_cluster`` is; None for none of them."""
    found = Destination.of_cluster(cluster)
    return next((i for i, one in enumerate(destinations) if found and one.takes(found)), None)


def _hosts(lines: pd.DataFrame) -> pd.Series[str]:
    return lines["upstream_host"].astype("str").str.replace(r":\d+$", "", regex=True).str.strip("[]")


def _answering(calls: pd.DataFrame, proxies: Sequence[Proxy]) -> pd.DataFrame:
    """*calls*, with the pod that answered in place of the one that called."""
    pod_of = {proxy.ip: proxy.pod for proxy in proxies if not proxy.is_gateway}
    return calls.assign(pod=calls["pod_ip"].map(pod_of))


def broken_within(answering: pd.DataFrame, lines: pd.DataFrame) -> dict[str, str]:
    """Requests of *answering* whose ``pod`` failed in calls of its own: id → what its log says."""
    who = set(zip(answering["request"], answering["pod"], strict=True))
    bad = lines[failed_lines(lines) & ~lines.index.isin(answering.index)]
    return {str(one.request): line_words(one) for one in bad.itertuples() if (one.request, one.pod) in who}


def line_words(line: object) -> str:
    """A failed line in a few words: ``404 (NR) for shop.web/cart``."""
    code, flags = getattr(line, "response_code", None), getattr(line, "response_flags", None)
    why = f" ({flags})" if isinstance(flags, str) else ""
    url = f"{getattr(line, 'authority', '')}{getattr(line, 'path', '')}"
    return gettext(
        "its log says {code}{why} for {url}",
        code=code,
        why=why,
        url=url,
    )


def health_of(
    name: str, calls: pd.DataFrame, failed_elsewhere: set[str], broken: Mapping[str, str], slow_ms: float
) -> Health:
    one_each = calls.drop_duplicates("request", keep="last")
    failed = one_each["failed"] | one_each["request"].isin(failed_elsewhere)
    times = calls.groupby("request")["duration"].max().astype("float64")
    return Health(
        name,
        requests=len(one_each),
        errors=int(failed.sum()),
        slow=int((times > slow_ms).sum()),
        p50_ms=_quantile(times, 0.5),
        p95_ms=_quantile(times, 0.95),
        example=_example(one_each[failed], broken),
    )


def _quantile(times: pd.Series[float], share: float) -> float:
    return round(float(times.quantile(share)), 1) if len(times) else 0.0


def _example(failed: pd.DataFrame, broken: Mapping[str, str]) -> str:
    if failed.empty:
        return ""
    last = next(failed.iloc[[-1]].itertuples())
    return broken.get(str(last.request)) or line_words(last)


def _words(answers: pd.DataFrame) -> str:
    if answers.empty:
        return ""
    last = answers.iloc[-1]
    return str(last["error"]) if pd.isna(last["status"]) else f"{last['status']} {last['body']}".strip()[:200]
