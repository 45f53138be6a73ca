"""What the Kubernetes API refuses, and what the network does to us, as labkit's own errors.

This is the one boundary: above it nobody sees an ``urllib3`` exception or a ``metav1.Status``. The
original is kept as ``__cause__`` for whoever debugs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3.exceptions as http

from labkit.errors import ApiRefused, ClusterError, ConnectionLost, LabkitError
from labkit.language import gettext, gettext_noop

_NEXT_STEPS = {
    401: gettext_noop("Log in again, or take a fresh kubeconfig: the token of this one is not accepted."),
    403: gettext_noop(
        "Ask the administrator of the cluster for this permission, or use a cluster of your own."
    ),
    429: gettext_noop("The API server is busy: try again in a moment."),
}


def refused(code: int, body: bytes, thing: str) -> ApiRefused:
    """The error for an answer of status *code*; *body* is usually a ``metav1.Status``."""
    status = _status(body)
    message = str(
        status.get("message") or body.decode(errors="replace").strip() or gettext("HTTP {code}", code=code)
    )
    sentences = [message, gettext(_NEXT_STEPS[code]) if code in _NEXT_STEPS else ""]
    return ApiRefused(
        "\n".join(sentence for sentence in sentences if sentence),
        code=code,
        reason=str(status.get("reason") or ""),
        thing=thing,
    )


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Turn what ``urllib3`` raises inside the block into a sentence about the API server at *host*."""
    try:
        yield
    except http.HTTPError as error:
        raise _connection_error(error, host) from error


def _connection_error(error: http.HTTPError, host: str) -> LabkitError:
    cause = error.reason if isinstance(error, http.MaxRetryError) and error.reason else error
    match cause:
        case http.NewConnectionError() | http.ConnectTimeoutError():
            return ConnectionLost(
                gettext("Nothing answers at {host}. Is the cluster up? `labkit up` starts yours.", host=host)
            )
        case http.ReadTimeoutError() | http.TimeoutError():
            return ConnectionLost(
                gettext("The API server at {host} was too slow to answer. Try again in a moment.", host=host)
            )
        case http.SSLError():
            return ClusterError(
                gettext(
                    "The certificate of {host} is not the one the kubeconfig expects: {cause}",
                    host=host,
                    cause=cause,
                )
            )
    return ConnectionLost(
        gettext("The connection to the API server at {host} broke off. Try again in a moment.", host=host)
    )
