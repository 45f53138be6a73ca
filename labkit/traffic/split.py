"""How requests were shared out, and whether that fits the weights.

Envoy draws a destination for each request on its own, so the count of one destination is binomial
and everything can be said exactly: the interval is Clopper and Pearson's, the test is the exact
binomial one (for more than two destinations the exact multinomial one while it can be enumerated,
else each share's binomial test, Bonferroni's way). No "give or take five points", and no retries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.errors import UsageError
from labkit.kube.api.tables import as_html
from labkit.language import gettext, gettext_noop, ngettext
from labkit.markup import verdict

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
SIGNIFICANCE = 0.001
"""Below this probability a split is called out of line: one honest experiment in a thousand is."""

_ENUMERABLE = 200_000


@dataclass(frozen=True)
class Share:
    """One destination's part of the requests."""

    name: str
    count: int
    total: int
    low: float
    """Lower end of the exact 95 % interval of the share, 0 to 1."""
    high: float
    weight: float | None
    """The share the weights promise, 0 to 1; None where no weights were given."""

    @property
    def share(self) -> float:
        """The share observed, 0 to 1."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True)
class Split:
    """Observed shares, their intervals, and how well they fit the weights."""

    shares: tuple[Share, ...]
    total: int
    p_value: float | None
    """How often chance alone gives a split at least this unlikely, were the weights true."""
    left_out: int = 0
    """Requests that nobody answered: they belong to no destination."""
    trouble: str = ""
    """What was broken in the mesh itself: then nothing can be said of the weights."""
    note: str = ""
    """What to know of the destinations to read it."""

    @property
    def fits(self) -> bool | None:
        """Whether the split can be told from the weights by chance alone; None without weights."""
        return None if self.p_value is None else self.p_value >= SIGNIFICANCE

    @property
    def counts(self) -> dict[str, int]:
        """Requests by destination."""
        return {share.name: share.count for share in self.shares}

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.trouble:
            return f"✗ {self.trouble}"
        if not self.total:
            return gettext("No request was answered, so there is nothing to share out.")
        if self.p_value is None:
            return ngettext("{number} request.", "{number} requests.", self.total)
        chance = _per_cent_text(self.p_value)
        if self.fits:
            return ngettext(
                "✓ {number} request fits the weights: chance alone does this or worse {chance}.",
                "✓ {number} requests fit the weights: chance alone does this or worse {chance}.",
                self.total,
                chance=chance,
            )
        return ngettext(
            "✗ {number} request does not fit the weights: chance alone does this {chance}.",
            "✗ {number} requests do not fit the weights: chance alone does this {chance}.",
            self.total,
            chance=chance,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a destination: requests, share and interval and weight in per cent."""
        import pandas as pd

        rows = [
            {
                gettext_noop("destination"): share.name,
                gettext_noop("requests"): share.count,
                gettext_noop("share %"): round(100 * share.share, 1),
                gettext_noop("95 % interval"): gettext(
                    "{low:.1f} to {high:.1f}", low=100 * share.low, high=100 * share.high
                ),
                gettext_noop("weight %"): None if share.weight is None else round(100 * share.weight, 1),
            }
            for share in self.shares
        ]
        frame = pd.DataFrame(rows).set_index("destination") if rows else pd.DataFrame()
        return frame if self.p_value is not None else frame.drop(columns="weight %", errors="ignore")

    def _shown(self) -> pd.DataFrame:
        """The frame with its heads in the language that is spoken."""
        frame = self.to_frame().rename(columns=lambda name: gettext(str(name)))
        return frame.rename_axis(gettext(str(frame.index.name))) if frame.index.name else frame

    def __str__(self) -> str:
        return "\n".join([self._shown().to_string(), self.verdict, *self._more])

    @property
    def _more(self) -> list[str]:
        left_out = (
            ngettext(
                "{number} request was answered by no destination.",
                "{number} requests were answered by no destination.",
                self.left_out,
            )
            if self.left_out
            else ""
        )
        return [words for words in (left_out, self.note) if words]

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        table = as_html(self._shown().reset_index(), index=False) if self.shares else ""
        return table + verdict(" ".join([self.verdict, *self._more]), good=self.fits is not False)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def split(
    frame: pd.DataFrame, weights: Mapping[str, float] | None = None, *, names: Mapping[str, str] | None = None
) -> Split:
    """The shares of *frame*'s destinations: ``service`` of answers, ``upstream_cluster`` of an access log.

    weights: destination → weight, in any unit (50 and 50, or 1 and 1); what it does not name weighs 0.
    names: host name → the name to show for it, for access logs.
    """
    destinations = destinations_of(frame, names or {})
    counts = {str(name): int(n) for name, n in destinations.value_counts().items() if n}
    return split_counts(counts, weights, left_out=len(destinations) - sum(counts.values()))


