"""What a container's own program finds, whatever program it is: input, a terminal, volumes, hooks, an end."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labkit.embedded.api.access.keys import SigningKey
from labkit.embedded.interfaces import ExecOptions, ProcessCommand
from labkit.embedded.node import kubelet
from labkit.embedded.node.containers import container
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.node.inside import seccomp, start, tracee
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.inside.node import Place
from labkit.embedded.node.inside.start import Inside
from labkit.embedded.node.volumes import tokens
from labkit.embedded.objects import Obj

if TYPE_CHECKING:
    from conftest import Node

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PAGES = "/usr/local/nowhere/pages"
HERE = Place("/nonexistent", "default", "web", "127.0.0.1", "127.0.0.1")


@pytest.fixture
def catalogue() -> Catalogue:
    """One image: a shell, that runs the container's arguments."""

    def describe(launch: Any) -> ProcessCommand:
        folders = {PAGES: {"index.html": "of the image"}}
        return ProcessCommand(["/bin/sh", *launch.container.get("args", [])], folders=folders)

    return Catalogue({"test/sh": ProcessImage(describe)})


def pod(*args: str, volumes: list[Obj] | None = None, **container: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "containers": [{"name": "main", "image": "test/sh", "args": list(args), **container}],
            "volumes": volumes or [],
        },
    }


def succeeded(seen: Obj) -> bool:
    return seen.get("status", {}).get("phase") == "Succeeded"


def waits_for(why: str) -> Callable[[Obj], bool]:
    """Whether its container's configuration is lacking, and this is what the node says of it."""
    expected = {"reason": "CreateContainerConfigError", "message": why}

    def holds(seen: Obj) -> bool:
        statuses = seen.get("status", {}).get("containerStatuses") or []
        return any(each["state"].get("waiting") == expected for each in statuses)

    return holds


class Attached:
    """A client at the terminal, or the input, of a container."""

    def __init__(self, node: Node, *, tty: bool) -> None:
        self.session = node.kubelet.attach("default", "web", ExecOptions("main", stdin=True, tty=tty))
        self.output, self._news = b"", asyncio.Event()
        self._work = asyncio.create_task(self.session.run(self._keep))

    async def type(self, text: str, until: str) -> None:
        await self.session.feed(text.encode())
        async with asyncio.timeout(10):
            while until.encode() not in self.output:
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> None:
        async with asyncio.timeout(10):
            await self._work
        await self.session.close()

    async def _keep(self, _: str, data: bytes) -> None:
        self.output += data
        self._news.set()


async def test_a_shell_at_a_terminal(node: Node) -> None:
    """``kubectl run -it -- sh``."""
    node.client.create("pods", pod(stdin=True, stdinOnce=True, tty=True))
    await node.ready("web")
    attached = Attached(node, tty=True)
    attached.session.resize(101, 33)
    await attached.type("stty size; hostname; echo $TERM; tty\n", "/dev/pts")
    assert b"33 101" in attached.output
    assert b"web\r\n" in attached.output
    assert b"xterm\r\n" in attached.output
    await attached.type("sh -c 'echo star''ted; exec sleep 100'\n", "started")
    await attached.type("\x03", "^C")  # ends the sleep, not the shell
    await attached.session.feed(b"exit 0\n")
    await attached.ended()
    await node.until("web", succeeded)


async def test_input_that_ends_with_its_client(node: Node) -> None:
    """``echo … | kubectl run -i``."""
    node.client.create("pods", pod("-c", "sort; echo done", stdin=True, stdinOnce=True))
    await node.ready("web")
    attached = Attached(node, tty=False)
    await attached.session.feed(b"two\none\n")
    await attached.session.feed(b"")
    await attached.ended()
    await node.until("web", succeeded)
    assert await node.log("web") == "one\ntwo\ndone\n"


@pytest.fixture
def with_files() -> None:
    if why := start.why_not()[1]:
        pytest.skip(f"no mount namespaces on this machine: {why}")


@pytest.mark.usefixtures("with_files")
async def test_folders_of_the_image(node: Node) -> None:
    """They are where the image has them, and each container's own to write to."""
    node.client.create("pods", pod("-c", f"cat {PAGES}/index.html; mv {PAGES}/index.html /tmp/; ls {PAGES}"))
    await node.until("web", succeeded)
    assert await node.log("web") == "of the image"
    assert not Path(PAGES).exists()


