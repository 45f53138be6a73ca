"""The image of the book's services, built from its Containerfile with whatever builder is at hand.

``buildah``, else ``podman``, else its steps are followed without one (``containerfile``). Its base, an image
with a Python, can't be had without a registry: one made of this machine's Python stands for it. All else is
what the Containerfile says.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from .base import ENV, make_base
from .containerfile import SEEN, follow
from .images import pack
from .programs import cache

ROOT = Path(__file__).parents[3]
CONTAINERFILE = ROOT / "labkit" / "services" / "Containerfile"
PREFIX = "labkit.test/"
"""What `--image-prefix` is told."""
NAME = f"{PREFIX}labkit-services:latest"
BUILDERS = ("buildah", "podman")
"""Programs that build it, the first that is there; but for one word, they take the same."""
_VERBS = {"buildah": "bud", "podman": "build"}
_BASE = "labkit.test/python:1"


def image() -> Path:
    """The archive of the image, as it was built from these sources."""
    archive = cache() / f"services-{_digest()}.tar"
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as half:
            build(Path(half)).rename(archive)
    return archive


def builder() -> str | None:
    """The builder that is at hand."""
    return next((name for name in BUILDERS if shutil.which(name)), None)


def build(work: Path, by: str | None = None) -> Path:
    """An archive of the image, made in the folder *work* by the builder that is called so, or at hand."""
    by = by or builder()
    return _build(work, by) if by else build_by_steps(work)


def build_by_steps(work: Path) -> Path:
    """The same without a builder: one layer of base and steps."""
    root = make_base(work / "root")
    config = follow(CONTAINERFILE, ROOT, root, {"Env": ENV})
    return pack(root, NAME, work / "services.tar", **config)


def _digest() -> str:
    sources = sorted((ROOT / "labkit" / "services").glob("*"))
    content = b"".join(each.read_bytes() for each in sources if each.is_file())
    return hashlib.sha256(content + platform.python_version().encode()).hexdigest()[:12]


def _build(work: Path, by: str) -> Path:
    """By a builder whose images are all in *work*, and gone when it has built."""
    built = work / "services.tar"
    base = pack(make_base(work / "base"), _BASE, work / "base.tar", Env=ENV)
    volumes = [f"--volume={each}:{each}:ro" for each in SEEN if Path(each).exists()]
    how = [
        "--isolation=chroot",
        "--network=host",
        "--layers=false",
        f"--from={_BASE}",
        "--pull=never",
        *volumes,
    ]
    try:
        _tell(work, by, "pull", f"oci-archive:{base}")
        _tell(work, by, _VERBS[by], *how, f"--file={CONTAINERFILE}", f"--tag={NAME}", str(ROOT))
        _tell(work, by, "push", NAME, f"oci-archive:{built}:{NAME}")
    finally:
        _tell(work, by, "rmi", "--all", "--force")  # its files are of other accounts, where no root builds
    return built


def _tell(work: Path, by: str, verb: str, *rest: str) -> None:
    where = [f"--root={work / 'images'}", f"--runroot={work / 'run'}", "--storage-driver=vfs"]
    policy = work / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    signed = [f"--signature-policy={policy}"] if verb in ("pull", "push", *_VERBS.values()) else []
    command = [by, *where, verb, *signed, *rest]
    env = os.environ | {"TMPDIR": str(work), "XDG_RUNTIME_DIR": str(work)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
