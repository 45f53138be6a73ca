"""Istio's standard metrics, read from the proxies that counted them.

https://istio.io/latest/docs/reference/config/metrics/

A row is one series of one proxy:

========================  ================================================================================
column                    meaning
========================  ================================================================================
metric                    ``istio_requests_total``, ``istio_request_duration_milliseconds``, …
pod                       whose proxy counted
reporter                  ``source``: the caller's proxy, ``destination``: that of who was called
source_workload, …        Istio's labels, as the proxy gives them; empty where a series has none of it
value                     a counter's value; of a histogram how often something was measured
mean, p50, p90, p99       of a histogram: the mean, and quantiles as Prometheus reads them out of buckets
========================  ================================================================================
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pandas as pd
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from labkit.errors import LabkitError
from labkit.kube.api.api import Api
from labkit.kube.api.tables import Listing
from labkit.kube.proxies.proxies import proxies_of
from labkit.kube.proxies.proxy_admin import ask_text
from labkit.language import gettext

PAGE = "stats/prometheus"
PREFIX = "istio_"
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_NUMBERS = ("value", "mean", *_QUANTILES)
_NOT_TRAFFIC = ("istio_build", "istio_agent_")


def metrics(api: Api, app: str, namespace: str, metric: str = "") -> pd.DataFrame:
    """What the proxies of the pods labelled ``app=…`` have counted; *metric*: of this name only.

    AdminRefused where a proxy can't be asked, WaitFailed where there is none.
    """
    proxies = proxies_of(api, app, namespace)
    rows: list[dict[str, object]] = []
    for proxy in proxies:
        ask_text(api, proxy, PAGE)  # Envoy shows what its threads have measured when it is asked once more
        rows += (row | {"pod": proxy.pod} for row in series(ask_text(api, proxy, PAGE)))
    chosen = [row for row in rows if metric in ("", row["metric"])]
    return _frame(chosen)


def series(text: str) -> Iterator[dict[str, object]]:
    """The rows of one proxy's page, in Prometheus' text format; LabkitError where it is none."""
    wanted = (line for line in text.splitlines() if PREFIX in line)
    try:
        families = list(text_string_to_metric_families("\n".join(wanted) + "\n"))
    except ValueError as error:
        raise LabkitError(gettext("The proxy's metrics can't be read: {error}", error=error)) from error
    for family in families:
        if family.name.startswith(PREFIX) and not family.name.startswith(_NOT_TRAFFIC):
            yield from _histograms(family) if family.type == "histogram" else _counters(family)


def _counters(family: Metric) -> Iterator[dict[str, object]]:
    for sample in family.samples:
        yield {"metric": sample.name, **sample.labels, "value": sample.value}


def _histograms(family: Metric) -> Iterator[dict[str, object]]:
    buckets: dict[tuple[tuple[str, str], ...], dict[float, float]] = defaultdict(dict)
    sums: dict[tuple[tuple[str, str], ...], dict[str, float]] = defaultdict(dict)
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        if sample.name.endswith("_bucket"):
            buckets[labels][float(sample.labels["le"])] = sample.value
        else:
            sums[labels][sample.name.rpartition("_")[2]] = sample.value
    for labels, found in sums.items():
        count = found.get("count", 0.0)
        mean = found.get("sum", 0.0) / count if count else math.nan
        read = {name: quantile(buckets[labels], share) for name, share in _QUANTILES.items()}
        yield {"metric": family.name, **dict(labels), "value": count, "mean": mean, **read}


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """As Prometheus' ``histogram_quantile``: *buckets* are cumulative counts by upper bound."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return math.nan
    lower, before = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * total:
            if math.isinf(bound):
                return lower
            within = buckets[bound] - before
            return lower + (bound - lower) * ((share * total - before) / within if within else 1.0)
        lower, before = bound, buckets[bound]
    return lower


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=None if rows else ["metric", "pod", "reporter", *_NUMBERS])
    first = ["metric", "pod", "reporter"]
    labels = [name for name in frame.columns if name not in (*first, *_NUMBERS)]
    ordered = frame.reindex(columns=[*first, *labels, *_NUMBERS])
    ordered = ordered.astype(dict.fromkeys(_NUMBERS, float))
    ordered[[*first, *labels]] = ordered[[*first, *labels]].fillna("").astype("string")
    return Listing(ordered.sort_values(["metric", "pod", "reporter"], ignore_index=True))
