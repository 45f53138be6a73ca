"""The names istiod gives to what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"


def outbound_cluster(port: int, host: str, subset: str = "") -> str:
    return f"outbound|{port}|{subset}|{host}"


def inbound_cluster(target_port: int) -> str:
    return f"inbound|{target_port}||"


def host_and_port(cluster: str) -> tuple[str, int] | None:
    """What an outbound cluster's name says; None for any other name."""
    parts = cluster.split("|")
    return (parts[3], int(parts[1])) if len(parts) == 4 else None


def listener(address: str, port: int) -> str:
    return f"{address}_{port}"


def virtual_host(host: str, port: int) -> str:
    return f"{host}:{port}"


def config_metadata(kind: str, namespace: str, name: str) -> dict[str, Any]:
    """Envoy metadata that says which Istio object a resource comes from."""
    path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}"
    return filter_metadata(config=path)


def filter_metadata(**istio: Any) -> dict[str, Any]:
    return {"filter_metadata": {"istio": istio}}


def typed(type_name: str, **fields: Any) -> dict[str, Any]:
    """A ``google.protobuf.Any`` of *type_name*, such as ``envoy.…v3.Router``."""
    return {"@type": f"type.googleapis.com/{type_name}", **fields}


def socket_address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def ads() -> dict[str, Any]:
    """A ConfigSource: this stream. Envoy waits for the answer as long as it takes, like with istiod."""
    return {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """*fields* less those that say nothing (None, empty text, list or mapping); 0 and False stay."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], {})}