@pytest.mark.usefixtures("with_files")
async def test_volumes(node: Node, run_dir: Path) -> None:
    data = {"a.conf": "from the map", "other": "x"}
    node.client.create("configmaps", {"metadata": {"name": "m", "namespace": "default"}, "data": data})
    secret = {"metadata": {"name": "s", "namespace": "default"}, "data": {"key": "c2VjcmV0"}}
    node.client.create("secrets", secret)
    volumes = [
        {"name": "conf", "configMap": {"name": "m", "items": [{"key": "a.conf", "path": "b/renamed.conf"}]}},
        {"name": "certs", "secret": {"secretName": "s"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [
        {"name": "conf", "mountPath": "/etc/labkit-test"},
        {"name": "certs", "mountPath": "/labkit-test/certs/deep"},
        {"name": "scratch", "mountPath": "/labkit-test/scratch"},
        {"name": "certs", "mountPath": "/labkit-test/one", "subPath": "key"},
    ]
    script = """
        cat /etc/labkit-test/b/renamed.conf /labkit-test/certs/deep/key /labkit-test/one; echo
        echo kept > /labkit-test/scratch/file; cat /labkit-test/scratch/file
        touch /labkit-test/certs/deep/new 2>&1 | grep -o 'Read-only file system'
        echo x > /tmp/labkit-test-file; ls /tmp/labkit-test-file
        until grep -q new /etc/labkit-test/b/renamed.conf; do sleep 0.02; done
        until grep -q 2 /labkit-test/certs/deep/key; do sleep 0.02; done
        cat /etc/labkit-test/b/renamed.conf /labkit-test/certs/deep/key /labkit-test/one; echo; sleep 100
    """
    node.client.create("pods", pod("-c", script, volumes=volumes, volumeMounts=mounts))
    await node.ready("web")
    said = await node.said("web", "labkit-test-file")
    assert said == "from the mapsecretsecret\nkept\nRead-only file system\n/tmp/labkit-test-file\n"
    node.client.patch("secrets", "s", "default", {"data": {"key": "c2VjcmV0Mg=="}})
    node.client.patch("configmaps", "m", "default", {"data": {"a.conf": "new map,"}})
    changed = await node.said("web", "secret2secret\n")
    assert changed.endswith("new map,secret2secret\n"), "a subPath stays as it was"
    assert not Path("/tmp/labkit-test-file").exists()
    assert not Path("/labkit-test").exists()
    assert not Path("/etc/labkit-test").exists()
    node.client.delete("pods", "web", "default", grace_seconds=0)
    await node.gone("web")
    while list((run_dir / "pods").iterdir()):  # noqa: ASYNC110 - removed beside
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("with_files")
async def test_modes_and_amounts_in_volumes(node: Node) -> None:
    """A mode is the item's own, the volume's, or 0644; a limit that nobody set is what the node has."""
    secret = {"metadata": {"name": "s", "namespace": "default"}, "data": {"key": "c2VjcmV0"}}
    node.client.create("secrets", secret)
    items = [{"key": "key", "path": "a"}, {"key": "key", "path": "b", "mode": 0o440}]
    amounts = [
        {"path": each, "resourceFieldRef": {"containerName": "main", "resource": f"limits.{each}"}}
        for each in ("cpu", "memory")
    ]
    volumes = [
        {"name": "own", "secret": {"secretName": "s", "items": items, "defaultMode": 0o400}},
        {
            "name": "all",
            "projected": {"sources": [{"secret": {"name": "s"}}, {"downwardAPI": {"items": amounts}}]},
        },
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/labkit-test/{each['name']}"} for each in volumes]
    script = (
        "cd /labkit-test; stat -Lc %a own/a own/b all/key scratch; cat own/a all/memory; echo; cat all/cpu"
    )
    limits = {"limits": {"memory": "64Mi"}}
    node.client.create("pods", pod("-c", script, volumes=volumes, volumeMounts=mounts, resources=limits))
    await node.until("web", succeeded)
    has = node.client.list("nodes")[0]["status"]["allocatable"]["cpu"]
    assert await node.log("web") == f"400\n440\n644\n777\nsecret{64 * 2**20}\n{has}"


@pytest.mark.usefixtures("with_files")
async def test_tokens_in_volumes(node: Node, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that every pod has, and one it asks for: of its account, bound to it, new before its end."""
    monkeypatch.setattr(kubelet, "TOKENS_PERIOD", 0.05)
    asked = {"serviceAccountToken": {"path": "a/own", "audience": "vault", "expirationSeconds": 600}}
    volumes = [{"name": "own", "projected": {"sources": [asked]}}]
    script = f"""
        cd {ACCOUNT}; cat ca.crt namespace; echo; cat token; echo; cat /own/a/own; echo
        first=$(cat /own/a/own); echo seen; while test "$first" = "$(cat /own/a/own)"; do sleep 0.02; done
        cat /own/a/own; echo; cat token; echo; echo end; sleep 100
    """
    spec = pod("-c", script, volumes=volumes, volumeMounts=[{"name": "own", "mountPath": "/own"}])
    uid = node.client.create("pods", spec)["metadata"]["uid"]
    await node.ready("web")
    trust, token, own = (await node.said("web", "seen\n")).split()[:3]
    assert trust == "authoritydefault"
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=500)
    monkeypatch.setattr(tokens, "now", lambda: later)
    renewed, same = (await node.said("web", "end\n")).split()[4:6]
    assert same == token, "whose hour is not over"
    first, second = key.claims(own), key.claims(renewed)
    assert first["aud"] == second["aud"] == ["vault"]
    assert first["exp"] - first["iat"] == 600
    assert key.claims(token)["exp"] - key.claims(token)["iat"] == 3607
    for each in (first, second, key.claims(token)):
        assert each["sub"] == "system:serviceaccount:default:default"
        assert each["kubernetes.io"]["pod"] == {"name": "web", "uid": uid}


@pytest.mark.usefixtures("with_files")
async def test_a_part_of_a_volume_by_a_variable(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for a variable without a value, and for one that leaves the volume."""
    monkeypatch.setattr(container, "CONFIG_RETRY", 0.05)
    part = {"fieldRef": {"fieldPath": "metadata.annotations['part']"}}
    mounts = [
        {"name": "all", "mountPath": "/all"},
        {"name": "all", "mountPath": "/part", "subPathExpr": "of/$(POD)/$(PART)"},
    ]
    env = [{"name": "POD", "value": "web"}, {"name": "PART", "valueFrom": part}]
    spec = pod("-c", "echo mine > /part/file; cat /all/of/web/a/file", volumeMounts=mounts, env=env)
    spec["spec"]["volumes"] = [{"name": "all", "emptyDir": {}}]
    node.client.create("pods", spec)
    for value, why in (
        (None, "missing value for PART"),
        ("../..", "unable to provision SubPath `of/web/../..`: must not contain '..'"),
    ):
        node.client.patch("pods", "web", "default", {"metadata": {"annotations": {"part": value}}})
        await node.until("web", waits_for(why))
    node.client.patch("pods", "web", "default", {"metadata": {"annotations": {"part": "a"}}})
    await node.until("web", succeeded)
    assert await node.log("web") == "mine\n"


@pytest.mark.usefixtures("with_files")
async def test_a_missing_map_is_waited_for(node: Node) -> None:
    """The pod is made when the map is."""
    volumes = [{"name": "conf", "configMap": {"name": "m"}}]
    node.client.create(
        "pods", pod("-c", "cat /x/y", volumes=volumes, volumeMounts=[{"name": "conf", "mountPath": "/x"}])
    )

    async with asyncio.timeout(10):
        async for event in node.client.watch("events"):
            if event.object.get("reason") == "FailedMount":
                break
    assert event.object["message"] == 'MountVolume.SetUp failed for volume "conf" : configmap "m" not found'
    data = {"y": "now it is there"}
    node.client.create("configmaps", {"metadata": {"name": "m", "namespace": "default"}, "data": data})
    await node.until("web", succeeded)


async def test_probes_and_hooks_run_in_the_container(node: Node, outside_tmp: Path) -> None:
    told = outside_tmp / "told"
    spec = pod("-c", "sleep 100")
    spec["spec"]["containers"][0] |= {
        "readinessProbe": {"exec": {"command": ["test", "-e", "ready"]}, "periodSeconds": 1},
        "lifecycle": {
            "postStart": {"exec": {"command": ["touch", "ready"]}},
            "preStop": {"exec": {"command": ["sh", "-c", f"hostname > {told}"]}},
        },
    }
    node.client.create("pods", spec)
    await node.ready("web")
    node.client.delete("pods", "web", "default")
    await node.gone("web")
    assert told.read_text() == "web\n"


async def test_what_it_leaves_behind_goes_with_it(node: Node) -> None:
    script = "trap '' TERM; setsid sleep 1234 & echo $! .; wait"
    spec = pod("-c", script)
    spec["spec"]["terminationGracePeriodSeconds"] = 1
    node.client.create("pods", spec)
    await node.ready("web")
    pid = int((await node.said("web", ".")).split()[0])
    node.client.delete("pods", "web", "default")
    await node.gone("web")
    assert not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text()


def run(inside: Inside, *words: str) -> subprocess.CompletedProcess[str]:
    command = start.command_line(inside, words[0], words)
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def nested(*words: str) -> tuple[str, ...]:
    """*words*, supervised inside: as on a host without such filters, for there can be but one."""
    script = (
        f"import sys, os; sys.path.insert(0, {str(start.ROOT)!r})\n"
        "from labkit.embedded.node.inside import start as s\n"
        f"command = s.command_line(s.Inside(s.Place(**{vars(HERE)!r})), {words[0]!r}, {words!r})\n"
        "import subprocess; sys.exit(subprocess.run(command).returncode)"
    )
    return sys.executable, "-c", script


def test_where_the_host_has_no_such_filter_a_connection_is_refused() -> None:
    """Rather than made past the mesh; and it is said why."""
    ended = run(Inside(HERE), *nested("/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"))
    assert ended.returncode == 1
    assert "Network is unreachable" in ended.stderr
    assert "labkit: this host lets no program but Python into a pod's network (seccomp: " in ended.stderr
    silent = run(Inside(HERE), *nested("/bin/echo", "fine"))
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "fine\n", "")


def test_a_host_that_is_too_old_or_too_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked that nobody could answer."""
    old = os.uname_result(("Linux", "host", "5.4.0-150-generic", "#1", "x86_64"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "uname", lambda: old)
        with pytest.raises(seccomp.UnsupportedError, match=r"Linux 5\.4\.0.* 5\.9"):
            seccomp.install()
    assert tracee.why_hidden(os.getpid()) == ""
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: os.close(-1) or 0)
        assert tracee.why_hidden(os.getpid()) == "memory of a child: bad file descriptor"


def test_there_python_has_the_shim() -> None:
    code = "import socket; print(socket.gethostname())"
    assert run(Inside(HERE), *nested(sys.executable, "-c", code)).stdout == "web\n"


FILES = """
set -e
echo one > /tmp/labkit-a; cat /tmp/labkit-a
cd /tmp; echo two >> labkit-a; mkdir -p labkit-d/e; mv labkit-a labkit-d/e/b; cat /tmp/labkit-d/e/b
ls -l labkit-d | grep -c e; touch labkit-d/c; chmod 600 labkit-d/c
test -d /tmp/labkit-d; test ! -e labkit-a; stat -c %a labkit-d/c; rm -r labkit-d/e; ls labkit-d
cat /labkit-volume/file; cp /labkit-volume/file copy; cat copy
tar cf /tmp/labkit.tar -C /tmp copy; tar tf /tmp/labkit.tar
"""


def test_a_host_without_mount_namespaces(tmp_path: Path) -> None:
    """Paths are translated then."""
    tmp, volume = tmp_path / "tmp", tmp_path / "volume"
    tmp.mkdir()
    volume.mkdir()
    (volume / "file").write_text("from the volume\n")
    mounts = [
        Mount(str(tmp), "/tmp"),
        Mount(str(volume), "/labkit-volume"),
        Mount(str(tmp_path), str(tmp_path)),
    ]
    ended = run(Inside(HERE, mounts, top="/nonexistent"), "/bin/sh", "-c", FILES)
    said = ["one", "one", "two", "1", "600", "c", "from the volume", "from the volume", "copy"]
    assert (ended.stdout.split("\n"), ended.stderr) == ([*said, ""], "")
    assert {each.name for each in tmp.iterdir()} == {"labkit-d", "copy", "labkit.tar"}
    assert not list(Path("/tmp").glob("labkit-[ad]"))
