"""The environment variables that tell a container of the Services there are when it starts.

Those of its pod's namespace, unless ``enableServiceLinks`` is false, and always ``kubernetes``.
Source: pkg/kubelet/envvars and ``getServiceEnvVarMap`` of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, name_of, namespace_of

_MASTER = ("kubernetes", "default")


def service_environment(client: Client, pod: Obj) -> dict[str, str]:
    """The variables of all Services that *pod*'s containers are told of."""
    linked = pod["spec"].get("enableServiceLinks", True)
    services = {name_of(each): each for each in client.list("services", namespace_of(pod)) if linked}
    if master := client.find("services", *_MASTER):
        services[name_of(master)] = master
    return {name: value for each in services.values() for name, value in _variables(each)}


def _variables(service: Obj) -> Iterable[tuple[str, str]]:
    address, ports = str(service["spec"].get("clusterIP") or ""), service["spec"].get("ports") or []
    if address in ("", "None") or not ports:
        return
    prefix = _name(name_of(service))
    yield f"{prefix}_SERVICE_HOST", address
    yield f"{prefix}_SERVICE_PORT", str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_name(port['name'])}", str(port["port"])
    yield f"{prefix}_PORT", _url(address, ports[0])
    for port in ports:
        yield from _link(f"{prefix}_PORT", address, port)


def _link(prefix: str, address: str, port: Obj) -> Iterable[tuple[str, str]]:
    """As Docker once named a linked container's port."""
    protocol = _protocol(port)
    name = f"{prefix}_{port['port']}_{protocol}"
    yield name, _url(address, port)
    yield f"{name}_PROTO", protocol.lower()
    yield f"{name}_PORT", str(port["port"])
    yield f"{name}_ADDR", address


def _url(address: str, port: Obj) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{_protocol(port).lower()}://{host}:{port['port']}"


def _protocol(port: Obj) -> str:
    return str(port.get("protocol") or "TCP").upper()


def _name(text: str) -> str:
    return text.replace("-", "_").upper()
