"""Whether pods of a namespace get a proxy: tried, in a dry run, rather than read from a label."""

from __future__ import annotations

from labkit.errors import ApiRefused
from labkit.kube.api import Api
from labkit.kube.proxies import CONTAINER
from labkit.kube.resources import PODS

_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "would-it-get-a-proxy"},
    "spec": {"containers": [{"name": "app", "image": "app"}]},
}


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
