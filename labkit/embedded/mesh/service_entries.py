"""ServiceEntries as services of the registry: one for each host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from labkit.embedded import outside
from labkit.embedded.mesh.configs import Config, configs_of
from labkit.embedded.mesh.hosts import is_wildcard
from labkit.embedded.mesh.services import Endpoint, Resolution, Service, ServicePort, parse_protocol
from labkit.embedded.objects import Obj

_RESOLUTIONS: Mapping[str, Resolution] = {
    "NONE": "NONE",
    "STATIC": "STATIC",
    "DNS": "DNS",
    "DNS_ROUND_ROBIN": "DNS_ROUND_ROBIN",
}
_NAMED_ENDPOINTS = ("DNS", "DNS_ROUND_ROBIN")


def service_entry_services(objects: Iterable[Obj], default_export_to: Iterable[str]) -> list[Service]:
    """The registry's part that ServiceEntries add."""
    return [each for config in configs_of(objects, default_export_to) for each in _services(config)]


def played_outside(service: Service, pods: Iterable[Obj]) -> Service:
    """*service* with the addresses of those of its hosts that the lab plays, in the place of their names."""
    endpoints = {
        port: tuple(_played(each, pods) for each in found) for port, found in service.endpoints.items()
    }
    return service if endpoints == service.endpoints else replace(service, endpoints=endpoints)


def _played(endpoint: Endpoint, pods: Iterable[Obj]) -> Endpoint:
    address = outside.address_of(pods, endpoint.address)
    if address is None:
        return endpoint
    return replace(endpoint, address=address)


def _services(config: Config) -> Iterator[Service]:
    spec = config.spec
    resolution = _RESOLUTIONS.get(str(spec.get("resolution") or "NONE"))
    if resolution is None:  # DYNAMIC_DNS: refused with a warning when it was applied
        return
    ports = tuple(map(_port, spec.get("ports") or []))
    for host in spec.get("hosts") or []:
        yield Service(
            host=str(host).lower(),
            name=config.name,
            namespace=config.namespace,
            created=config.created,
            resolution=resolution,
            ports=ports,
            addresses=tuple(spec.get("addresses") or ()),
            export_to=config.export_to,
            external=spec.get("location") != "MESH_INTERNAL",
            from_kubernetes=False,
            subject_alt_names=tuple(map(str, spec.get("subjectAltNames") or ())),
            endpoints={port.name: tuple(_endpoints(config, str(host), port, resolution)) for port in ports},
        )


def _port(port: Obj) -> ServicePort:
    number = int(port["number"])
    protocol = parse_protocol(str(port.get("protocol") or ""))
    return ServicePort(str(port.get("name") or ""), number, protocol, int(port.get("targetPort") or 0))


def _endpoints(config: Config, host: str, port: ServicePort, resolution: Resolution) -> Iterator[Endpoint]:
    given, namespace = config.spec.get("endpoints") or [], config.namespace
    if not given and resolution in _NAMED_ENDPOINTS and not is_wildcard(host):
        yield Endpoint(host, _number(port))
    for each in given:
        yield _endpoint(each, port, namespace)


def _number(port: ServicePort) -> int:
    return int(port.target) or port.number


def _endpoint(given: Mapping[str, Any], port: ServicePort, namespace: str) -> Endpoint:
    return Endpoint(
        address=str(given.get("address") or ""),
        port=int((given.get("ports") or {}).get(port.name) or _number(port)),
        labels=given.get("labels") or {},
        weight=max(1, int(given.get("weight") or 1)),
        locality=str(given.get("locality") or ""),
        namespace=namespace,
        account=str(given.get("serviceAccount") or ""),
    )
