"""Why a proxy answered as it did, in plain words: Envoy's response flags, and the mesh's own last resorts.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
(``%RESPONSE_FLAGS%``).
"""

from __future__ import annotations

import re
from functools import lru_cache

import pandas as pd

from labkit.language import gettext, gettext_noop

MEANINGS = {
    "DC": gettext_noop("the caller hung up"),
    "DF": gettext_noop("the host's name could not be resolved"),
    "DI": gettext_noop("a fault rule held the request back"),
    "DPE": gettext_noop("what the caller sent is not HTTP"),
    "DT": gettext_noop("the request or the connection took longer than it may"),
    "FI": gettext_noop("a fault rule answered instead"),
    "IH": gettext_noop("a header that has to be strict was not"),
    "LH": gettext_noop("the service failed its health check"),
    "LR": gettext_noop("the proxy itself reset the connection"),
    "NC": gettext_noop("the route names a cluster this proxy does not have"),
    "NFCF": gettext_noop("the cluster's definition did not come in time"),
    "NR": gettext_noop("no route fits this host and path"),
    "OM": gettext_noop("the proxy is short of memory and refuses work"),
    "RL": gettext_noop("a rate limit refused it"),
    "RLSE": gettext_noop("the rate limit service failed"),
    "SI": gettext_noop("the connection was idle for too long"),
    "UAEX": gettext_noop("an authorization service refused it"),
    "UC": gettext_noop("the connection to the service broke off"),
    "UF": gettext_noop("no connection to the service could be made"),
    "UH": gettext_noop("no healthy pod stands behind the destination"),
    "UMSDR": gettext_noop("the service answered too slowly for its connection's lifetime"),
    "UO": gettext_noop("a circuit breaker is open: too much at once"),
    "UPE": gettext_noop("what the service sent is not HTTP"),
    "UR": gettext_noop("the service reset the connection"),
    "URX": gettext_noop("all retries are used up"),
    "UT": gettext_noop("the service did not answer in time"),
}
"""Flag → what it says."""


LAST_RESORTS = {
    "block_all": gettext_noop("the mesh does not know this host, and refuses unknown ones (REGISTRY_ONLY)"),
    "BlackHoleCluster": gettext_noop(
        "the mesh does not know this address, and closes such connections (REGISTRY_ONLY)"
    ),
    "PassthroughCluster": gettext_noop("the mesh does not know this host, and lets it pass (ALLOW_ANY)"),
}
"""Route or cluster that Istio gives a proxy for what it does not know → what that says."""


def why(flags: object, route: object, cluster: object) -> str:
    """The words for a line's flags, or for the last resort its request met; empty where all went well."""
    resorts = (_last_resort(str(name).partition("|")[0]) for name in (route, cluster))
    return meaning(flags) or next((words for words in resorts if words), "")


def meaning(flags: object) -> str:
    """*flags* (``UF,URX``) in words; empty where there are none."""
    return "; ".join(_meaning(flag) for flag in flags_of(flags))


def _meaning(flag: str) -> str:
    return gettext(MEANINGS[flag]) if flag in MEANINGS else gettext("flag {flag}", flag=flag)


def _last_resort(name: str) -> str:
    return gettext(LAST_RESORTS[name]) if name in LAST_RESORTS else ""


def flags_of(given: object) -> tuple[str, ...]:
    """The flags in what a line says of them, in its order; none where it says ``-`` or nothing."""
    return _split(given) if isinstance(given, str) else ()


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[str, ...]:
    return tuple(flag for flag in re.split(r"[,\s]+", text) if flag not in ("", "-"))


def flagged(lines: pd.DataFrame, flag: str) -> pd.DataFrame:
    """Those of *lines*, of an access log, that have *flag*."""
    return lines[[flag in flags_of(each) for each in lines["response_flags"]]]
