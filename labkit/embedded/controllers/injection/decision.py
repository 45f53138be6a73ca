"""Whether a pod gets a proxy: which webhook selects it, then what its own policy says.

The selectors are those of the MutatingWebhookConfiguration ``istio-sidecar-injector`` (default
revision); the policy is ``injectRequired`` of istiod, where the pod's label beats its annotation.
"""

from __future__ import annotations

from labkit.embedded.objects import Obj, annotations_of, labels_of

INJECT = "sidecar.istio.io/inject"
REVISION_LABEL = "istio.io/rev"
REVISION = "default"
NEVER = {"kube-system", "kube-public", "kube-node-lease", "local-path-storage"}


def selected_by(namespace: Obj, pod: Obj) -> str | None:
    """The webhook that is called for *pod*, if any; there is one for each way of asking."""
    wish, pod_revision = labels_of(pod).get(INJECT), labels_of(pod).get(REVISION_LABEL)
    order, revision = labels_of(namespace).get("istio-injection"), labels_of(namespace).get(REVISION_LABEL)
    if wish == "false":
        return None
    if order is not None:  # wins over istio.io/rev where both are there
        return _named("namespace") if order == "enabled" else None
    if revision is not None:
        return _named("rev.namespace") if revision == REVISION else None
    if pod_revision is not None:
        return _named("rev.object") if pod_revision == REVISION else None
    return _named("object") if wish == "true" else None  # an annotation alone selects nothing


def _named(way: str) -> str:
    return f"{way}.sidecar-injector.istio.io"


def is_allowed(namespace: str, pod: Obj) -> bool:
    """Whether istiod's own policy lets a selected *pod* have a proxy."""
    if namespace in NEVER or pod["spec"].get("hostNetwork"):
        return False
    wish = labels_of(pod).get(INJECT) or annotations_of(pod).get(INJECT)
    return wish != "false"
