"""Istio objects by chance, through the API to real Envoys: whatever is accepted is in force.

How long, and by which seed: :mod:`.budget`.
"""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from labkit import Lab
from labkit.errors import ApiRefused
from labkit.kube.convergence.ask_istiod import AskIstiod, current_revision

from .budget import ISTIO_OBJECTS, SEED
from .istio_objects import HERE, KINDS, an_object

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]
NOT_OURS = "Permission denied"
"""What an ordinary account hears that may not open a gateway's port: right, and told."""
AT_ONCE = 6
"""Objects of ours that are there at a time, so that they also meet each other."""


class Mesh:
    """A cluster with services, sidecars and a gateway, and what was seen on it."""

    def __init__(self, lab: Lab) -> None:
        self.api = lab.api
        self.outcomes: collections.Counter[tuple[str, str]] = collections.Counter()
        self.findings: dict[str, str] = {}
        self._strategy = AskIstiod(lab.api)
        self._there: dict[str, dict[str, Any]] = {}

    def try_one(self, obj: dict[str, Any]) -> None:
        """Put *obj* in the place of the one of its name, and see what becomes of it."""
        self._remove(obj["metadata"]["name"])
        try:
            self.api.request("POST", _path(obj), body=obj)
        except ApiRefused as error:
            self.outcomes[obj["kind"], "refused"] += 1
            if error.code >= 500:
                self._found(f"the API fails: {error}", obj)
            return
        self.outcomes[obj["kind"], "accepted"] += 1
        self._there[obj["metadata"]["name"]] = obj
        self._judge(obj)

    def _judge(self, obj: dict[str, Any]) -> None:
        proxies = self._strategy.wait(current_revision(self.api), 20)
        for fault in self._strategy.faults:
            if NOT_OURS not in fault.error:
                self._found(f"accepted, but not in force: {fault.error}", self._there.get(fault.name, obj))
            self._remove(fault.name)
        for proxy in proxies:
            if NOT_OURS in proxy.error:
                self._remove(obj["metadata"]["name"])
            elif proxy.state != "SYNCED":
                self._found(f"{proxy.proxy} is {proxy.state}: {proxy.error}", obj)
                self._remove(obj["metadata"]["name"])

    def _found(self, words: str, obj: dict[str, Any]) -> None:
        self.findings.setdefault(words[:300], json.dumps(obj))

    def _remove(self, name: str) -> None:
        obj = self._there.pop(name, None)
        if obj is not None:
            self.api.request("DELETE", f"{_path(obj)}/{name}")


def _path(obj: dict[str, Any]) -> str:
    return f"/apis/{obj['apiVersion']}/namespaces/{HERE}/{KINDS[obj['kind']]}"


@pytest.fixture
def mesh(bench: Any) -> Iterator[Mesh]:
    bench.labkit("up")
    with Lab(kubeconfig=bench.kubeconfig) as lab:
        lab.goto(3)
        yield Mesh(lab)


def test_what_is_accepted_is_in_force(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    random, end, number = Random(SEED), time.monotonic() + ISTIO_OBJECTS, 0
    while time.monotonic() < end:
        mesh.try_one(an_object(random, f"chance-{number % AT_ONCE}"))
        number += 1
    counts = collections.Counter(dict.fromkeys(("accepted", "refused"), 0))
    for (_, outcome), count in mesh.outcomes.items():
        counts[outcome] += count
    with capsys.disabled():
        print(f"\n{number} Istio objects, {dict(counts)}, seed {SEED}, {ISTIO_OBJECTS:g} s")
    assert not mesh.findings, "\n".join(f"{words}\n    {obj}" for words, obj in mesh.findings.items())
    assert counts["accepted"] > number / 5, "nearly nothing was accepted: this proves little"
