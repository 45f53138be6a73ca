"""The pod as its supervisor knows it, and what it asks :mod:`labkit.embedded.node.network.pod_network`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labkit.embedded.low_ports import labkit_ports

SHIM = Path(__file__).parents[1] / "shim"
PYTHONPATH = os.pathsep.join((str(SHIM), str(Path(labkit_ports.__file__).parent)))
SECONDS = 5.0  # the node is on this machine: longer means that it hangs


@dataclass(frozen=True)
class Place:
    """Where in the cluster's network a program is."""

    socket: str
    """Where the node answers."""
    namespace: str
    pod: str
    pod_ip: str
    app_ip: str
    sidecar: str = ""
    """The Unix socket of the Envoy that takes the program's connections; empty where none does."""
    outbound_rules: Mapping[str, Any] = field(default_factory=dict)
    admin: str = ""
    """The Unix socket of the pod's Envoy's admin interface."""
    lowest_port: int = 1
    """The lowest port that may be opened (:mod:`labkit.embedded.low_ports`)."""

    def ask(self, *question: str) -> list[str]:
        """One question to the node; an empty answer where the node does not answer."""
        with socket.socket(socket.AF_UNIX) as node:
            node.settimeout(SECONDS)
            try:
                node.connect(self.socket)
                node.sendall(" ".join(question).encode() + b"\n")
                with node.makefile("rb") as answer:
                    return answer.readline().decode().split()
            except OSError:
                return []

    def shim_environment(self) -> dict[str, str]:
        """The variables that put a Python process into the pod's network, by the shim."""
        return {"PYTHONPATH": PYTHONPATH, "LABKIT_POD_NETWORK": json.dumps(asdict(self))}
