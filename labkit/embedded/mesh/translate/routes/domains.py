"""The names under which a client may ask for a service: a virtual host's domains."""

from __future__ import annotations

from labkit.embedded.mesh.hosts import is_cidr
from labkit.embedded.mesh.services import Service


def domains(service: Service, client_namespace: str) -> list[str]:
    """All names of *service*, most telling first. Ports are never part of them: Envoy ignores them.

    The bare name only works for clients of the service's own namespace.
    """
    names = [
        name
        for host in [service.host, *service.aliases]
        for name in (host, f"{host}.", *_short_names(host, client_namespace))
    ]
    if service.resolution == "HEADLESS":
        return names + [f"*.{name}" for name in names]
    return names + [_bracketed(address) for address in service.addresses if not is_cidr(address)]


def _short_names(host: str, client_namespace: str) -> list[str]:
    """Of a host within the cluster's domain, whoever registered it; in the order istiod has them."""
    short = host.partition(".svc.")[0]
    name, _, namespace = short.partition(".")
    if short == host or not namespace:
        return []
    return [name, f"{short}.svc", short] if namespace == client_namespace else [short, f"{short}.svc"]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
