"""Whether pods of a namespace get a proxy: tried, in a dry run, rather than read from a label."""

from __future__ import annotations

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import PODS
from labkit.kube.mesh.control_plane import control_planes
from labkit.kube.proxies.proxies import CONTAINER

_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "would-it-get-a-proxy"},
    "spec": {"containers": [{"name": "app", "image": "app"}]},
}


def with_label_of_this_mesh(api: Api, obj: Obj) -> Obj:
    """*obj*; a Namespace that asks for sidecars asks the istiod there is.

    ``istio-injection=enabled`` means the default revision. Where an administrator installed Istio by
    revisions and made none of them the default, the label is ``istio.io/rev``
    (https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/).
    """
    metadata = obj.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if obj.get("kind") != "Namespace" or labels.get("istio-injection") != "enabled":
        return obj
    planes = control_planes(api)
    if not planes or planes[0].revision == "default":
        return obj
    name, value = planes[0].injection_label
    kept = {key: text for key, text in labels.items() if key != "istio-injection"}
    return obj | {"metadata": metadata | {"labels": kept | {name: value}}}


def gets_proxy(api: Api, namespace: str) -> bool:
    """Whether a pod made in *namespace* now would get a sidecar; false where there is no such namespace."""
    try:
        pod = api.request("POST", PODS.path(namespace), query={"dryRun": "All"}, body=_POD).object
    except ApiRefused as error:
        if error.code != 404:
            raise
        return False
    spec = pod["spec"]
    return any(c["name"] == CONTAINER for c in [*spec["containers"], *(spec.get("initContainers") or [])])
