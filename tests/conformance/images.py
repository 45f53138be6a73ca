"""The images that upstream's specs ask for: upstream's own program where one is named, entered by name."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

from labkit import images
from tests.certificates import pair

_REGISTRY = "registry.k8s.io/e2e-test-images"
AGNHOST, NAUTILUS = f"{_REGISTRY}/agnhost", f"{_REGISTRY}/nautilus"
_TAGS = ("2.56", "2.55")
_ENTRYPOINT = """#!/bin/bash
[ $# -gt 0 ] || set -- pause
exec -a "/${{0##*/}}" {place}/program "${{@/#\\/localhost./{place}/localhost.}}"
"""
"""The image's ENTRYPOINT and CMD (test/images/agnhost/Dockerfile), called as there, with its files."""
_NAMES = ("agnhost", "agnhost-2")
_PAGES = """#!/bin/sh
cd {folder} && exec {python} -m http.server 80
"""
"""agnhost's image with one file more, which it serves (test/images/nautilus/Dockerfile)."""


def enter_agnhost(program: Path, folder: Path) -> None:
    """Let pods that name agnhost's image run *program*, with the words the image has where they give none."""
    place = folder / "bin"
    place.mkdir()
    shutil.copy(program, place / "program")  # pods see an image's folder, wherever it is
    for name in _NAMES:
        _write(place / name, _ENTRYPOINT.format(place=place))
    for kind, content in zip(("crt", "key"), pair("localhost", "agnhost", "localhost"), strict=True):
        (place / f"localhost.{kind}").write_bytes(content)
    for tag in _TAGS:
        images.add(f"{AGNHOST}:{tag}", [str(place / _NAMES[0])], place)


def enter_nautilus(folder: Path) -> None:
    """Let pods that name nautilus' image serve the file that specs ask it for."""
    pages = folder / "pages"
    pages.mkdir()
    (pages / "data.json").write_text('{"image": "nautilus.jpg"}\n')
    _write(folder / "nautilus", _PAGES.format(folder=pages, python=sys.executable))
    images.add(f"{NAUTILUS}:1.7", [str(folder / "nautilus")], pages)


def _write(script: Path, text: str) -> None:
    script.write_text(text)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
