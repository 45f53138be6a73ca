"""The catalogue: which images this node can run, and what each becomes.

There is nothing to pull and no file system to unpack here: an image is a *name* for an entry, a
function that describes one process as data, or a part of the daemon that plays a container.
Nothing can be started on a node but through its catalogue.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from labkit.embedded.interfaces import BuiltinContainer, Launch, ProcessCommand

REGISTRIES = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


@dataclass(frozen=True)
class ProcessImage:
    """An image that becomes a process."""

    describe: Callable[[Launch], ProcessCommand]
    is_proxy: bool = False
    """An Envoy: it owns the pod's address and the shim is not for it."""


@dataclass(frozen=True)
class BuiltinImage:
    """An image that runs inside the daemon."""

    make: Callable[[Launch], BuiltinContainer]
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """As :attr:`labkit.embedded.interfaces.ProcessCommand.programs`."""


Image: TypeAlias = ProcessImage | BuiltinImage


class Catalogue:
    """Images by name; a name may hold ``*``, as in ``istio/proxyv2:*``."""

    def __init__(self, images: Mapping[str, Image] | None = None) -> None:
        self._images: dict[str, Image] = {}
        for name, image in (images or {}).items():
            self.add(name, image)

    def add(self, name: str, image: Image) -> None:
        """Enter *image* as *name*, with or without ``docker.io/``."""
        self._images[normal(name)] = image

    def find(self, reference: str) -> Image | None:
        """The image *reference* names, if it is here."""
        wanted = normal(reference)
        matching = (image for name, image in self._images.items() if fnmatch.fnmatchcase(wanted, name))
        return next(matching, None)

    @property
    def names(self) -> list[str]:
        """All names, for messages."""
        return sorted(self._images)


def normal(reference: str) -> str:
    """*reference* without Docker's own registry, with a tag: ``labkit/outside:latest``."""
    for registry in REGISTRIES:
        reference = reference.removeprefix(registry)
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def service_images() -> dict[str, Image]:
    """The scenario's services, and the two for trying the ways out of the mesh."""
    course = "artashesavetisyan/istio-basics-course"
    return {
        f"{course}:service-a-java-11": _service("service-a"),
        f"{course}:service-b-java-11": _service("service-b"),
        f"{course}:service-c-java-11": _service("service-c"),
        f"{course}:service-ext-java-11": _service("service-ext"),
        "labkit/outbound:*": _service("outbound"),
        "labkit/outside:*": _service("outside"),
        "*labkit-services:*": ProcessImage(_chosen_service),
    }


def _chosen_service(launch: Launch) -> ProcessCommand:
    """The one image of the Containerfile, wherever it was pushed to: the argument chooses."""
    arguments = [str(word) for word in launch.container.get("args") or ["service-b"]]
    return ProcessCommand([sys.executable, "-m", "labkit.services", *arguments])


def _service(name: str) -> ProcessImage:
    command = ProcessCommand([sys.executable, "-m", "labkit.services", name])
    return ProcessImage(lambda _: command)
