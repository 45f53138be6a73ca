"""The scenario on hosts as learners have them: each command, each answer, whatever becomes of packets."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TESTS = (
    "tests/e2e/test_scenario.py::test_the_scenario",
    "tests/hosts/test_cluster_ips.py",
    "tests/e2e/test_any_program.py::test_it_calls_a_service_by_its_short_name[meshed-curl]",
)


@pytest.mark.parametrize("kind", ["conntrack", "firewall", "offline", "vpn", "kube-proxy"])
def test_the_lab_works_on_a_host_of(on_host, kind):
    on_host(kind, *TESTS)
