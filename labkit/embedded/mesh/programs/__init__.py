"""The programs that Istio's images hold, for those who type ``kubectl exec``."""

from __future__ import annotations

import sys
from pathlib import Path

REQUEST = Path(__file__).with_name("request.py")


def pilot_agent(admin: Path) -> dict[str, list[str]]:
    """``pilot-agent``, which asks the Envoy whose admin socket is *admin*."""
    return _asking("pilot-agent", admin)


def pilot_discovery(debug: Path) -> dict[str, list[str]]:
    """``pilot-discovery``, which asks istiod's debug pages on the socket *debug*."""
    return _asking("pilot-discovery", debug)


def _asking(name: str, socket: Path) -> dict[str, list[str]]:
    return {name: [sys.executable, "-I", "-S", str(REQUEST), name, str(socket)]}
