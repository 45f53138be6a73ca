"""What root may do in a container, where root runs the cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from labkit.embedded.interfaces import ProcessCommand
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.node.inside import capabilities

from .test_inside import pod, succeeded

if TYPE_CHECKING:
    from conftest import Node


@pytest.mark.parametrize(
    ("security", "has", "lacks"),
    [
        ({}, {"CHOWN", "NET_BIND_SERVICE"}, {"NET_ADMIN", "SYS_ADMIN"}),
        ({"privileged": True}, {"NET_ADMIN", "SYS_ADMIN"}, set()),
        ({"capabilities": {"add": ["NET_ADMIN"]}}, {"CHOWN", "NET_ADMIN"}, {"SYS_ADMIN"}),
        ({"capabilities": {"drop": ["CAP_CHOWN"]}}, {"KILL"}, {"CHOWN"}),
        ({"capabilities": {"drop": ["ALL"], "add": ["kill"]}}, {"KILL", "NET_BIND_SERVICE"}, {"CHOWN"}),
        ({"capabilities": {"add": ["ALL"]}}, {"SYS_ADMIN"}, set()),
    ],
)
def test_what_is_kept(security: Any, has: set[str], lacks: set[str]) -> None:
    kept = set(capabilities.kept(security))
    assert has <= kept
    assert not lacks & kept


@pytest.fixture
def catalogue() -> Catalogue:
    """One image: a shell, that runs the container's arguments."""
    shell = ProcessImage(lambda launch: ProcessCommand(["/bin/sh", *launch.container.get("args", [])]))
    return Catalogue({"test/sh": shell})


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary account has none")
async def test_a_program_of_root_has_no_more(node: Node) -> None:
    node.client.create("pods", pod("-c", "grep CapEff /proc/self/status"))
    await node.until("web", succeeded)
    said = await node.log("web")
    own = sum(1 << capabilities._NUMBERS[name] for name in capabilities.kept({}))
    assert not int(said.split()[1], 16) & ~own
