"""Another place for the services' images: the lab's own, built from ``labkit/services/Containerfile``.

``LABKIT_IMAGES=registry.example/team/`` runs every service from ``registry.example/team/labkit-services``,
one image for all of them, the argument chooses. Python needs a little more memory than the manifests
allow, so their limit is raised; what they ask for is less, or a small cluster has no room for all of them.
An image that a node has is used, as those are that `kind load`, `k3s ctr images import` or `minikube image
load` brought there.
"""

from __future__ import annotations

import copy
import os

from labkit.kube.api import Obj

PREFIX = os.environ.get("LABKIT_IMAGES", "")
"""Where the images are; empty for those the manifests name."""
IMAGE = "labkit-services"
RESOURCES = {"requests": {"memory": "48Mi", "cpu": "20m"}, "limits": {"memory": "128Mi", "cpu": "500m"}}

_SERVICES = {
    **{
        f"artashesavetisyan/istio-basics-course:{name}-java-11": name
        for name in ("service-a", "service-b", "service-c", "service-ext")
    },
    "labkit/outbound": "outbound",
    "labkit/outside": "outside",
}
"""Image of a manifest → the argument for the lab's own."""


def with_own_images(obj: Obj) -> Obj:
    """*obj* with the lab's own images, where it is a Deployment and :data:`PREFIX` asks for that."""
    if not PREFIX or obj["kind"] != "Deployment":
        return obj
    changed = copy.deepcopy(obj)
    for container in changed["spec"]["template"]["spec"]["containers"]:
        if service := _SERVICES.get(container["image"]):
            container |= {"image": f"{PREFIX}{IMAGE}", "args": [service], "imagePullPolicy": "IfNotPresent"}
            container["resources"] = copy.deepcopy(RESOURCES)
    return changed
