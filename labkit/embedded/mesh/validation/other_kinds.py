"""Istio's rules for PeerAuthentications, ProxyConfigs and the mesh's settings."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from labkit.embedded.mesh.mesh_config import (
    CONFIG_MAP,
    ROOT_NAMESPACE,
    MeshConfig,
    MeshConfigError,
    is_as_installed,
)
from labkit.embedded.mesh.telemetries import FILE_LOG
from labkit.embedded.mesh.validation import common, trial
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.files import check_log
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.proxy_config import leads_out


def check_proxy_config(obj: Obj, report: Report) -> None:
    """It counts when a pod is made: https://istio.io/latest/docs/reference/config/networking/proxy-config/"""
    spec = obj.get("spec") or {}
    if int(spec.get("concurrency") or 0) < 0:
        report.error("concurrency must be greater than or equal to 0")
    report.errors_from(common.workload_selector(spec.get("selector"), "matchLabels"))
    for name in filter(leads_out, spec.get("environmentVariables") or {}):
        report.ineffective(f"spec.environmentVariables.{name}", "the proxy is given no such variable")
    if (spec.get("image") or {}).get("imageType") not in (None, "", "default"):
        report.ineffective("spec.image.imageType", "the proxy is the same in every image")


def check_peer_authentication(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    report.errors_from(_port_levels(spec))
    report.errors_from(common.workload_selector(spec.get("selector"), "matchLabels"))


def _port_levels(spec: Given) -> Iterator[str]:
    levels = spec.get("portLevelMtls")
    if levels is None:
        return
    if not (spec.get("selector") or {}).get("matchLabels"):
        yield "mesh/namespace peer authentication cannot have port level mTLS"
    if not levels:
        yield "port level mTLS, if defined, must have at least one element"
    for port in levels:
        if not 1 <= int(port) <= 65535:
            yield "port must be in range 1..65535"


def check_config_map(obj: Obj, report: Report) -> None:
    """The mesh settings; istiod takes any text and keeps its old settings where it can't read the new."""
    if (namespace_of(obj), name_of(obj)) != (ROOT_NAMESPACE, CONFIG_MAP) or is_as_installed(obj):
        return
    if _has_networks(str((obj.get("data") or {}).get("meshNetworks") or "")):
        report.ineffective("data.meshNetworks", "there is one cluster on one network")
    try:
        mesh = MeshConfig.from_config_map(obj)
    except MeshConfigError as error:
        report.ineffective("data.mesh", f"{error}; the proxies keep the settings they have")
        return
    for problem in trial.check_settings(mesh):
        report.ineffective("data.mesh", f"{problem}; the proxies keep the settings they have")
    for field in mesh.not_enforced:
        report.ineffective(f"data.mesh: {field}", "has no effect in this cluster yet")
    check_log(mesh.access_log_file, "data.mesh: accessLogFile", report)
    for each in mesh.extension_providers:
        path = str((each.get(FILE_LOG) or {}).get("path") or "")
        check_log(path, f"data.mesh: extensionProviders[{each.get('name')}].{FILE_LOG}.path", report)


def _has_networks(text: str) -> bool:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return True
    return bool(found.get("networks")) if isinstance(found, dict) else found is not None
