"""A cluster IP outside of the pods: this machine refuses it, and nobody else hears of it."""

import socket

import pytest

from labkit.embedded.addresses import SERVICE_NETWORK


def test_a_cluster_ip_called_from_a_terminal_is_refused_on_the_spot(bench):
    bench.labkit("up")
    services = bench.get("services", "--all-namespaces")["items"]
    found = [each["spec"]["clusterIP"] for each in services if each["spec"]["clusterIP"] != "None"]
    assert len(found) >= 3
    for address in (*found, str(SERVICE_NETWORK[-2])):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 80), timeout=5)
