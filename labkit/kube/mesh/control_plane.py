"""Which istiod a cluster has: version, revision, and whether namespaces get sidecars by label.

Read from the objects an installation makes (istioctl's or Helm's): the Deployments with the label
``app=istiod``, their label ``istio.io/rev`` and the tag of their image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import DEPLOYMENTS

NAMESPACE = "istio-system"
OLDEST = (1, 20)
"""The oldest Istio the book is written for."""


@dataclass(frozen=True)
class ControlPlane:
    """One istiod."""

    revision: str
    """``default``, or the name of its revision."""
    version: str
    """By the tag of its image; ``unknown`` where that is no version."""
    ready: bool

    @property
    def is_new_enough(self) -> bool:
        """Whether it is Istio 1.20 or newer; an unknown version is given the benefit of the doubt."""
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return found is None or (int(found[1]), int(found[2])) >= OLDEST

    @property
    def config_map(self) -> str:
        """Name of the ConfigMap with its MeshConfig."""
        return "istio" if self.revision == "default" else f"istio-{self.revision}"

    @property
    def injection_label(self) -> tuple[str, str]:
        """The label that makes it inject a namespace's pods."""
        if self.revision == "default":
            return "istio-injection", "enabled"
        return "istio.io/rev", self.revision


def control_planes(api: Api) -> list[ControlPlane]:
    """Every istiod, the default revision's first."""
    found = [_read(d) for d in api.items(DEPLOYMENTS.path(NAMESPACE), labelSelector="app=istiod")]
    return sorted(found, key=lambda one: (one.revision != "default", one.revision))


def _read(deployment: Obj) -> ControlPlane:
    labels = deployment["metadata"].get("labels") or {}
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    tag = image.partition("@")[0].rpartition(":")[2]
    return ControlPlane(
        revision=labels.get("istio.io/rev") or "default",
        version=tag if re.match(r"\d", tag) else "unknown",
        ready=bool((deployment.get("status") or {}).get("readyReplicas")),
    )
