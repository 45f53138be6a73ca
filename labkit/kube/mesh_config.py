"""The mesh's own settings: ConfigMap ``istio`` in ``istio-system``, key ``mesh``, as istioctl writes it."""

from __future__ import annotations

from typing import Any, Literal, cast

import yaml

from labkit.errors import ClusterError
from labkit.kube.api import APPLY_PATCH, MERGE_PATCH, Api, Obj
from labkit.kube.resources import CONFIG_MAPS, SIDECARS

NAMESPACE, NAME, KEY = "istio-system", "istio", "mesh"

OutboundMode = Literal["REGISTRY_ONLY", "ALLOW_ANY"]


def mesh_config(api: Api, name: str = NAME) -> dict[str, Any]:
    """The MeshConfig in the ConfigMap *name*; ClusterError where Istio is not installed."""
    found = api.find(CONFIG_MAPS.path(NAMESPACE, name))
    if found is None:
        raise ClusterError(
            f"There is no ConfigMap {name} in {NAMESPACE}: Istio is not installed. "
            "Try `labkit istio install -y`."
        )
    return cast(dict[str, Any], yaml.safe_load(found.get("data", {}).get(KEY) or "") or {})


def outbound_mode(api: Api) -> OutboundMode:
    """What sidecars do with hosts the registry does not know (Istio's default is ALLOW_ANY)."""
    policy = mesh_config(api).get("outboundTrafficPolicy") or {}
    return cast(OutboundMode, policy.get("mode", "ALLOW_ANY"))


def _checked(mode: str) -> str:
    if mode not in ("REGISTRY_ONLY", "ALLOW_ANY"):
        raise ClusterError(f"outboundTrafficPolicy.mode is REGISTRY_ONLY or ALLOW_ANY, not {mode!r}.")
    return mode


def set_outbound_mode_of(api: Api, namespace: str, mode: OutboundMode) -> Obj:
    """Set it for the pods of *namespace* alone, by a Sidecar named ``default``; returns that."""
    sidecar = {
        "apiVersion": SIDECARS.group_version,
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"egress": [{"hosts": ["*/*"]}], "outboundTrafficPolicy": {"mode": _checked(mode)}},
    }
    query = {"fieldManager": "labkit", "force": True}
    path = SIDECARS.path(namespace, "default")
    return api.request("PATCH", path, query=query, body=sidecar, content_type=APPLY_PATCH).object


def set_outbound_mode(api: Api, mode: OutboundMode) -> Obj:
    """Set ``meshConfig.outboundTrafficPolicy.mode``; returns the ConfigMap as it is now."""
    config = mesh_config(api) | {"outboundTrafficPolicy": {"mode": _checked(mode)}}
    patch = {"data": {KEY: yaml.safe_dump(config, sort_keys=False)}}
    path = CONFIG_MAPS.path(NAMESPACE, NAME)
    return api.request("PATCH", path, body=patch, content_type=MERGE_PATCH).object
