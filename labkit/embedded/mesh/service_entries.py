"""ServiceEntries as services of the registry: one for each host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from labkit.embedded import outside
from labkit.embedded.mesh.configs import Config, configs_of
from labkit.embedded.mesh.hosts import is_wildcard
from labkit.embedded.mesh.selected_workloads import Selected, SelectedWorkloads, entry_endpoint
from labkit.embedded.mesh.services import Endpoint, Resolution, Service, ServicePort, parse_protocol
from labkit.embedded.objects import Obj

_RESOLUTIONS: Mapping[str, Resolution] = {
    "NONE": "NONE",
    "STATIC": "STATIC",
    "DNS": "DNS",
    "DNS_ROUND_ROBIN": "DNS_ROUND_ROBIN",
}
_NAMED_ENDPOINTS = ("DNS", "DNS_ROUND_ROBIN")


def service_entry_services(
    objects: Iterable[Obj], default_export_to: Iterable[str], workloads: SelectedWorkloads
) -> list[Service]:
    """The registry's part that ServiceEntries add; *workloads*: those they may choose."""
    return [
        each for config in configs_of(objects, default_export_to) for each in _services(config, workloads)
    ]


def played_outside(service: Service, pods: Iterable[Obj]) -> Service:
    """*service* with the addresses of those of its hosts that the lab plays, in the place of their names."""
    endpoints = {
        port: tuple(_played(each, pods) for each in found) for port, found in service.endpoints.items()
    }
    return service if endpoints == service.endpoints else replace(service, endpoints=endpoints)


def by_address(services: Iterable[Service]) -> dict[tuple[str, str], list[Service]]:
    """Those that have an endpoint there: by their namespace and the address."""
    found: dict[tuple[str, str], list[Service]] = {}
    for service in services:
        for address in {each.address for those in service.endpoints.values() for each in those}:
            found.setdefault((service.namespace, address), []).append(service)
    return found


def _played(endpoint: Endpoint, pods: Iterable[Obj]) -> Endpoint:
    address = outside.address_of(pods, endpoint.address)
    if address is None:
        return endpoint
    return replace(endpoint, address=address)


def _services(config: Config, workloads: SelectedWorkloads) -> Iterator[Service]:
    spec = config.spec
    resolution = _RESOLUTIONS.get(str(spec.get("resolution") or "NONE"))
    if resolution is None:  # DYNAMIC_DNS: refused with a warning when it was applied
        return
    ports = tuple(map(_port, spec.get("ports") or []))
    chosen = list(_chosen(config, workloads))
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
            endpoints={
                port.name: tuple(_endpoints(config, str(host), port, resolution, chosen)) for port in ports
            },
        )


def _port(port: Obj) -> ServicePort:
    number = int(port["number"])
    protocol = parse_protocol(str(port.get("protocol") or ""))
    return ServicePort(str(port.get("name") or ""), number, protocol, int(port.get("targetPort") or 0))


def _chosen(config: Config, workloads: SelectedWorkloads) -> Iterator[Selected]:
    """The workloads that its selector finds; one with endpoints of its own has none."""
    selector = (config.spec.get("workloadSelector") or {}).get("labels") or {}
    if selector and not config.spec.get("endpoints"):
        yield from workloads.of(config.namespace, selector)


def _endpoints(
    config: Config, host: str, port: ServicePort, resolution: Resolution, chosen: Sequence[Selected]
) -> Iterator[Endpoint]:
    given, namespace = config.spec.get("endpoints") or [], config.namespace
    selects = bool((config.spec.get("workloadSelector") or {}).get("labels"))
    if not given and not selects and resolution in _NAMED_ENDPOINTS and not is_wildcard(host):
        yield Endpoint(host, _number(port))
    for each in given:
        number = int((each.get("ports") or {}).get(port.name) or _number(port))
        yield replace(entry_endpoint(each, namespace), port=number)
    for one in chosen:
        if resolution in _NAMED_ENDPOINTS or not one.is_named:
            yield replace(one.endpoint, port=one.ports.get(port.name) or _number(port))


def _number(port: ServicePort) -> int:
    return int(port.target) or port.number
