"""Why a proxy answered as it did, in plain words: Envoy's response flags, and the mesh's own last resorts.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
(``%RESPONSE_FLAGS%``).
"""

from __future__ import annotations

import re
from functools import lru_cache

import pandas as pd

MEANINGS = {
    "DC": "the caller hung up",
    "DF": "the host's name could not be resolved",
    "DI": "a fault rule held the request back",
    "DPE": "what the caller sent is not HTTP",
    "DT": "the request or the connection took longer than it may",
    "FI": "a fault rule answered instead",
    "IH": "a header that has to be strict was not",
    "LH": "the service failed its health check",
    "LR": "the proxy itself reset the connection",
    "NC": "the route names a cluster this proxy does not have",
    "NFCF": "the cluster's definition did not come in time",
    "NR": "no route fits this host and path",
    "OM": "the proxy is short of memory and refuses work",
    "RL": "a rate limit refused it",
    "RLSE": "the rate limit service failed",
    "SI": "the connection was idle for too long",
    "UAEX": "an authorization service refused it",
    "UC": "the connection to the service broke off",
    "UF": "no connection to the service could be made",
    "UH": "no healthy pod stands behind the destination",
    "UMSDR": "the service answered too slowly for its connection's lifetime",
    "UO": "a circuit breaker is open: too much at once",
    "UPE": "what the service sent is not HTTP",
    "UR": "the service reset the connection",
    "URX": "all retries are used up",
    "UT": "the service did not answer in time",
}
"""Flag → what it says."""


LAST_RESORTS = {
    "block_all": "the mesh does not know this host, and refuses unknown ones (REGISTRY_ONLY)",
    "BlackHoleCluster": "the mesh does not know this address, and closes such connections (REGISTRY_ONLY)",
    "PassthroughCluster": "the mesh does not know this host, and lets it pass (ALLOW_ANY)",
}
"""Route or cluster that Istio gives a proxy for what it does not know → what that says."""


def why(flags: object, route: object, cluster: object) -> str:
    """The words for a line's flags, or for the last resort its request met; empty where all went well."""
    resorts = (LAST_RESORTS.get(str(name).partition("|")[0], "") for name in (route, cluster))
    return meaning(flags) or next((words for words in resorts if words), "")


def meaning(flags: object) -> str:
    """*flags* (``UF,URX``) in words; empty where there are none."""
    return "; ".join(MEANINGS.get(flag, f"flag {flag}") for flag in flags_of(flags))


def flags_of(given: object) -> tuple[str, ...]:
    """The flags in what a line says of them, in its order; none where it says ``-`` or nothing."""
    return _split(given) if isinstance(given, str) else ()


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[str, ...]:
    return tuple(flag for flag in re.split(r"[,\s]+", text) if flag not in ("", "-"))


def flagged(lines: pd.DataFrame, flag: str) -> pd.DataFrame:
    """Those of *lines*, of an access log, that have *flag*."""
    return lines[[flag in flags_of(each) for each in lines["response_flags"]]]
