"""What is sent to proxies of an account that may open no port below 1024."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.mesh.xds.moved_ports import placed

PASSTHROUGH = {"typed_config": {"rules": {"destination_port": 80}}}


def listener(address: str, port: int, **fields: Any) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": address, "port_value": port}}, **fields}


def port_of(body: Any) -> int:
    return int(body["address"]["socket_address"]["port_value"])


def test_a_pods_listener_is_where_it_can_be_and_its_rules_look_there() -> None:
    chain = {"filter_chain_match": {"destination_port": 80}, "filters": [PASSTHROUGH]}
    found = placed(listener("127.42.0.9", 80, filter_chains=[chain]), 1024)
    assert port_of(found) == 61080
    (moved,) = found["filter_chains"]
    assert moved["filter_chain_match"]["destination_port"] == 61080
    assert moved["filters"][0]["typed_config"]["rules"]["destination_port"] == 61080


@pytest.mark.parametrize(
    ("body", "lowest"),
    [
        (listener("127.42.0.9", 80, bind_to_port=False, filter_chains=[PASSTHROUGH]), 1024),
        (listener("127.42.0.9", 80, bindToPort=False), 1024),
        ({"address": {"pipe": {"path": "p"}}, "filter_chains": [PASSTHROUGH]}, 1024),
        (listener("127.42.0.9", 8080), 1024),
        (listener("127.10.0.1", 80), 1024),
        (listener("0.0.0.0", 80), 1024),
        (listener("127.42.0.9", 80), 1),
        (listener("127.42.0.9", 80), 80),
    ],
)
def test_everything_else_stays_as_it_is(body: Any, lowest: int) -> None:
    assert placed(body, lowest) == body


def test_a_clusters_endpoints_keep_the_name_that_logs_print() -> None:
    address = {"socketAddress": {"address": "127.43.0.9", "portValue": 80}}
    endpoint = {"endpoint": {"address": address, "hostname": "127.42.0.9:80"}}
    body = {"name": "inbound|80||", "load_assignment": {"endpoints": [{"lb_endpoints": [endpoint]}]}}
    (group,) = placed(body, 1024)["load_assignment"]["endpoints"]
    (found,) = group["lb_endpoints"]
    assert found["endpoint"]["address"]["socketAddress"]["portValue"] == 61080
    assert found["endpoint"]["hostname"] == "127.42.0.9:80"