def destinations_of(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.Series[Any]:
    """Where each request of *frame* went; missing where nowhere."""
    if "service" in frame:
        return frame["service"]
    clusters = outbound_clusters(frame)
    hosts = {cluster: host_of(cluster) for cluster in clusters.dropna().unique()}
    return clusters.map({cluster: names.get(host, host) for cluster, host in hosts.items() if host})


def outbound_clusters(log: pd.DataFrame) -> pd.Series[Any]:
    """The ``upstream_cluster`` of each request that was sent on; missing where it came to none.

    A sidecar's log has two lines for a call that passes through its pod; the inbound one is left out.
    """
    if "upstream_cluster" not in log:
        raise UsageError(gettext("split() takes answers of send(), or an access log: this frame is neither."))
    clusters = log["upstream_cluster"].astype("category")
    inbound = [one for one in clusters.cat.categories if host_of(str(one)) is None]
    return clusters[~clusters.isin(inbound)].astype("str")


def host_of(cluster: str) -> str | None:
    """``catalogue`` of the cluster ``outbound|80||catalogue.bookshop.svc.cluster.local``.

    ``None`` for an inbound cluster: it leads to the proxy's own service, and nothing is shared out there.
    """
    direction, _, rest = cluster.partition("|")
    if direction == "inbound":
        return None
    host = rest.rpartition("|")[2] or cluster
    return host.partition(".")[0] if host.endswith(".svc.cluster.local") else host


def split_counts(
    counts: Mapping[str, int], weights: Mapping[str, float] | None = None, *, left_out: int = 0
) -> Split:
    """As :func:`split`, from counts by destination."""
    promised = _normalised(weights) if weights is not None else {}
    total = sum(counts.values())
    shares = tuple(
        Share(name, counts.get(name, 0), total, *interval(counts.get(name, 0), total), weight)
        for name in sorted({*counts, *promised})
        for weight in [promised.get(name, 0.0) if weights is not None else None]
    )
    p_value = None if weights is None or not total else p_value_of(shares)
    return Split(shares, total, p_value, left_out)


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    if total <= 0 or any(weight < 0 for weight in weights.values()):
        raise UsageError(gettext("Weights are 0 or more, and not all 0: {dict}.", dict=dict(weights)))
    return {name: weight / total for name, weight in weights.items()}


def interval(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of a share; all of 0 to 1 where nothing was counted."""
    from scipy.special import betaincinv

    if not total:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = betaincinv(count, total - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, total - count, 1 - tail) if count < total else 1.0
    return float(low), float(high)


def p_value_of(shares: tuple[Share, ...]) -> float:
    """The exact test of *shares* against their weights."""
    if any(share.count and not share.weight for share in shares):
        return 0.0  # what has no weight can't be reached at all
    possible = [share for share in shares if share.weight]
    total = sum(share.count for share in possible)
    if len(possible) <= 2:
        return _binomial(possible[0])
    if math.comb(total + len(possible) - 1, len(possible) - 1) <= _ENUMERABLE:
        return _multinomial(possible)
    return min(1.0, len(possible) * min(_binomial(share) for share in possible))


def _binomial(share: Share) -> float:
    from scipy.stats import binomtest

    return float(binomtest(share.count, share.total, share.weight or 0.0).pvalue)


def _multinomial(shares: list[Share]) -> float:
    """The summed probability of every outcome that is no more likely than the one seen."""
    import numpy as np
    from scipy.stats import multinomial

    seen = np.array([share.count for share in shares])
    outcomes = np.array(_compositions(int(seen.sum()), len(shares)))
    model = multinomial(int(seen.sum()), [share.weight for share in shares])
    probabilities = model.pmf(outcomes)
    limit = model.pmf(seen) * (1 + 1e-7)  # equal ones differ in the last digits
    return float(min(1.0, probabilities[probabilities <= limit].sum()))


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _compositions(total - first, parts - 1)]


def _per_cent_text(probability: float) -> str:
    per_cent = 100 * probability
    if per_cent >= 1:
        return gettext("in {per_cent:.0f} of 100 experiments", per_cent=per_cent)
    if per_cent >= 0.01:
        return gettext("in {per_cent:.2g} of 100 experiments", per_cent=per_cent)
    return gettext("in less than 1 of 10,000 experiments") if probability else gettext("never")
