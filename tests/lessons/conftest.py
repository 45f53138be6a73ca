"""Other people's lessons: objects of the same shape as theirs, commands as typed, and what they show."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from labkit.kube.api.api import Api
from labkit.kube.connecting.connect import connect
from labkit.kube.convergence.convergence import wait_for_proxies

from ..conftest import Bench
from . import manifests

PATIENCE = 30.0
"""Seconds until a fact must hold; a busy machine is no defect."""


@dataclasses.dataclass(frozen=True)
class Class:
    """A namespace in which lessons are typed."""

    bench: Bench
    api: Api
    namespace: str
    folder: Path

    def apply(self, *objects: str, namespace: str = "") -> str:
        """``kubectl apply``, and wait until every proxy knows; what it warned of."""
        file = self.folder / "applied.yaml"
        file.write_text("\n---\n".join(objects))
        words = ("kubectl", "-n", namespace or self.namespace, "apply", "-f", file)
        said = self.bench.run(*words).stderr
        self.settle()
        return said

    def delete(self, *words: str) -> None:
        self.kubectl("delete", *words)
        self.settle()

    def settle(self) -> None:
        wait_for_proxies(self.api, timeout=60)

    def kubectl(self, *words: object, namespace: str = "", **options) -> str:
        return self.bench.kubectl("-n", namespace or self.namespace, *words, **options)

    def ready(self, *deployments: str, namespace: str = "") -> None:
        for name in deployments:
            self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s", namespace=namespace)
        self.settle()

    def type(self, deployment: str, command: str, *, container: str = "", check: bool = True) -> str:
        """What *command* prints in a pod of *deployment*, both streams, as one types it with ``sh -c``."""
        return self.exec(deployment, "sh", "-c", command, container=container, check=check)

    def exec(self, deployment: str, *command: str, container: str = "", check: bool = True) -> str:
        """What *command* prints, typed without a shell."""
        where = ["-c", container] if container else []
        words = [
            "kubectl",
            "-n",
            self.namespace,
            "exec",
            f"deploy/{deployment}",
            *where,
            "--",
            *command,
        ]
        done = self.bench.run(*words, check=False)
        assert done.returncode == 0 or not check, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def page(self, path: str, *options: str) -> str:
        """``curl`` from outside of the mesh, through the ingress gateway."""
        return self.bench.run("curl", "-sS", *options, f"http://{self.bench.gateway}{path}").stdout

    def pages(self, path: str, count: int, *options: str) -> list[str]:
        """*count* of them, on one connection."""
        url = f"http://{self.bench.gateway}{path}"
        mark = "===next==="
        out = self.bench.run("curl", "-sS", *options, "-w", mark, *[url] * count, timeout=60).stdout
        return out.split(mark)[:-1]


def until(holds: Callable[[], bool], what: object = "") -> None:
    """Ask until it *holds*."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _class(bench: Bench, name: str, folder: Path) -> Iterator[Class]:
    with closing(connect(kubeconfig=bench.kubeconfig)) as api:
        room = Class(bench, api, name, folder)
        bench.kubectl("create", "namespace", name)
        bench.kubectl("label", "namespace", name, "istio-injection=enabled")
        yield room
        bench.kubectl("delete", "namespace", name, "--timeout=60s")


@pytest.fixture(scope="module")
def room(own_cluster: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """A namespace with sidecars, and a client in it."""
    for found in _class(own_cluster, "lessons", tmp_path_factory.mktemp("lessons")):
        found.apply(manifests.deployment("curl", manifests.CURL, command='["/bin/sleep", "infinity"]'))
        found.ready("curl")
        yield found


@pytest.fixture(scope="module")
def bookinfo(own_cluster: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """The bookshop, with all three reviews, behind a gateway."""
    for found in _class(own_cluster, "bookinfo", tmp_path_factory.mktemp("bookinfo")):
        found.apply(*manifests.bookinfo())
        found.ready(*manifests.BOOKINFO)
        yield found
