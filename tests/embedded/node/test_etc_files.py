"""What a pod's resolver and its own names are told, by the pod's DNS policy and network."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.node.volumes import etc_files
from labkit.embedded.objects import Obj

OWN = {
    "nameservers": ["192.0.2.1"],
    "searches": ["example.org"],
    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
}
CLUSTER = "search dev.svc.cluster.local svc.cluster.local cluster.local"


def pod(**spec: Any) -> Obj:
    return {"metadata": {"name": "web", "namespace": "dev"}, "spec": spec}


@pytest.fixture(autouse=True)
def _host(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/resolv.conf": "# of the host\nnameserver 192.0.2.53\nsearch home\noptions timeout:1 rotate\n",
        "/etc/hosts": "192.0.2.9\tprinter\n",
    }
    monkeypatch.setattr(etc_files, "_read", files.__getitem__)


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ({}, [CLUSTER, "nameserver 127.10.0.10", "options ndots:5"]),
        ({"dnsPolicy": "ClusterFirst"}, [CLUSTER, "nameserver 127.10.0.10", "options ndots:5"]),
        (
            {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
            [CLUSTER, "nameserver 127.10.0.10", "options ndots:5"],
        ),
        (
            {"dnsPolicy": "ClusterFirst", "hostNetwork": True},
            ["search home", "nameserver 192.0.2.53", "options timeout:1 rotate"],
        ),
        ({"dnsPolicy": "Default"}, ["search home", "nameserver 192.0.2.53", "options timeout:1 rotate"]),
        (
            {"dnsPolicy": "None", "dnsConfig": OWN},
            ["search example.org", "nameserver 192.0.2.1", "options ndots:2 edns0"],
        ),
        (
            {"dnsPolicy": "ClusterFirst", "dnsConfig": OWN},
            [
                f"{CLUSTER} example.org",
                *("nameserver 127.10.0.10", "nameserver 192.0.2.1"),
                "options ndots:2 edns0",
            ],
        ),
    ],
)
def test_name_servers(spec: Obj, lines: list[str]) -> None:
    assert etc_files.resolv_conf(pod(**spec)).splitlines() == lines


def test_names_of_a_pod_and_of_the_host() -> None:
    aliases = [{"ip": "192.0.2.7", "hostnames": ["foo", "bar"]}]
    own = etc_files.hosts(pod(hostAliases=aliases), "127.42.0.2")
    assert own.startswith("# Kubernetes-managed hosts file.\n")
    assert own.endswith("127.42.0.2\tweb\n192.0.2.7\tfoo\tbar\n")
    of_host = etc_files.hosts(pod(hostNetwork=True, hostAliases=aliases), "127.42.0.2")
    assert of_host.splitlines() == [
        "# Kubernetes-managed hosts file (host network).",
        "192.0.2.9\tprinter",
        "192.0.2.7\tfoo\tbar",
    ]
