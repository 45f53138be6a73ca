"""The rows of ``kubectl get`` for everything but pods, by the rules of ``k8s.io/kubernetes/pkg/printers``."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from labkit.embedded.api.kinds.durations import since
from labkit.embedded.objects import Obj, condition_of, labels_of

_SHOWN = 3  # endpoints a cell shows before "+ n more..."
_ROLE_LABEL = "node-role.kubernetes.io/"


def age(obj: Obj, now: dt.datetime) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def namespace(obj: Obj, now: dt.datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), age(obj, now)]


def configmap(obj: Obj, now: dt.datetime) -> list[Any]:
    entries = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], entries, age(obj, now)]


def secret(obj: Obj, now: dt.datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or {}), age(obj, now)]


def service_account(obj: Obj, now: dt.datetime) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or []), age(obj, now)]


def lease(obj: Obj, now: dt.datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("spec", {}).get("holderIdentity") or "", age(obj, now)]


def created_at(obj: Obj, _now: dt.datetime) -> list[Any]:
    """Kinds without a printer of their own (roles)."""
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def binding(obj: Obj, now: dt.datetime) -> list[Any]:
    role = obj.get("roleRef", {})
    who: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or []:
        name = subject.get("name", "")
        account = subject.get("kind") == "ServiceAccount"
        who.get(subject.get("kind", ""), []).append(
            f"{subject.get('namespace', '')}/{name}" if account else name
        )
    shown = [", ".join(names) for names in who.values()]
    return [obj["metadata"]["name"], f"{role.get('kind')}/{role.get('name')}", age(obj, now), *shown]


def deployment(obj: Obj, now: dt.datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [obj["metadata"]["name"], ready, *counts, age(obj, now), *_template(spec, format_selector(spec))]


def replica_set(obj: Obj, now: dt.datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    selector = format_selector(spec) or "<none>"
    return [obj["metadata"]["name"], *counts, age(obj, now), *_template(spec, selector)]


def _template(spec: Obj, selector: str) -> list[str]:
    containers = spec.get("template", {}).get("spec", {}).get("containers") or []
    names = ",".join(each.get("name", "") for each in containers)
    return [names, ",".join(each.get("image", "") for each in containers), selector]


def format_labels(pairs: dict[str, str] | None) -> str:
    """``a=1,b=2``, or ``<none>``."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or "<none>"


def format_selector(spec: Obj) -> str:
    """``spec.selector`` of a workload in the words of ``kubectl get -l``."""
    selector = spec.get("selector") or {}
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    terms += [(each.get("key", ""), _expression(each)) for each in selector.get("matchExpressions") or []]
    return ",".join(text for _, text in sorted(terms))


def _expression(each: Obj) -> str:
    key, values = str(each.get("key", "")), ",".join(sorted(each.get("values") or []))
    forms: dict[str, str] = {"Exists": key, "DoesNotExist": f"!{key}", "NotIn": f"{key} notin ({values})"}
    return forms.get(each.get("operator", ""), f"{key} in ({values})")


def service(obj: Obj, now: dt.datetime) -> list[Any]:
    spec = obj.get("spec", {})
    cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP") or "<none>"]
    return [
        obj["metadata"]["name"],
        spec.get("type", ""),
        cluster_ips[0],
        _external_ip(obj),
        ",".join(_service_port(port) for port in spec.get("ports") or []) or "<none>",
        age(obj, now),
        format_labels(spec.get("selector")),
    ]


def _external_ip(obj: Obj) -> str:
    spec, kind = obj.get("spec", {}), obj.get("spec", {}).get("type")
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    ingress = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    balanced = sorted({each.get("ip") or each.get("hostname") or "" for each in ingress} - {""})
    addresses = (balanced if kind == "LoadBalancer" else []) + (spec.get("externalIPs") or [])
    return ",".join(addresses) or ("<pending>" if kind == "LoadBalancer" else "<none>")


def _service_port(port: Obj) -> str:
    number = str(port.get("port", 0)) + (f":{port['nodePort']}" if port.get("nodePort") else "")
    return f"{number}/{port.get('protocol', 'TCP')}"


def node(obj: Obj, now: dt.datetime) -> list[Any]:
    info = obj.get("status", {}).get("nodeInfo", {})
    system = [info.get(key) or "<unknown>" for key in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [
        obj["metadata"]["name"],
        _node_status(obj),
        ",".join(_node_roles(obj)) or "<none>",
        age(obj, now),
        info.get("kubeletVersion", ""),
        _node_address(obj, "InternalIP"),
        _node_address(obj, "ExternalIP"),
        *system,
    ]


def _node_status(obj: Obj) -> str:
    ready = condition_of(obj, "Ready")
    words = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    return ",".join(words + ["SchedulingDisabled"] * bool(obj.get("spec", {}).get("unschedulable")))


def _node_roles(obj: Obj) -> list[str]:
    labels = labels_of(obj)
    roles = {key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL)}
    return sorted((roles | {labels.get("kubernetes.io/role", "")}) - {""})


def _node_address(obj: Obj, kind: str) -> str:
    addresses = obj.get("status", {}).get("addresses") or []
    return next((str(each.get("address")) for each in addresses if each.get("type") == kind), "<none>")


def event(obj: Obj, now: dt.datetime) -> list[Any]:
    """An event in its core/v1 form."""
    first = since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    series, about = obj.get("series"), obj.get("involvedObject", {})
    if series:
        last = since(series.get("lastObservedTime"), now)
    target = about.get("kind", "").lower() + (f"/{about['name']}" if about.get("name") else "")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        target,
        about.get("fieldPath", ""),
        _event_source(obj),
        (obj.get("message") or "").strip(),
        first,
        (series or obj).get("count") or (0 if series else 1),
        obj["metadata"]["name"],
    ]


def _event_source(obj: Obj) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def endpoints(obj: Obj, now: dt.datetime) -> list[Any]:
    shown = [
        address.get("ip", "") + (f":{port.get('port', 0)}" if port else "")
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or [None]
        for address in subset.get("addresses") or []
    ]
    text = _with_more(shown) if obj.get("subsets") else "<none>"
    return [obj["metadata"]["name"], text, age(obj, now)]


def endpoint_slice(obj: Obj, now: dt.datetime) -> list[Any]:
    ports = [str(port.get("port", port.get("name", "*"))) for port in obj.get("ports") or []]
    addresses = [each for endpoint in obj.get("endpoints") or [] for each in endpoint.get("addresses") or []]
    shown = [_with_more(ports) or "<unset>", _with_more(addresses) or "<unset>"]
    return [obj["metadata"]["name"], obj.get("addressType", ""), *shown, age(obj, now)]


def _with_more(items: list[str]) -> str:
    more = f" + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else ""
    return ",".join(items[:_SHOWN]) + more


def column(obj: Obj, path: str, now: dt.datetime) -> Any:
    """One additional printer column of a custom resource; ``None`` (an empty cell) where unset."""
    if path == ".metadata.creationTimestamp":
        return age(obj, now)
    value: Any = obj
    for key in path.strip(".").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
