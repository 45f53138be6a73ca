"""The scenario on hosts as learners have them: each command, each answer, whatever becomes of packets."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SCENARIO = "tests/e2e/test_scenario.py::test_the_scenario"
CLUSTER_IP = "tests/hosts/test_cluster_ips.py"


@pytest.mark.parametrize("kind", ["conntrack", "firewall", "offline", "vpn", "kube-proxy"])
def test_the_scenario(on_host, kind):
    on_host(kind, SCENARIO)


@pytest.mark.parametrize("kind", ["offline", "vpn", "kube-proxy"])
def test_a_cluster_ip_is_refused(on_host, kind):
    on_host(kind, CLUSTER_IP)
