"""Whether a pod gets a proxy: labels and annotations (istio.io, "Controlling the injection policy")."""

from __future__ import annotations

from labkit.embedded.objects import Obj, annotations_of, labels_of

INJECT = "sidecar.istio.io/inject"
NEVER = {"kube-system", "kube-public", "kube-node-lease", "local-path-storage"}
REVISION = "default"


def is_injected(namespace: Obj, pod: Obj) -> bool:
    """Whether the webhook selects *pod* and its policy says yes."""
    if namespace["metadata"]["name"] in NEVER or pod["spec"].get("hostNetwork"):
        return False
    wish = labels_of(pod).get(INJECT) or annotations_of(pod).get(INJECT)
    if wish == "false":
        return False
    order = labels_of(namespace).get("istio-injection")
    if order:  # wins over istio.io/rev where both are there
        return order == "enabled"
    revision = labels_of(namespace).get("istio.io/rev") or labels_of(pod).get("istio.io/rev")
    if revision:
        return revision == REVISION
    return labels_of(pod).get(INJECT) == "true"  # an annotation alone selects nothing
