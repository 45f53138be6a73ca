"""A learner's terminal: one shell in which commands are typed one after the other."""

import dataclasses
import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labkit import Lab


@dataclasses.dataclass(frozen=True)
class Typed:
    """A command, and what it printed."""

    command: str
    code: int
    out: str
    err: str
    at: str
    """When it was typed, as ``2026-11-23T00:12:59.123`` (UTC)."""

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.out}{self.err}[exit status {self.code}]"


class Terminal:
    """A bash that lives from ``with`` to its end, so that ``export`` and ``cd`` stay."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._folder = folder
        self._bash = subprocess.Popen(
            ["bash", "--norc"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.history: list[Typed] = []

    def type(self, command: str, *, check: bool = True) -> Typed:
        """Type *command* and wait for its end; with *check*, it must succeed."""
        out, err = self._folder / "out", self._folder / "err"
        assert self._bash.stdin
        assert self._bash.stdout
        at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null >{out} 2>{err}; echo $?\n")
        typed = Typed(command, int(self._bash.stdout.readline()), out.read_text(), err.read_text(), at)
        self.history.append(typed)
        assert typed.code == 0 or not check, typed
        return typed

    def close(self) -> None:
        """End the shell, as Ctrl-D does."""
        self._bash.communicate()


@pytest.fixture
def terminal(bench, tmp_path) -> Iterator[Terminal]:
    """A learner's shell on an empty home: ``labkit``, ``kubectl`` and ``curl`` are at hand."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl here; install it to run this test")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Terminal(bench.env | {"PATH": path}, tmp_path)
    yield shell
    shell.close()


@pytest.fixture(scope="session")
def lab(cluster) -> Iterator[Lab]:
    """A Lab on the session's cluster; each test goes to the step it needs."""
    with Lab(kubeconfig=cluster.kubeconfig) as found:
        yield found
        found.reset()


@pytest.fixture(scope="session")
def split_rule() -> Callable[[int, int], str]:
    """The VirtualService of step 3 with any weights, as YAML: ServiceB's and ServiceC's."""
    return lambda b, c: _SPLIT_RULE.format(b=b, c=c)


_SPLIT_RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: producer-internal-host-vs
spec:
  hosts: [producer-internal-host]
  gateways: [mesh]
  http:
    - route:
        - destination: {{host: producer-internal-host, port: {{number: 80}}}}
          weight: {b}
        - destination: {{host: service-c-srv, port: {{number: 80}}}}
          weight: {c}
"""
