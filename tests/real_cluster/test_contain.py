"""What is done inside ``contain`` is seen by nobody else, and gone with it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CONTAIN = Path(__file__).parent / "kubernetes" / "contain"
TOOLS = ("ip", "iptables", "setpriv", "unshare")
CHANGES = """
set -e
iptables -t nat -A OUTPUT -d 10.96.0.1/32 -p tcp -j DNAT --to-destination 10.255.0.1:1
ip link add contained type veth peer name other
find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -printf '%h/kubepods/pod\\n' | xargs mkdir -p
echo 7 >/proc/sys/kernel/panic
mount -t tmpfs tmpfs /var/lib/kubelet
sleep 1000 &
exit 3
"""


MOUNT_VERSION_2 = """
umount --recursive /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec "$@"
"""
"""Controllers that version 1 has are not there, so no kubelet would run; what it is put into does."""


@pytest.fixture(autouse=True)
def possible():
    if os.getuid() != 0:
        pytest.skip("only root can make these namespaces; .ci/run works as an ordinary account")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if lacking := [each for each in TOOLS if not shutil.which(each, path=path)]:
        pytest.skip(f"no {', '.join(lacking)} here")


@pytest.fixture(params=["as mounted here", "version 2"])
def contain(request):
    """The command, on a machine whose cgroups are mounted as here, or are of version 2."""
    if request.param == "as mounted here":
        return [CONTAIN]
    if not _has_version_2():
        pytest.skip("this kernel has no cgroups of version 2")
    return ["unshare", "--mount", "sh", "-euc", MOUNT_VERSION_2, "sh", CONTAIN]


def _has_version_2() -> bool:
    return "cgroup2" in Path("/proc/filesystems").read_text()


def machine() -> dict[str, object]:
    """What of the machine a Kubernetes would change."""
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    cgroups = Path("/sys/fs/cgroup")
    return {
        "rules": [line for line in rules.splitlines() if line.startswith("-A")],
        "links": sorted(Path("/sys/class/net").iterdir()),
        "cgroups": sorted(map(str, [*cgroups.glob("*labkit*"), *cgroups.glob("*/labkit*")])),
        "panic": Path("/proc/sys/kernel/panic").read_text(),
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if "kubelet" in line],
        "folders": [Path(each).exists() for each in ("/run/labkit", "/run/netns", "/var/lib/kubelet")],
        "sleepers": [
            each for each in Path("/proc").glob("[0-9]*/cmdline") if _read(each) == b"sleep\0001000\0"
        ],
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_nothing_of_the_machine_is_changed(contain):
    before = machine()

    done = subprocess.run([*contain, "bash", "-c", CHANGES], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (3, "")
    assert machine() == before


def test_it_ends_when_it_is_told_to(contain):
    before = machine()
    with subprocess.Popen(
        [*contain, "bash", "-c", "echo there; sleep 1000"], stdout=subprocess.PIPE
    ) as started:
        assert started.stdout.readline() == b"there\n"
        started.terminate()
        assert started.wait(10) != 0

    assert machine() == before


def test_what_is_contained_has_every_controller():
    """A kubelet's groups are below its own, and limited: on version 2 that is given from above."""
    if not _has_version_2():
        pytest.skip("this kernel has no cgroups of version 2")
    root = "/sys/fs/cgroup"
    shown = f"cat {root}/cgroup.controllers; mkdir {root}/kubepods; cat {root}/kubepods/cgroup.controllers"
    script = f"cat {root}/cgroup.controllers; {CONTAIN} sh -c '{shown}'; cat {root}/cgroup.subtree_control"

    command = ["unshare", "--mount", "sh", "-euc", MOUNT_VERSION_2, "sh", "sh", "-euc"]
    given = subprocess.run([*command, f"cat {root}/cgroup.subtree_control"], capture_output=True, text=True)
    done = subprocess.run([*command, script], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    there, lent, deeper, after = done.stdout.split("\n")[:4]
    assert there == lent == deeper
    assert after == given.stdout.rstrip("\n")
