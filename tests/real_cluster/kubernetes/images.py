"""Images without a registry: a folder becomes an OCI archive, as `ctr images import` takes it.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

_TYPES = "application/vnd.oci.image"


def pack(root: Path, name: str, archive: Path, **config: object) -> Path:
    """Make *archive* of the folder *root*, an image called *name*; it.

    config: what a container of it runs, as in an image's ``config``: ``Entrypoint``, ``User``, …
    """
    layer = _tar(root)
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes, **more: object) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"{_TYPES}.{kind}", "digest": f"sha256:{digest}", "size": len(content), **more}

    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPES}.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(described).encode()),
        "layers": [blob("layer.v1.tar", layer)],
    }
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    entry = blob("manifest.v1+json", json.dumps(manifest).encode(), annotations=names)
    files = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"schemaVersion": 2, "manifests": [entry]},
    }
    with tarfile.open(archive, "w") as out:
        for path, content in files.items():
            _add(out, path, json.dumps(content).encode())
        for digest, data in blobs.items():
            _add(out, f"blobs/sha256/{digest}", data)
    return archive


def _tar(root: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, str(path.relative_to(root)), recursive=False)
    return out.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def install(root: Path, programs: dict[str, Path | str]) -> None:
    """Put *programs* (place in the image → file of this machine) into *root*, with their libraries."""
    for place, program in programs.items():
        _copy(Path(program), root / place.removeprefix("/"))
    for library in libraries(programs.values()):
        _copy(library, root / str(library).removeprefix("/"))


def libraries(files: Iterable[Path | str]) -> set[Path]:
    """What these programs and libraries load, by the loader's own word; nothing for static ones."""
    found: set[Path] = set()
    for file in files:
        said = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
        found |= {Path(each) for each in re.findall(r"(/\S+) \(0x", said)}
    return found


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)  # a link's target, not the link
