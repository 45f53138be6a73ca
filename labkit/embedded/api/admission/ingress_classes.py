"""An Ingress that names no class has the default one, if there is one.

Source: plugin/pkg/admission/network/defaultingressclass of Kubernetes. Its registry's one warning, that
the class is not to be named by an annotation any more, is given here, too.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.ingresses import CLASS_ANNOTATION
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj, annotations_of, name_of

_IS_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_DEPRECATED = f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


class IngressClasses:
    """An admission plug-in."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource != "ingresses.networking.k8s.io" or request.old is not None:
            return []
        spec = request.object.setdefault("spec", {})
        if spec.get("ingressClassName") is not None:
            return []
        if CLASS_ANNOTATION in annotations_of(request.object):
            return [_DEPRECATED]
        name = self._default()
        if name:
            spec["ingressClassName"] = name
        return []

    def _default(self) -> str:
        """Of several the newest, of those of one second the first by name."""
        classes = self._client.list("ingressclasses.networking.k8s.io")
        found = [each for each in classes if annotations_of(each).get(_IS_DEFAULT) == "true"]
        by_name = sorted(found, key=name_of)
        return name_of(max(by_name, key=_created)) if by_name else ""


def _created(obj: Obj) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")
