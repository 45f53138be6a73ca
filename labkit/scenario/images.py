"""Another place for the services' images: the lab's own, built from ``labkit/services/Containerfile``.

``Lab(images="registry.example/team/")``, or ``LABKIT_IMAGES`` where nothing else is said, runs every service
from ``registry.example/team/labkit-services``: one image for all of them, the argument chooses. Python needs
a little more memory than the manifests allow, so their limit is raised; what they ask for is less, or a small
cluster has no room for all of them. An image that a node has is used, as those are that `kind load`,
`k3s ctr images import` or `minikube image load` brought there.
"""

from __future__ import annotations

import copy

from labkit.kube.api.api import Obj

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


def with_own_images(obj: Obj, prefix: str) -> Obj:
    """*obj*, if it is a Deployment, with the lab's own images, which are at *prefix*; empty: as it is."""
    if not prefix or obj["kind"] != "Deployment":
        return obj
    changed = copy.deepcopy(obj)
    for container in changed["spec"]["template"]["spec"]["containers"]:
        if service := _SERVICES.get(container["image"]):
            container |= {"image": f"{prefix}{IMAGE}", "args": [service], "imagePullPolicy": "IfNotPresent"}
            container["resources"] = copy.deepcopy(RESOURCES)
    return changed
