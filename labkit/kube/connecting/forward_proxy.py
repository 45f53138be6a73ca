"""Which forward proxy leads to an API server: the environment's, and none to this machine itself.

The rules are those of kubectl (Go's ``golang.org/x/net/http/httpproxy``), so that both reach the same
clusters from one shell: ``HTTPS_PROXY`` for https, ``HTTP_PROXY`` for http, in either case; ``NO_PROXY`` is a
list of host names (with their subdomains; with a leading dot the subdomains alone), addresses, networks in
CIDR form, each with a port or without, or ``*``; loopback never goes through a proxy, whatever is set.
``ALL_PROXY``, which curl and the official Python client know, comes last. The environment is only read: pip
and others keep theirs.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def forward_proxy(url: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The proxy's URL for requests to *url*, or None where it is asked directly."""
    variables = os.environ if environment is None else environment
    target = urlsplit(url)
    proxy = _variable(variables, f"{target.scheme}_proxy") or _variable(variables, "all_proxy")
    host, port = (target.hostname or "").rstrip("."), target.port or _DEFAULT_PORTS.get(target.scheme, 0)
    if not proxy or not host or is_local(host) or _is_exempt(host, port, _variable(variables, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_local(host: str) -> bool:
    """Whether *host* is this machine: ``localhost``, a loopback address, or the one that stands for any."""
    address = _address(host)
    if address is None:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _variable(variables: Mapping[str, str], name: str) -> str:
    return (variables.get(name.upper()) or variables.get(name) or "").strip()


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_fits(entry, host.lower(), port) for entry in entries if entry)


def _fits(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and _contains(entry, address)
    name, only_port = _split_port(entry)
    if only_port and only_port != port:
        return False
    if (own := _address(name)) is not None:
        return own == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, int]:
    """``host:port``, ``[::1]:port`` or just a host; port 0 where there is none."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, int(port[1:]) if port[1:].isdigit() else 0
    name, _, port = entry.partition(":")
    return (name, int(port)) if port.isdigit() else (entry, 0)


def _contains(network: str, address: _Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
