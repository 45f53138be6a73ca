"""A trial: the object alone in a mesh of its own, translated and held against Envoy's own rules.

Whatever Istio's rules let through and Envoy could not take in (a number out of a field's range, an empty
name, a header value with a line end) is so found before it is stored, whichever field it stands in.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from labkit.embedded.mesh.hosts import resolve
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import node_id
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.resources import (
    AUTHORIZATION_POLICIES,
    DESTINATION_RULES,
    GATEWAYS,
    PODS,
    REQUEST_AUTHENTICATIONS,
    SERVICE_ENTRIES,
    VIRTUAL_SERVICES,
)
from labkit.embedded.mesh.translate import translate
from labkit.embedded.mesh.virtual_services import MESH
from labkit.embedded.mesh.xds.resources import Compiler
from labkit.embedded.mesh.xds.types import by_kind
from labkit.embedded.objects import Obj, namespace_of

_ADDRESS = "127.0.0.1"
_WHO = ("port", "gateways", "sourceLabels", "sourceNamespace")
"""Parts of a match that the control plane settles itself; without them any rule is for the trial's proxy."""


def check(resource: str, obj: Obj) -> Iterator[str]:
    """What Envoy could not take in of *obj*; nothing for kinds that no proxy is told of."""
    world = _WORLDS.get(resource)
    if world is not None:
        namespace = namespace_of(obj) or "default"
        objects = world(obj)
        for each in (each for those in objects.values() for each in those):
            each["metadata"]["namespace"] = namespace
        yield from _problems(MeshState(objects), "router" if resource == GATEWAYS else "sidecar", namespace)


def check_settings(mesh: MeshConfig) -> Iterator[str]:
    """The same for the mesh-wide settings."""
    entry = _entry("a.example", [_port(80, "HTTP")])
    entry["metadata"]["namespace"] = "default"
    yield from _problems(MeshState({SERVICE_ENTRIES: [entry]}, mesh=mesh), "sidecar", "default")


def _problems(state: MeshState, kind: Literal["sidecar", "router"], namespace: str) -> Iterator[str]:
    proxy = Proxy.from_node(node_id(kind, _ADDRESS, "it", namespace), {})
    try:
        resources = translate(state, proxy)
    except Exception as error:  # what a person wrote can be wrong in any way
        yield f"it can't be translated for Envoy: {error}"
        return
    compiler = _compiler()
    snapshot = compiler.compile(dict(by_kind(resources)))
    compiler.end_round()
    # What a listener then lacks comes last, and is no news.
    yield from map(_words, list(snapshot.faults.values())[:1])


_RULE = re.compile(
    r"RDS \d+: virtual host (?P<kind>\w+)-(?P<number>\d+)\.example:80: routes\[\d+\]\.(?P<rest>.*)", re.DOTALL
)


def _words(fault: str) -> str:
    found = _RULE.fullmatch(fault)
    if found is None:
        return f"Envoy can't take it: {fault}"
    return f"Envoy can't take spec.{found['kind']}[{found['number']}]: {found['rest']}"


@functools.cache
def _compiler() -> Compiler:
    """Kept, as most of what stands around the object is always the same."""
    return Compiler()


Objects = Mapping[str, Sequence[Obj]]


def _virtual_service(obj: Obj) -> Objects:
    """Each rule in a VirtualService of its own, for what stands behind one that takes all is never built."""
    spec = obj.get("spec") or {}
    services, entries = [], []
    for kind in ("http", "tcp", "tls"):
        for number, rule in enumerate(spec.get(kind) or []):
            host = f"{kind}-{number}.example"
            services.append(_of_rule(host, kind, rule))
            entries.append(_entry(host, [_port(80, kind.upper())]))
    return {VIRTUAL_SERVICES: services, SERVICE_ENTRIES: entries}


def _of_rule(host: str, kind: str, rule: Mapping[str, Any]) -> Obj:
    matches = [
        {key: value for key, value in match.items() if key not in _WHO} for match in rule.get("match") or []
    ]
    if kind == "tls":
        matches = [{**match, "sniHosts": [host]} for match in matches]
    alone = {**rule, "match": matches} if matches else rule
    if kind == "http" and rule.get("delegate"):
        alone = {**{key: value for key, value in alone.items() if key != "delegate"}, "route": _NOWHERE}
    return _object("VirtualService", host, {"hosts": [host], "gateways": [MESH], kind: [alone]})


