"""What the book needs of a mesh that others have set up, set for the learner's namespaces alone.

Nothing of such an Istio is changed: not its settings, not its gateways. Where hosts outside the registry
may be called, a Sidecar in the learner's namespace forbids it there; where there is no access log, a
Telemetry makes one there. The gateways' log can't be had in this way, as all share them: it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from labkit.kube.api.api import Api, Obj
from labkit.kube.mesh.control_plane import control_planes
from labkit.kube.mesh.mesh_config import NAME, access_log_of, has_access_log, mesh_config, outbound_mode_of
from labkit.language import gettext, gettext_noop

ASK_FOR_LOG = gettext_noop(
    "The gateways of this mesh write no access log, which the book reads. Whoever "
    "administers Istio can switch it on by a Telemetry in istio-system: "
    "https://istio.io/latest/docs/tasks/observability/logs/access-log/"
)


def settings_of_mesh(api: Api) -> dict[str, Any]:
    """The MeshConfig of the istiod that is used here."""
    planes = control_planes(api)
    return mesh_config(api, planes[0].config_map if planes else NAME)


def own_settings(api: Api, namespaces: Sequence[str]) -> Iterator[Obj]:
    """Objects that make up in *namespaces* for what the mesh's settings lack; none on one's own cluster."""
    if not api.shared or not namespaces:
        return
    config = settings_of_mesh(api)
    closed = (config.get("outboundTrafficPolicy") or {}).get("mode") == "REGISTRY_ONLY"
    logged = has_access_log(api, config)
    for namespace in namespaces:
        if not closed:
            yield outbound_mode_of(namespace, "REGISTRY_ONLY")
        if not logged:
            yield access_log_of(namespace)


def what_to_ask_for(api: Api) -> str:
    """What only an administrator can set and the book misses, in a sentence; empty where that is nothing."""
    return gettext(ASK_FOR_LOG) if api.shared and not has_access_log(api, settings_of_mesh(api)) else ""
