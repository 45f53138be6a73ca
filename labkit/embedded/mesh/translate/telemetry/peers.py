"""Who speaks with whom, as both ends can tell: Istio's metadata exchange with what Envoy itself has.

A proxy names its workload in the request header ``x-envoy-peer-metadata``, and the proxy at the other end
takes the header off, notes what it says, and lets the application see nothing of it. (As in Istio; the
header's text is not Istio's, which Envoy's own filters could not read.) Who answers stands in the endpoint's
metadata, which service a cluster is for in the cluster's. TCP has no headers: there a server knows its caller
by the certificate alone.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.workloads import PEER_VARIABLE, VARIABLES, Workload

EXCHANGE, STATS = "istio.metadata_exchange", "istio.stats"
"""The filters' names, as Istio has them."""
HEADER = "x-envoy-peer-metadata"
PEER, SERVICE = "labkit.peer", "labkit.service"
"""Where the metadata of a request or an endpoint, and of a cluster, say it."""
PROTOCOL = "request_protocol"

_TO_METADATA = "envoy.extensions.filters.http.header_to_metadata.v3.Config"


def endpoint_metadata(workload: Workload) -> dict[str, Any]:
    """Whose endpoint it is: istiod's words, and field by field."""
    return {"istio": {"workload": workload.compressed}, PEER: workload.fields}


def cluster_metadata(service: Service, **istio: Any) -> dict[str, Any]:
    """Which service a cluster is for; *istio*: what else istiod says of it."""
    # To istiod each host of a ServiceEntry is a service, and goes by that name.
    name = service.name if service.from_kubernetes else service.host
    named = {"host": service.host, "name": name, "namespace": service.namespace}
    told = {"host": service.host, "name": name}
    return {"filter_metadata": {"istio": {**istio, "services": [named]}, SERVICE: told}}


def no_service(name: str) -> dict[str, Any]:
    """The metadata of a cluster that is for no service: *name* stands for one."""
    return {"filter_metadata": {SERVICE: {"name": name}}}


def telling() -> dict[str, Any]:
    """The filter of a caller's proxy."""
    value = {"key": HEADER, "value": f"%ENVIRONMENT({PEER_VARIABLE})%"}
    add = {"append": {"header": value, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    return {"name": EXCHANGE, "typed_config": typed(kind, mutations={"request_mutations": [add]})}


def listening() -> dict[str, Any]:
    """The filter of the proxy that is called: a rule for each field, the last takes the header away."""
    last = len(VARIABLES) - 1
    rules = [
        {
            "header": HEADER,
            "on_header_present": _noted(PEER, name, rf"^(?:[^;]*;){{{place}}}([^;]*)(?:;.*)?$", r"\1"),
            "remove": place == last,
        }
        for place, name in enumerate(VARIABLES)
    ]
    return {"name": EXCHANGE, "typed_config": typed(_TO_METADATA, request_rules=rules)}


def noting_protocol() -> dict[str, Any]:
    """The filter that notes which requests are gRPC."""
    noted = _noted(PEER, PROTOCOL, r"^(?:application/(grpc).*|.*)$", r"\1")
    rule = {"header": "content-type", "on_header_present": noted, "remove": False}
    return {"name": STATS, "typed_config": typed(_TO_METADATA, request_rules=[rule])}


def _noted(namespace: str, key: str, pattern: str, text: str) -> dict[str, Any]:
    rewrite = {"pattern": {"regex": pattern}, "substitution": text}
    return {"metadata_namespace": namespace, "key": key, "type": "STRING", "regex_value_rewrite": rewrite}
