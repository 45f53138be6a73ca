"""The address plan: every pod has a loopback address of its own.

A cluster owns one /15 of 127.0.0.0/8, named by its even second octet ``block`` (default 42):

===================  ==================  =====================================================
range                for                 bound by
===================  ==================  =====================================================
127.{block}.0.0/17   pod addresses       the pod's Envoy (or the app, where there is no sidecar)
127.{block}.255.0/24 load balancers      the gateway's Envoy
127.{block+1}.0.0/16 private app sides   the app behind a sidecar
10.43.0.0/16         cluster IPs         nobody: they exist in routes and PROXY headers only
===================  ==================  =====================================================
"""

from __future__ import annotations

import ipaddress

SERVICE_NETWORK = ipaddress.IPv4Network("10.43.0.0/16")
NODE_ADDRESS = "127.0.0.1"
FIRST_BLOCK, LAST_BLOCK = 42, 252


def pod_network(block: int) -> ipaddress.IPv4Network:
    """The network pod addresses are taken from."""
    return ipaddress.IPv4Network(f"127.{block}.0.0/17")


def load_balancer_network(block: int) -> ipaddress.IPv4Network:
    """The network load-balancer addresses are taken from."""
    return ipaddress.IPv4Network(f"127.{block}.255.0/24")


def app_address(pod_ip: str) -> str:
    """The private address of the app whose pod has *pod_ip*: the same, one block up."""
    first, second, third, fourth = pod_ip.split(".")
    return f"{first}.{int(second) + 1}.{third}.{fourth}"
