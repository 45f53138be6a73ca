"""What stands before a proxy, and what it passes on of its callers' certificates: ``ProxyConfig``'s
``gatewayTopology`` at gateways, ``proxyHeaders`` at sidecars; from the pod's annotation
``proxy.istio.io/config``, else from the mesh's ``defaultConfig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.proxy_config import proxy_config

_DETAILS = {"subject": True, "dns": True, "uri": True, "cert": False, "chain": False}
"""What a sidecar tells of a certificate, if nobody says otherwise."""
_SETTING = ("APPEND_FORWARD", "SANITIZE_SET")


@dataclass(frozen=True)
class Topology:
    """As far as it is said."""

    trusted_proxies: int = 0
    """How many proxies before a gateway are believed when they say who called."""
    forward: str = ""
    """What becomes of ``x-forwarded-client-cert``."""
    details: Mapping[str, bool] = field(default_factory=dict)

    def fields(self, *, gateway: bool) -> dict[str, Any]:
        """Of an HTTP connection manager that is a gateway's or a sidecar's."""
        forward = self.forward or ("SANITIZE_SET" if gateway else "APPEND_FORWARD")
        details = {"subject": True, "dns": True, "uri": True, "cert": True} if gateway else self._details()
        return {
            **({"xff_num_trusted_hops": self.trusted_proxies} if self.trusted_proxies else {}),
            "forward_client_cert_details": forward,
            **({"set_current_client_cert_details": details} if forward in _SETTING or not gateway else {}),
        }

    def _details(self) -> dict[str, Any]:
        return {name: True for name, told in (_DETAILS | dict(self.details)).items() if told}


def topology_of(state: MeshState, proxy: Proxy) -> Topology:
    """What is said of *proxy*."""
    own = proxy_config(state.pod_of(proxy) or {})
    if proxy.kind == "router":
        given = _section(state, own, "gatewayTopology")
        trusted = int(given.get("numTrustedProxies") or 0)
        return Topology(trusted, _forward(given.get("forwardClientCertDetails")))
    given = _section(state, own, "proxyHeaders")
    details = given.get("setCurrentClientCertDetails") or {}
    return Topology(0, _forward(given.get("forwardedClientCert")), {**details})


def _section(state: MeshState, own: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The mesh's, with the pod's own laid over it."""
    both = (state.mesh.default_config.get(name) or {}, own.get(name) or {})
    return {key: value for each in both if isinstance(each, Mapping) for key, value in each.items()}


def _forward(given: Any) -> str:
    return str(given) if given and given != "UNDEFINED" else ""
