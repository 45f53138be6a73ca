"""The names under which a client may ask for a service: a virtual host's domains."""

from __future__ import annotations

from labkit.embedded.mesh.hosts import is_cidr
from labkit.embedded.mesh.services import Service


def domains(service: Service, client_namespace: str) -> list[str]:
    """All names of *service*, most telling first. Ports are never part of them: Envoy ignores them.

    The bare name only works for clients of the service's own namespace.
    """
    hosts = [service.host, *service.aliases]
    names = [name for host in hosts for name in (host, f"{host}.")]
    if service.from_kubernetes:
        names += [short for host in hosts for short in _short_names(host, client_namespace)]
    if service.resolution == "HEADLESS":
        return [variant for name in names for variant in (name, f"*.{name}")]
    return names + [_bracketed(address) for address in service.addresses if not is_cidr(address)]


def _short_names(host: str, client_namespace: str) -> list[str]:
    name, namespace, *_ = host.split(".")
    bare = [name] if namespace == client_namespace else []
    return [*bare, f"{name}.{namespace}.svc", f"{name}.{namespace}"]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
