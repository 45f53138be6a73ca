"""A pod's files: its volumes, its ``/tmp``, and the files by which a container knows its network.

What a volume holds is written into the pod's folder when a container starts, and goes with the pod; where a
container sees it is up to :mod:`labkit.embedded.node.inside.files`.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from labkit.embedded.addresses import SERVICE_NETWORK
from labkit.embedded.interfaces import Client
from labkit.embedded.node import environment
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.objects import Obj, name_of, namespace_of

TMP, VOLUMES, ETC, WORK = "tmp", "volumes", "etc", "work"
DNS_ADDRESS = str(SERVICE_NETWORK[10])
"""The name server that pods are told of."""
SUPPORTED = ("emptyDir", "configMap", "secret", "downwardAPI", "projected")
SPECIAL = ("istio", "workload-", "credential-", "kube-api-access-")
"""How the names of volumes begin that Istio and Kubernetes add, and nobody here reads."""
_PACKAGE = Path(__file__).parents[3]


class MountError(Exception):
    """A volume refers to something that is not there, or leaves its place."""


def mounts(
    client: Client, pod: Obj, spec: Obj, pod_ip: str, folder: Path, needed: Iterable[Path] = ()
) -> list[Mount]:
    """What the container *spec* of *pod* sees, to be found in *folder*; MountError where it can't.

    needed: folders and files of the host without which its programs don't run, wherever those are.
    """
    tmp = folder / spec["name"] / TMP
    tmp.mkdir(parents=True, exist_ok=True)
    volumes = {str(each["name"]): each for each in pod["spec"].get("volumes") or []}
    found = [Mount(str(tmp), "/tmp"), *_etc(pod, pod_ip, folder)]
    for each in spec.get("volumeMounts") or []:
        volume = volumes.get(str(each["name"]))
        if volume is not None and volume.keys() & set(SUPPORTED):
            try:
                place = _volume(client, pod, volume, pod_ip, folder)
                found.append(_mount(each, volume, place))
            except MountError as error:
                named = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                raise MountError(named) from error
    found += _working_folder(spec, found, folder)
    return [*found, *_kept_in_sight(found, folder, *needed)]


def _working_folder(spec: Obj, mounts: Iterable[Mount], folder: Path) -> Iterable[Mount]:
    """An empty one where ``workingDir`` names none that is there, as a runtime makes it."""
    wanted = str(spec.get("workingDir") or "")
    inside = any(f"{wanted}/".startswith(f"{each.target}/") for each in mounts)
    if not wanted or inside or Path(wanted).is_dir():
        return
    place = folder / str(spec["name"]) / WORK
    place.mkdir(parents=True, exist_ok=True)
    yield Mount(str(place), wanted)


def not_mounted(pod: Obj) -> list[str]:
    """The names of volumes of other kinds, of which its containers see nothing."""
    found = pod["spec"].get("volumes") or []
    return [str(each["name"]) for each in found if _is_asked_for(each) and not each.keys() & set(SUPPORTED)]


def mounted(pod: Obj) -> list[str]:
    """The names of volumes that its containers see, where this host lets them."""
    found = pod["spec"].get("volumes") or []
    return [str(each["name"]) for each in found if _is_asked_for(each) and each.keys() & set(SUPPORTED)]


def _is_asked_for(volume: Obj) -> bool:
    return not str(volume["name"]).startswith(SPECIAL)


def _mount(mount: Obj, volume: Obj, place: Path) -> Mount:
    part = str(mount.get("subPath") or "")
    source = Path(os.path.normpath(place / part))
    if not source.is_relative_to(place):
        raise MountError(f'subPath "{part}" must not leave the volume')
    if not source.exists():
        source.mkdir(parents=True)
    read_only = "emptyDir" not in volume or bool(mount.get("readOnly"))
    return Mount(str(source), os.path.normpath(str(mount["mountPath"])), read_only)


def _kept_in_sight(mounts: Iterable[Mount], *paths: Path) -> Iterable[Mount]:
    """What a program needs of the host though it lies below a mount, such as this Python in ``/tmp``."""
    for path in dict.fromkeys((*map(str, paths), sys.prefix, sys.base_prefix, str(_PACKAGE))):
        if any(f"{path}/".startswith(f"{each.target}/") for each in mounts):
            yield Mount(path, path)


def _etc(pod: Obj, pod_ip: str, folder: Path) -> list[Mount]:
    place = folder / ETC
    place.mkdir(parents=True, exist_ok=True)
    files = {
        "resolv.conf": _resolv_conf(namespace_of(pod)),
        "hosts": _hosts(pod, pod_ip),
        "hostname": f"{name_of(pod)}\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    }
    for name, content in files.items():
        (place / name).write_text(content)
    return [Mount(str(place / name), f"/etc/{name}") for name in files]


def _resolv_conf(namespace: str) -> str:
    search = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
    return f"search {search}\nnameserver {DNS_ADDRESS}\noptions ndots:5\n"


def _hosts(pod: Obj, pod_ip: str) -> str:
    """As the kubelet writes it."""
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", f"{pod_ip}\t{name_of(pod)}"]
    for alias in pod["spec"].get("hostAliases") or []:
        lines.append("\t".join([str(alias["ip"]), *map(str, alias.get("hostnames") or [])]))
    return "\n".join([*lines, ""])


def _volume(client: Client, pod: Obj, volume: Obj, pod_ip: str, folder: Path) -> Path:
    """The folder of *volume*, with what it should hold now."""
    place = folder / VOLUMES / str(volume["name"])
    place.mkdir(parents=True, exist_ok=True)
    if "emptyDir" in volume:
        return place
    wanted = _files(client, pod, volume, pod_ip)
    for old in place.iterdir():
        if old.name not in {each.split("/")[0] for each in wanted}:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for path, content in wanted.items():
        file = Path(os.path.normpath(place / path))
        if not file.is_relative_to(place):
            raise MountError(f'path "{path}" must not leave the volume')
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o600)
    return place


def _files(client: Client, pod: Obj, source: Obj, pod_ip: str) -> dict[str, bytes]:
    """Path → content, of one source."""
    namespace = namespace_of(pod)
    match source:
        case {"configMap": given}:
            return _chosen(client, "ConfigMap", namespace, str(given.get("name", "")), given)
        case {"secret": given}:
            name = str(given.get("secretName") or given.get("name", ""))
            return _chosen(client, "Secret", namespace, name, given)
        case {"downwardAPI": given}:
            return {str(each["path"]): _told(pod, pod_ip, each) for each in given.get("items") or []}
        case {"projected": given}:
            found: dict[str, bytes] = {}
            for each in given.get("sources") or []:
                found |= _files(client, pod, each, pod_ip)
            return found
    return {}


def _chosen(client: Client, kind: str, namespace: str, name: str, given: Obj) -> dict[str, bytes]:
    data = _data(client, kind, namespace, name)
    if data is None:
        if given.get("optional"):
            return {}
        raise MountError(f'{kind.lower()} "{name}" not found')
    items = given.get("items")
    if not items:
        return data
    missing = [each["key"] for each in items if each["key"] not in data]
    if missing and not given.get("optional"):
        raise MountError(f"references non-existent {kind.lower()} key: {missing[0]}")
    return {str(each["path"]): data[each["key"]] for each in items if each["key"] in data}


def _data(client: Client, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    found = client.find(f"{kind.lower()}s", name, namespace)
    if found is None:
        return None
    texts: Mapping[str, str] = found.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in texts.items()}
    binary: Mapping[str, str] = found.get("binaryData") or {}
    return {key: value.encode() for key, value in texts.items()} | {
        key: base64.b64decode(value) for key, value in binary.items()
    }


def _told(pod: Obj, pod_ip: str, item: Obj) -> bytes:
    path = str((item.get("fieldRef") or {}).get("fieldPath", ""))
    if path in ("metadata.labels", "metadata.annotations"):
        found: Mapping[str, str] = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(found.items())).encode()
    return environment.pod_field(pod, pod_ip, path).encode()
