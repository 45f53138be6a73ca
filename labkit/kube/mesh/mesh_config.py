"""The mesh's own settings: ConfigMap ``istio`` in ``istio-system``, key ``mesh``, as istioctl writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import yaml

from labkit.errors import ApiRefused, ClusterError
from labkit.kube.api.api import APPLY_PATCH, MERGE_PATCH, Api, Obj
from labkit.kube.api.resources import CONFIG_MAPS, SIDECARS, TELEMETRIES
from labkit.kube.mesh.virtual_services import EVERYWHERE
from labkit.language import gettext

ENVOY_PROVIDER = "envoy"
"""Istio's built-in provider of access logs: to standard output, in the mesh's format."""
NAMESPACE, NAME, KEY = "istio-system", "istio", "mesh"

OutboundMode = Literal["REGISTRY_ONLY", "ALLOW_ANY"]


def mesh_config(api: Api, name: str = NAME) -> dict[str, Any]:
    """The MeshConfig in the ConfigMap *name*; ClusterError where Istio is not installed."""
    found = api.find(CONFIG_MAPS.path(NAMESPACE, name))
    if found is None:
        raise ClusterError(
            gettext(
                "There is no ConfigMap {name} in {namespace}: Istio is not installed. Try `labkit "
                "istio install -y`.",
                name=name,
                namespace=NAMESPACE,
            )
        )
    return cast(dict[str, Any], yaml.safe_load(found.get("data", {}).get(KEY) or "") or {})


def default_rule_export_to(api: Api) -> tuple[str, ...]:
    """``defaultVirtualServiceExportTo``: who sees a VirtualService that doesn't say so.

    Where one may not read the mesh's settings, or there are none: everybody, as Istio has it.
    """
    try:
        given = mesh_config(api).get("defaultVirtualServiceExportTo")
    except (ApiRefused, ClusterError):
        given = None
    return tuple(map(str, given or EVERYWHERE))


def outbound_mode(api: Api) -> OutboundMode:
    """What sidecars do with hosts the registry does not know (Istio's default is ALLOW_ANY)."""
    policy = mesh_config(api).get("outboundTrafficPolicy") or {}
    return cast(OutboundMode, policy.get("mode", "ALLOW_ANY"))


def _checked(mode: str) -> str:
    if mode not in ("REGISTRY_ONLY", "ALLOW_ANY"):
        raise ClusterError(
            gettext("outboundTrafficPolicy.mode is REGISTRY_ONLY or ALLOW_ANY, not {mode!r}.", mode=mode)
        )
    return mode


def set_outbound_mode_of(api: Api, namespace: str, mode: OutboundMode) -> Obj:
    """Set it for the pods of *namespace* alone, by a Sidecar named ``default``; returns that."""
    query = {"fieldManager": "labkit", "force": True}
    path = SIDECARS.path(namespace, "default")
    body = outbound_mode_of(namespace, mode)
    return api.request("PATCH", path, query=query, body=body, content_type=APPLY_PATCH).object


def outbound_mode_of(namespace: str, mode: OutboundMode) -> Obj:
    """The Sidecar that sets it for the pods of *namespace*."""
    return {
        "apiVersion": SIDECARS.group_version,
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"egress": [{"hosts": ["*/*"]}], "outboundTrafficPolicy": {"mode": _checked(mode)}},
    }


def access_log_of(namespace: str) -> Obj:
    """The Telemetry that gives the pods of *namespace* an access log, to standard output."""
    return {
        "apiVersion": TELEMETRIES.group_version,
        "kind": "Telemetry",
        "metadata": {"name": "access-log", "namespace": namespace},
        "spec": {"accessLogging": [{"providers": [{"name": ENVOY_PROVIDER}]}]},
    }


def has_access_log(api: Api, config: Mapping[str, Any]) -> bool:
    """Whether the whole mesh writes one to standard output, by its settings *config* or by a Telemetry."""
    by_default = (config.get("defaultProviders") or {}).get("accessLogging") or []
    return (
        config.get("accessLogFile") == "/dev/stdout"
        or ENVOY_PROVIDER in by_default
        or any(_logs_everything(obj) for obj in _telemetries(api, config.get("rootNamespace") or NAMESPACE))
    )


def _logs_everything(telemetry: Obj) -> bool:
    spec = telemetry.get("spec") or {}
    asked = spec.get("accessLogging") or []
    names = [one.get("name") for each in asked for one in each.get("providers") or []]
    return (
        not spec.get("selector") and ENVOY_PROVIDER in names and not any(one.get("disabled") for one in asked)
    )


def _telemetries(api: Api, namespace: str) -> list[Obj]:
    """Those of *namespace*; none where one may not look, or the mesh has no such kind."""
    try:
        return api.items(TELEMETRIES.path(namespace))
    except ApiRefused as error:
        if error.code not in (403, 404):
            raise
        return []


def set_outbound_mode(api: Api, mode: OutboundMode) -> Obj:
    """Set ``meshConfig.outboundTrafficPolicy.mode``; returns the ConfigMap as it is now."""
    config = mesh_config(api) | {"outboundTrafficPolicy": {"mode": _checked(mode)}}
    patch = {"data": {KEY: yaml.safe_dump(config, sort_keys=False)}}
    path = CONFIG_MAPS.path(NAMESPACE, NAME)
    return api.request("PATCH", path, body=patch, content_type=MERGE_PATCH).object
