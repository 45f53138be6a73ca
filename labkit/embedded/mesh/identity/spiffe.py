"""SPIFFE identities, as Istio forms them.

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
"""

from __future__ import annotations

from labkit.embedded.objects import Obj

SCHEME = "spiffe://"
DEFAULT_ACCOUNT = "default"


def spiffe_id(trust_domain: str, namespace: str, account: str) -> str:
    """``spiffe://cluster.local/ns/shop/sa/frontend``."""
    return f"{SCHEME}{trust_domain}/ns/{namespace}/sa/{account}"


def account_of(pod: Obj) -> str:
    """The service account that *pod* runs as."""
    return str((pod.get("spec") or {}).get("serviceAccountName") or DEFAULT_ACCOUNT)
