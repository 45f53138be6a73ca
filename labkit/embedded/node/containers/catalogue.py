"""The catalogue: which images this node can run, and what each becomes.

There is nothing to pull and no file system to unpack here: an image is a *name* for an entry, a
function that describes one process as data, or a part of the daemon that plays a container.
Nothing can be started on a node but through its catalogue. What it holds is said in
:mod:`labkit.embedded.images`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from labkit.embedded.interfaces import BuiltinContainer, Launch, ProcessCommand

_PREFIXES = (
    *(("registry.istio.io/release/", "istio/"), ("registry.istio.io/testing/", "istio/")),
    *(("gcr.io/istio-release/", "istio/"), ("gcr.io/istio-testing/", "istio/")),
    ("registry.k8s.io/e2e-test-images/", ""),
    *(("gcr.io/google_containers/", ""), ("gcr.io/google-containers/", "")),
    *((f"{registry}/", "") for registry in ("docker.io", "index.docker.io", "registry-1.docker.io")),
    *((f"{registry}/", "") for registry in ("registry.k8s.io", "k8s.gcr.io", "gcr.io", "quay.io", "ghcr.io")),
)
"""Where the same image is published, and the name that it has there; the first that fits counts."""


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

    def __init__(
        self,
        images: Mapping[str, Image] | None = None,
        own: Callable[[], Mapping[str, Image]] = dict,
    ) -> None:
        """*own*: the learner's, asked again at every look; they come first."""
        self._images: dict[str, Image] = {}
        self._own = own
        for name, image in (images or {}).items():
            self.add(name, image)

    def add(self, name: str, image: Image) -> None:
        """Enter *image* as *name*, under any of the registries that are known to have it."""
        self._images[normal(name)] = image

    def find(self, reference: str) -> Image | None:
        """The image *reference* names, if it is here."""
        wanted = normal(reference)
        own = {normal(name): image for name, image in self._own().items()}
        matching = (
            image
            for name, image in (*own.items(), *self._images.items())
            if fnmatch.fnmatchcase(wanted, name)
        )
        return next(matching, None)

    @property
    def names(self) -> list[str]:
        """All names, for messages."""
        return sorted({*self._images, *map(normal, self._own())})


def normal(reference: str) -> str:
    """*reference* without the registries everybody uses, with a tag: ``labkit/outside:latest``.

    A digest says no more than the tag before it does: there is one version of each program here.
    """
    name, _, digest = reference.partition("@")
    for prefix, instead in _PREFIXES:
        if name.startswith(prefix):
            name = instead + name.removeprefix(prefix)
            break
    name = name.removeprefix("library/")
    if ":" in name.rpartition("/")[2]:
        return name
    return f"{name}:{digest or 'latest'}"