_NOWHERE = [{"destination": {"host": "nowhere.example"}}]


def _destination_rule(obj: Obj) -> Objects:
    spec = obj.get("spec") or {}
    host = resolve(str(spec.get("host") or ""), namespace_of(obj) or "default").replace("*", "any") or "any"
    policies = [spec, *(spec.get("subsets") or [])]
    levels = [
        each for one in policies for each in (one.get("trafficPolicy") or {}).get("portLevelSettings") or []
    ]
    numbers = {80, *(int((each.get("port") or {}).get("number") or 80) for each in levels)}
    entry = _entry(host, [_port(number, "HTTP") for number in sorted(numbers)])
    rule = {**spec, "host": host, "exportTo": ["*"]}
    return {
        DESTINATION_RULES: [_object("DestinationRule", "it", rule)],
        SERVICE_ENTRIES: [entry],
        VIRTUAL_SERVICES: [_to_subsets(host, spec.get("subsets") or [], sorted(numbers))],
    }


def _to_subsets(host: str, subsets: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> Obj:
    """Routes to every port of every subset: only there its hashing comes to light."""
    targets = [
        {"host": host, "subset": each.get("name"), "port": {"number": number}}
        for each in subsets
        for number in numbers
    ]
    rules = [
        {"match": [{"uri": {"prefix": f"/{position}"}}], "route": [{"destination": target}]}
        for position, target in enumerate(targets)
    ]
    return _object(
        "VirtualService", "subsets", {"hosts": ["subsets.example"], "gateways": [MESH], "http": rules}
    )


def _gateway(obj: Obj) -> Objects:
    selector = (obj.get("spec") or {}).get("selector") or {}
    pod = _object("Pod", "it", {"containers": [{"name": "istio-proxy"}]})
    pod["metadata"]["labels"] = selector
    route = {"hosts": ["*"], "gateways": ["it"]}
    match = [{"sniHosts": ["*"]}]
    rules: dict[str, Any] = {
        "http": [{"route": _NOWHERE}],
        "tcp": [{"route": _NOWHERE}],
        "tls": [{"match": match, "route": _NOWHERE}],
    }
    service = _object("VirtualService", "it", {**route, **rules})
    return {
        PODS: [pod],
        GATEWAYS: [_object("Gateway", "it", obj.get("spec") or {})],
        VIRTUAL_SERVICES: [service],
    }


def _service_entry(obj: Obj) -> Objects:
    return {SERVICE_ENTRIES: [_object("ServiceEntry", "it", {**(obj.get("spec") or {}), "exportTo": ["*"]})]}


def _policy(resource: str) -> Callable[[Obj], Objects]:
    """A pod that it is attached to, with a port for HTTP and one for bytes."""

    def world(obj: Obj) -> Objects:
        spec = obj.get("spec") or {}
        labels = (spec.get("selector") or {}).get("matchLabels") or {"app": "it"}
        rest = {key: value for key, value in spec.items() if key not in ("targetRef", "targetRefs")}
        pod = _object("Pod", "it", {"containers": [{"name": "it", "ports": [{"containerPort": 80}]}]})
        pod["metadata"]["labels"] = labels
        return {PODS: [pod], resource: [_object(str(obj.get("kind") or ""), "it", rest)]}

    return world


def _entry(host: str, ports: list[Obj]) -> Obj:
    endpoint = {"address": "192.0.2.1"}
    spec = {"hosts": [host], "ports": ports, "resolution": "STATIC", "endpoints": [endpoint]}
    return _object("ServiceEntry", host, spec)


def _port(number: int, protocol: str) -> Obj:
    return {"number": number, "name": f"port-{number}", "protocol": protocol}


def _object(kind: str, name: str, spec: Obj) -> Obj:
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


_WORLDS = {
    VIRTUAL_SERVICES: _virtual_service,
    DESTINATION_RULES: _destination_rule,
    GATEWAYS: _gateway,
    SERVICE_ENTRIES: _service_entry,
    AUTHORIZATION_POLICIES: _policy(AUTHORIZATION_POLICIES),
    REQUEST_AUTHENTICATIONS: _policy(REQUEST_AUTHENTICATIONS),
}
