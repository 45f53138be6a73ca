"""Retry policies: Istio's default, and ``HTTPRetry`` of a VirtualService or the mesh settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.embedded.integers import unsigned
from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.translate.naming import typed

DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
STATUS_CODES = "retriable-status-codes"

_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
}
_PREVIOUS_PRIORITIES = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": typed(
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        update_frequency=2,
    ),
}
_ELSEWHERE = {"retry_host_predicate": [_PREVIOUS_HOSTS]}


def retry_policy(retries: Mapping[str, Any] | None, *, hashed: bool = False) -> dict[str, Any] | None:
    """Envoy's policy for *retries*; None where they are switched off (``attempts: 0``).

    *retries* None means Istio's default. Where requests are *hashed* to one host, a retry stays there.
    """
    given = retries or {}
    attempts = 2 if retries is None else int(given.get("attempts") or 0)
    if attempts <= 0:
        return None
    policy: dict[str, Any] = {"num_retries": attempts, **_conditions(str(given.get("retryOn") or ""))}
    policy |= _ELSEWHERE if given.get("retryIgnorePreviousHosts", not hashed) else {}
    policy["host_selection_retry_max_attempts"] = "5"
    if given.get("perTryTimeout"):
        policy["per_try_timeout"] = proto(given["perTryTimeout"])
    if given.get("backoff"):
        policy["retry_back_off"] = {"base_interval": proto(given["backoff"])}
    if given.get("retryRemoteLocalities"):
        policy["retry_priority"] = _PREVIOUS_PRIORITIES
    return policy


def inbound_retry_policy() -> dict[str, Any]:
    """The app's connection may have died since it was last used; nothing was sent, so try again."""
    return {"retry_on": "reset-before-request", "num_retries": 2}


def _conditions(retry_on: str) -> dict[str, Any]:
    words = [word.strip() for word in (retry_on or DEFAULT_RETRY_ON).split(",") if word.strip()]
    codes = [code for word in words if (code := unsigned(word)) is not None]
    names = [word for word in words if unsigned(word) is None]
    if codes and STATUS_CODES not in names:
        names.append(STATUS_CODES)
    return {"retry_on": ",".join(names)} | ({"retriable_status_codes": codes} if codes else {})
