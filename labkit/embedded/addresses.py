"""The address plan: every pod has a loopback address of its own.

A cluster owns one /15 of 127.0.0.0/8, named by its even second octet ``block`` (default 42):

===================  ==================  =====================================================
range                for                 bound by
===================  ==================  =====================================================
127.{block}.0.0/17   pod addresses       the pod's Envoy (or the app, where there is no sidecar)
127.{block}.255.0/24 load balancers      the gateway's Envoy
127.{block+1}.0.0/16 private app sides   the app behind a sidecar
127.10.0.0/16        cluster IPs         nobody: they exist in routes and PROXY headers only
===================  ==================  =====================================================

Cluster IPs are loopback, too, so that what is said to one outside of the pods (``curl`` in a terminal) is
refused by this machine, whatever its routes: it never reaches the stranger who has that address out there.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

SERVICE_NETWORK = ipaddress.IPv4Network("127.10.0.0/16")
FORMER_SERVICE_NETWORK = ipaddress.IPv4Network("10.43.0.0/16")
"""Where cluster IPs were taken from at first. A Service keeps the one it has."""
API_SERVICE_IP = str(SERVICE_NETWORK[1])
NODE_ADDRESS = "127.0.0.1"
OUTBOUND_SOCKET = "outbound.sock"
"""In the folder of a sidecar's container: where its Envoy takes what the pod's programs send out."""
ADMIN_SOCKET = "admin.sock"
"""In the folder of a proxy's container: its Envoy's admin interface."""
FIRST_BLOCK, LAST_BLOCK = 42, 252


def pod_network(block: int) -> ipaddress.IPv4Network:
    """The network pod addresses are taken from."""
    return ipaddress.IPv4Network(f"127.{block}.0.0/17")


def load_balancer_network(block: int) -> ipaddress.IPv4Network:
    """The network load-balancer addresses are taken from."""
    return ipaddress.IPv4Network(f"127.{block}.255.0/24")


def service_networks(cluster_ips: Iterable[str]) -> list[ipaddress.IPv4Network]:
    """What holds cluster IPs where Services have *cluster_ips*; other people's networks are none of it."""
    former = any(ipaddress.ip_address(each) in FORMER_SERVICE_NETWORK for each in cluster_ips)
    return [SERVICE_NETWORK, *([FORMER_SERVICE_NETWORK] if former else [])]


def app_address(pod_ip: str) -> str:
    """The private address of the app whose pod has *pod_ip*: the same, one block up."""
    first, second, third, fourth = pod_ip.split(".")
    return f"{first}.{int(second) + 1}.{third}.{fourth}"


def is_pods(host: str) -> bool:
    """Whether *host* is an address of a pod, or of the app behind a sidecar, of whichever cluster."""
    parts = host.split(".")
    return (
        len(parts) == 4
        and parts[0] == "127"
        and all(each.isdecimal() for each in parts)
        and FIRST_BLOCK <= int(parts[1]) <= LAST_BLOCK + 1
        and int(parts[2]) < 128
    )


@functools.cache
def lowest_port() -> int:
    """The lowest port this process may bind, tried once: not every root may, and not only root."""
    with socket.socket() as trial:
        try:
            trial.bind((NODE_ADDRESS, 1))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                setting = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
                return int(setting.read_text()) if setting.exists() else 1024
    return 1
