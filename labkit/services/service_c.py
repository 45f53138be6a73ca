"""ServiceC: the producer that asks the other cluster, through that cluster's ingress gateway."""

from __future__ import annotations

from labkit.services import master_system

URL = "http://istio-ingressgateway.istio-system.svc.cluster.local/service-ext"


def main() -> None:
    """Serve on port 8082."""
    master_system.caller("ServiceC", 8082, URL, "Hello from ServiceC!")
