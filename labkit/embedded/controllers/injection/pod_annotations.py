"""Istio's annotations and labels of pods: which are honoured here, which change nothing, and why.

The names are those of ``istio.io/api``. Who reads the ones that are honoured: the templates (resources,
log levels, image, readiness, volumes), the node (``traffic.sidecar.istio.io/…Outbound…``, the order of the
start), the proxy's bootstrap (``concurrency``) and the control plane (``tracing``).
"""

from __future__ import annotations

from labkit.embedded.objects import Obj, annotations_of, labels_of
from labkit.embedded.proxy_config import PROXY_CONFIG, leads_out, proxy_config
from labkit.embedded.settings import PROXY_SETTINGS, unread

PROXY_RESOURCES = {
    "sidecar.istio.io/proxyCPU": ("requests", "cpu"),
    "sidecar.istio.io/proxyMemory": ("requests", "memory"),
    "sidecar.istio.io/proxyCPULimit": ("limits", "cpu"),
    "sidecar.istio.io/proxyMemoryLimit": ("limits", "memory"),
}
LOG_LEVEL, COMPONENT_LOG_LEVEL = "sidecar.istio.io/logLevel", "sidecar.istio.io/componentLogLevel"
PROXY_IMAGE = "sidecar.istio.io/proxyImage"
READINESS = {
    f"readiness.status.sidecar.istio.io/{field}": field
    for field in ("initialDelaySeconds", "periodSeconds", "failureThreshold")
}
USER_VOLUMES, USER_MOUNTS = "sidecar.istio.io/userVolume", "sidecar.istio.io/userVolumeMount"
TRAFFIC = "traffic.sidecar.istio.io/"

_HONOURED = {
    *PROXY_RESOURCES,
    LOG_LEVEL,
    COMPONENT_LOG_LEVEL,
    PROXY_IMAGE,
    USER_VOLUMES,
    USER_MOUNTS,
    *READINESS,
    *(
        f"{TRAFFIC}{name}"
        for name in (
            "includeOutboundIPRanges",
            "excludeOutboundIPRanges",
            "includeOutboundPorts",
            "excludeOutboundPorts",
        )
    ),
    PROXY_CONFIG,
    "sidecar.istio.io/inject",
    "sidecar.istio.io/rewriteAppHTTPProbers",  # probes reach the application past its proxy either way
    "inject.istio.io/templates",
}
_BOOKKEEPING = {
    *(
        "sidecar.istio.io/status",
        "istio.io/rev",
        "proxy.istio.io/overrides",
        "galley.istio.io/analyze-suppress",
    ),
    *("service.istio.io/canonical-name", "service.istio.io/canonical-revision"),
    *("service.istio.io/workload-name", "gateway.istio.io/managed", "security.istio.io/tlsMode"),
}
"""Notes that somebody made or reads elsewhere; a pod's proxy is the same with them and without."""
_KEEPERS = ("operator.istio.io/", "install.operator.istio.io/")

_ALL_INBOUND = "every inbound port goes through the sidecar"
_NO_AGENT = "no agent runs beside the proxy"
_NO_IPTABLES = "traffic reaches the sidecar without iptables"
_OWN_STATS = "the proxy counts what it counts everywhere"
_NO_AMBIENT = "there is no ambient mesh"
_ONE_NETWORK = "there is one cluster on one network"
_IGNORED = {
    f"{TRAFFIC}includeInboundPorts": _ALL_INBOUND,
    f"{TRAFFIC}excludeInboundPorts": _ALL_INBOUND,
    f"{TRAFFIC}excludeInterfaces": _NO_IPTABLES,
    f"{TRAFFIC}kubevirtInterfaces": _NO_IPTABLES,
    "istio.io/reroute-virtual-interfaces": _NO_IPTABLES,
    "sidecar.istio.io/interceptionMode": _NO_IPTABLES,
    "sidecar.istio.io/capNetBindService": _NO_IPTABLES,
    "sidecar.istio.io/agentLogLevel": _NO_AGENT,
    "sidecar.istio.io/discoveryAddress": "the proxy always asks this cluster's istiod",
    "sidecar.istio.io/controlPlaneAuthPolicy": "the proxy asks istiod through a Unix socket",
    "sidecar.istio.io/bootstrapOverride": "the proxy starts with its own bootstrap",
    "sidecar.istio.io/enableCoreDump": "no core is dumped",
    "sidecar.istio.io/nativeSidecar": "the sidecar is an ordinary container",
    "sidecar.istio.io/extraStatTags": _OWN_STATS,
    "sidecar.istio.io/statsInclusionPrefixes": _OWN_STATS,
    "sidecar.istio.io/statsInclusionSuffixes": _OWN_STATS,
    "sidecar.istio.io/statsInclusionRegexps": _OWN_STATS,
    "sidecar.istio.io/statsHistogramBuckets": _OWN_STATS,
    "sidecar.istio.io/statsCompression": _OWN_STATS,
    "sidecar.istio.io/statsEvictionInterval": _OWN_STATS,
    "status.sidecar.istio.io/port": "the proxy's health is served on 15021",
    "readiness.status.sidecar.istio.io/applicationPorts": _NO_AGENT,
    "prometheus.istio.io/merge-metrics": "the application's metrics are not merged with the proxy's",
    "topology.istio.io/network": _ONE_NETWORK,
    "topology.istio.io/cluster": _ONE_NETWORK,
    "topology.istio.io/subzone": _ONE_NETWORK,
    "networking.istio.io/tunnel": _NO_AMBIENT,
    "ambient.istio.io/redirection": _NO_AMBIENT,
    "istio.io/dataplane-mode": _NO_AMBIENT,
    "istio.io/use-waypoint": _NO_AMBIENT,
}


def notices(pod: Obj) -> list[str]:
    """What *pod* asks of its proxy by annotation or label and does not get, a sentence each."""
    found = []
    for key, value in sorted({**labels_of(pod), **annotations_of(pod)}.items()):
        if not _is_istios(key) or key in _HONOURED | _BOOKKEEPING or key.startswith(_KEEPERS):
            continue
        if key == "prometheus.istio.io/merge-metrics" and value.lower() == "false":
            continue  # that is how it is
        why = _IGNORED.get(key, "Istio 1.30 has no annotation or label of this name")
        found.append(f"{key} has no effect here: {why}")
    settings = proxy_config(pod)
    ignored = sorted(unread({key: value for key, value in settings.items() if value}, PROXY_SETTINGS))
    variables = settings.get("proxyMetadata")
    refused = sorted(filter(leads_out, variables)) if isinstance(variables, dict) else []
    ignored += [f"proxyMetadata.{name}" for name in refused]
    return found + [f"{PROXY_CONFIG}: {key} has no effect here" for key in ignored]


def _is_istios(key: str) -> bool:
    domain = key.partition("/")[0]
    return domain == "istio.io" or domain.endswith(".istio.io")
