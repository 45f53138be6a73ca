"""Other kinds of hosts, in network namespaces: by root, or in a user namespace where an account may make one.

Where neither is possible, root can do it for the account: ``unshare --net tests/hosts/make-host KIND`` and,
as the account, ``LABKIT_HOST=KIND pytest tests/hosts`` (``.ci/run`` does that).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MAKE_HOST = Path(__file__).parent / "make-host"
CHECKOUT = Path(__file__).parents[2]
TOOLS = ("unshare", "ip", "iptables")


@pytest.fixture
def on_host() -> Callable[..., None]:
    """``on_host(kind, *tests)`` runs other tests on a host of that kind; skips where none can be made."""

    def run(kind: str, *tests: str) -> None:
        given = os.environ.get("LABKIT_HOST")
        if given not in (None, kind):
            pytest.skip(f"this is a host of kind {given}")
        prefix = [] if given else _prefix(kind)
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *tests]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
        done = subprocess.run(
            [*prefix, *command], cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{len(tests)} passed" in done.stdout, done.stdout

    return run


def _prefix(kind: str) -> list[str]:
    """What makes a command run on a host of *kind*, as who we are."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # which an ordinary account may not look into
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=path)]
    if missing:
        pytest.skip(
            f"no {', '.join(missing)} here; install util-linux, iproute2 and iptables to run this test"
        )
    prefix = [*_namespaces(), MAKE_HOST, kind, *_back_to_oneself()]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, timeout=20)
    if tried.returncode:
        reason = (tried.stderr or tried.stdout).strip().splitlines()[-1:]
        pytest.skip(f"no host of kind {kind} can be made here: {' '.join(reason)}")
    return [str(word) for word in prefix]


def _namespaces() -> list[str]:
    return ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--net"]


def _back_to_oneself() -> list[str]:
    """Root of one's own namespace is still root: the lab shall run as it does elsewhere."""
    uid, gid = os.getuid(), os.getgid()
    return [] if uid == 0 else ["unshare", "--user", f"--map-user={uid}", f"--map-group={gid}"]
