"""What the cluster says it is: which Kubernetes and which Istio it plays, on what kind of machine."""

from __future__ import annotations

import platform

KUBERNETES_VERSION = "v1.34.2+labkit"
"""As ``/version`` and the node say it; what follows ``+`` tells whose build it is."""

ISTIO_VERSION = "1.30.3"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """The machine's, as Go names it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())
