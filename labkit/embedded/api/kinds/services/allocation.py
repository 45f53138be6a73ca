"""Cluster IPs and node ports, given to a Service when it is created and kept while it needs them.

A Service's first choice follows from its namespace and name, so the same manifests get the same
addresses in every new cluster, and a name that is deleted and made again finds its address again.
"""

from __future__ import annotations

import ipaddress
import socket
import zlib
from collections.abc import Iterator

from labkit.embedded.addresses import NODE_ADDRESS, SERVICE_NETWORK
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, invalid
from labkit.embedded.store import Store

NODE_PORTS = range(30000, 32768)
_FIRST_IP, _IPS = 10, SERVICE_NETWORK.num_addresses - 11  # the first ones are for the system's own


def prepare_service(store: Store, service: Obj, old: Obj | None) -> None:
    """Keep, give or take back the addresses of *service*, as its type asks."""
    spec = service.setdefault("spec", {})
    if old:
        _keep(spec, old.get("spec", {}))
    if spec.get("type") == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(key, None)
        return
    _give_cluster_ip(store, service, spec, old)
    if needs_node_ports(spec):
        _give_node_ports(store, service, spec)


def needs_node_ports(spec: Obj) -> bool:
    """Whether a Service of this *spec* has a node port for each of its ports."""
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True))


def _keep(spec: Obj, before: Obj) -> None:
    if before.get("type") != "ExternalName" and not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"], spec["clusterIPs"] = before["clusterIP"], before["clusterIPs"]
    had = {_port_key(port): port.get("nodePort") for port in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        known = had.get(_port_key(port))
        if needs_node_ports(spec):
            if not port.get("nodePort") and known:
                port["nodePort"] = known
        elif needs_node_ports(before) and port.get("nodePort") == known:
            port.pop("nodePort", None)


def _port_key(port: Obj) -> tuple[str, int]:
    return port.get("protocol", "TCP"), port.get("port", 0)


def _give_cluster_ip(store: Store, service: Obj, spec: Obj, old: Obj | None) -> None:
    wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
    if not wanted:
        wanted = _free_ip(store, service)
    elif wanted != "None" and not (old or {}).get("spec", {}).get("clusterIP"):  # it may not change later
        _check_ip(store, service, wanted)
    spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _used_ips(store: Store) -> set[str]:
    return {service.get("spec", {}).get("clusterIP", "") for service in store.objects("services")}


def _free_ip(store: Store, service: Obj) -> str:
    used = _used_ips(store)
    for offset in _choices(service, "", _IPS):
        address = str(SERVICE_NETWORK[_FIRST_IP + offset])
        if address not in used:
            return address
    raise ApiError(500, "InternalError", f"failed to allocate a serviceIP: {SERVICE_NETWORK} is full")


def _check_ip(store: Store, service: Obj, address: str) -> None:
    try:
        inside = ipaddress.ip_address(address) in SERVICE_NETWORK
    except ValueError:
        raise _no_ip(service, address) from None
    if not inside:
        why = (
            f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. "
            f"The range of valid IPs is {SERVICE_NETWORK}"
        )
        raise _refused_ip(service, address, why)
    if address in _used_ips(store):
        raise _refused_ip(
            service, address, f"failed to allocate IP {address}: provided IP is already allocated"
        )


def _no_ip(service: Obj, address: str) -> ApiError:
    message = f'Invalid value: "{address}": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
    return invalid("Service", "", name_of(service), [("spec.clusterIPs[0]", "FieldValueInvalid", message)])


def _refused_ip(service: Obj, address: str, why: str) -> ApiError:
    cause = ("spec.clusterIPs", "FieldValueInvalid", f'Invalid value: ["{address}"]: {why}')
    return invalid("Service", "", name_of(service), [cause])


def _give_node_ports(store: Store, service: Obj, spec: Obj) -> None:
    used = _used_node_ports(store, service)
    for index, port in enumerate(spec.get("ports") or ()):
        if port.get("nodePort"):
            _check_node_port(service, index, port["nodePort"], used)
        else:
            port["nodePort"] = _free_node_port(store, service, port, used)
        used.add(port["nodePort"])


def _used_node_ports(store: Store, service: Obj) -> set[int]:
    me = (namespace_of(service), name_of(service))
    others = (each for each in store.objects("services") if (namespace_of(each), name_of(each)) != me)
    ports = (port for each in others for port in each.get("spec", {}).get("ports") or ())
    return {port["nodePort"] for port in ports if port.get("nodePort")}


def _check_node_port(service: Obj, index: int, port: int, used: set[int]) -> None:
    if port not in NODE_PORTS:
        why = (
            "provided port is not in the valid range. "
            f"The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
        )
    elif port in used:
        why = "provided port is already allocated"
    else:
        return
    cause = (f"spec.ports[{index}].nodePort", "FieldValueInvalid", f"Invalid value: {port}: {why}")
    raise invalid("Service", "", name_of(service), [cause])


def _free_node_port(store: Store, service: Obj, port: Obj, used: set[int]) -> int:
    """One nobody has bound. Every cluster of a host begins elsewhere to look.

    A gateway without a rule listens on none of its ports, so that another cluster's would seem to be free.
    """
    for offset in _choices(service, f"{port.get('port')}/{store.path}", len(NODE_PORTS)):
        candidate = NODE_PORTS[offset]
        if candidate not in used and _bindable(candidate):
            return candidate
    raise ApiError(500, "InternalError", "failed to allocate a nodePort: every port of the range is taken")


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((NODE_ADDRESS, port))
        except OSError:
            return False
    return True


def _choices(service: Obj, salt: str, count: int) -> Iterator[int]:
    """Every number below *count*, beginning where the service's name points."""
    start = zlib.crc32(f"{namespace_of(service)}/{name_of(service)}/{salt}".encode()) % count
    return ((start + step) % count for step in range(count))
