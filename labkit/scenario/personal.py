"""The manifests as they are for one learner of a class, with names of the learner's own.

One change goes beyond names. A service may call the ingress gateway by its one address, where the requests of
all learners meet; so the sidecars put the learner's host name on them, on the way straight to the ingress
gateway as well as through an egress gateway. Istio offers such a rule to every sidecar of the mesh, so it is
a VirtualService of its own which is not exported.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import yaml

from labkit.kube.api.api import Obj
from labkit.kube.api.manifests import Source, parse
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB
from labkit.scenario.images import with_own_images
from labkit.scenario.learner import LEARNER_LABEL, Learner

INGRESS_HOST = "istio-ingressgateway.istio-system.svc.cluster.local"


def personal(source: Source, learner: Learner) -> Source:
    """*source* as it is for *learner*; itself where nothing is to be changed."""
    if not learner.name and not learner.images:
        return source
    objects = [with_own_images(manifest.object, learner.images) for manifest in parse(source)]
    if learner.name:
        objects = [changed for obj in objects for changed in personal_objects(obj, learner)]
    text = yaml.safe_dump_all(objects, sort_keys=False)
    return Source(f"# {source.name}{f', for {learner.name}' if learner.name else ''}\n{text}", source.path)


def personal_text(text: str, learner: Learner) -> str:
    """*text*, with *learner*'s own namespaces in the commands it holds."""
    return re.sub(r"-n ([a-z-]+)", lambda found: f"-n {learner.own(found[1])}", text)


def personal_objects(obj: Obj, learner: Learner) -> Iterator[Obj]:
    """What *obj* is for *learner*, who has a name: mostly one object, with names of the learner's own."""
    changed = _renamed(copy.deepcopy(obj), learner)
    if changed["kind"] == "Namespace":
        labels = changed["metadata"].setdefault("labels", {})
        labels |= {PART_OF: PART_OF_LAB, LEARNER_LABEL: learner.name}
        changed["metadata"]["name"] = learner.own(changed["metadata"]["name"])
    if changed["kind"] == "Gateway":
        for server in changed["spec"]["servers"]:
            server["hosts"] = [one for host in server["hosts"] for one in _gateway_hosts(host, learner.host)]
    if changed["kind"] == "VirtualService":
        yield from _virtual_services(changed, learner)
    else:
        yield changed


def _gateway_hosts(host: str, own: str) -> tuple[str, ...]:
    """For any host: the learner's *own*, and names below it."""
    return (own, f"*.{own}") if host == "*" else (own if host == INGRESS_HOST else host,)


def _renamed(value: Any, learner: Learner) -> Any:
    """*value* with the namespaces in it renamed: as ``metadata.namespace``, and in the names of hosts."""
    if isinstance(value, dict):
        return {
            key: learner.own(each) if key == "namespace" else _renamed(each, learner)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_renamed(one, learner) for one in value]
    if isinstance(value, str):
        in_a_host = rf"\.({'|'.join(learner.scenario.namespaces)})(?=\.svc)"
        return re.sub(in_a_host, lambda found: f".{learner.own(found[1])}", value)
    return value


# -------------------------------------------------------------------------------------- VirtualServices


def _virtual_services(rule: Obj, learner: Learner) -> Iterator[Obj]:
    spec = rule["spec"]
    if INGRESS_HOST in spec["hosts"] and {"mesh"} < set(spec.get("gateways") or []):
        yield _inner_leg(copy.deepcopy(rule), learner.host)
        yield _outer_leg(copy.deepcopy(rule), learner.host)
        return
    spec["hosts"] = [learner.host if host == "*" else host for host in spec["hosts"]]
    yield rule
    inside = learner.scenario.inside_calls
    if inside and rule["metadata"]["name"] == inside.beside:
        yield _named_calls(inside.rule, learner)


def _named_calls(name: str, learner: Learner) -> Obj:
    """Calls to the ingress gateway's address bear the learner's host name."""
    destination = {"host": INGRESS_HOST, "port": {"number": 80}}
    route = {"rewrite": {"authority": learner.host}, "route": [{"destination": destination}]}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": learner.home},
        "spec": {"hosts": [INGRESS_HOST], "gateways": ["mesh"], "http": [route], "exportTo": ["."]},
    }


def _inner_leg(rule: Obj, host: str) -> Obj:
    """For the sidecars of the learner's namespace: to the egress gateway, under the learner's *host* name."""
    http = [{**route, "rewrite": {"authority": host}} for route in _routes_at(rule, mesh=True)]
    rule["spec"] |= {"gateways": ["mesh"], "http": http, "exportTo": ["."]}
    return rule


def _outer_leg(rule: Obj, host: str) -> Obj:
    """For the egress gateway: what bears the learner's *host* name goes on to the ingress gateway."""
    gateways = [name for name in rule["spec"]["gateways"] if name != "mesh"]
    rule["metadata"]["name"] += "-outer"
    rule["spec"] |= {"hosts": [host], "gateways": gateways, "http": _routes_at(rule, mesh=False)}
    return rule


def _routes_at(rule: Obj, *, mesh: bool) -> list[Obj]:
    """The routes that match at the sidecars (*mesh*) or at the gateways."""
    return [
        route
        for route in rule["spec"]["http"]
        if any(("mesh" in (match.get("gateways") or [])) == mesh for match in route.get("match") or [{}])
    ]
