"""A pod's files: its volumes, its ``/tmp``, and the files by which a container knows its network.

What a volume holds is written into the pod's folder when a container starts, and whenever its source changes,
and goes with the pod; where a container sees it is up to :mod:`labkit.embedded.node.inside.files`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from labkit.embedded.interfaces import TMP_FOLDER, VOLUMES_FOLDER
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.volumes import etc_files, host_paths, volume_content, volume_files
from labkit.embedded.node.volumes.volume_content import MountError, Sources
from labkit.embedded.objects import Obj

WORK, PARTS = "work", "parts"
SUPPORTED = ("emptyDir", "configMap", "secret", "downwardAPI", "projected", "hostPath")
_KEPT = ("emptyDir", "hostPath")
"""What belongs to pods: nobody writes it for them."""
SPECIAL = ("istio", "workload-", "credential-", "kube-api-access-")
"""How the names of volumes begin that Istio and Kubernetes add, and nobody here reads."""
_EVERYBODYS = 0o777
"""Of an emptyDir: whatever account a container runs as."""
_PACKAGE = Path(__file__).parents[4]


def mounts(
    sources: Sources, pod: Obj, spec: Obj, pod_ip: str, folder: Path, needed: Iterable[Path] = ()
) -> list[Mount]:
    """What the container *spec* of *pod* sees, to be found in *folder*; MountError where it can't.

    needed: folders and files of the host without which its programs don't run, wherever those are.
    """
    tmp = folder / spec["name"] / TMP_FOLDER
    tmp.mkdir(parents=True, exist_ok=True)
    volumes = {str(each["name"]): each for each in pod["spec"].get("volumes") or []}
    found = [Mount(str(tmp), "/tmp"), *etc_files.mounts(pod, pod_ip, folder)]
    for each in spec.get("volumeMounts") or []:
        volume = volumes.get(str(each["name"]))
        if volume is not None and volume.keys() & set(SUPPORTED):
            try:
                place = _volume(sources, pod, volume, pod_ip, folder)
                found.append(_mount(each, volume, place, folder / spec["name"] / PARTS))
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


def _mount(mount: Obj, volume: Obj, place: Path, parts: Path) -> Mount:
    part = str(mount.get("subPath") or "")
    source = Path(os.path.normpath(place / part))
    if not source.is_relative_to(place):
        raise MountError(f'subPath "{part}" must not leave the volume')
    written = not volume.keys() & set(_KEPT)
    if part and written:
        source = _as_it_was(source, parts / str(volume["name"]) / part)
    if not source.exists():
        source.mkdir(parents=True)
    read_only = written or bool(mount.get("readOnly"))
    return Mount(str(source), os.path.normpath(str(mount["mountPath"])), read_only)


def _as_it_was(source: Path, copy: Path) -> Path:
    """What *source* was when its container started: a ``subPath`` does not follow what changes."""
    if not copy.exists() and source.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    return copy


def _kept_in_sight(mounts: Iterable[Mount], *paths: Path) -> Iterable[Mount]:
    """What a program needs of the host though it lies below a mount, such as this Python in ``/tmp``."""
    for path in dict.fromkeys((*map(str, paths), sys.prefix, sys.base_prefix, str(_PACKAGE))):
        if any(f"{path}/".startswith(f"{each.target}/") for each in mounts):
            yield Mount(path, path)


def _volume(sources: Sources, pod: Obj, volume: Obj, pod_ip: str, folder: Path) -> Path:
    """The folder of *volume*, with what it should hold now; what has gone meanwhile stays as it was."""
    if "hostPath" in volume:
        return host_paths.place(volume["hostPath"])
    place = folder / VOLUMES_FOLDER / str(volume["name"])
    is_new = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    if "emptyDir" not in volume:
        try:
            volume_files.write(place, volume_content.files(sources, pod, volume, pod_ip))
        except MountError:
            if not volume_files.is_written(place):
                raise
    elif is_new:
        place.chmod(_EVERYBODYS)
    return place


def refresh(sources: Sources, pod: Obj, pod_ip: str, folder: Path) -> None:
    """Have every volume that is in use hold what it should hold now."""
    for each in pod["spec"].get("volumes") or []:
        if volume_files.is_written(folder / VOLUMES_FOLDER / str(each["name"])):
            _volume(sources, pod, each, pod_ip, folder)
