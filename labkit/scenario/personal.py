"""The manifests as they are for one learner of a class, with names of the learner's own.

One change goes beyond names. ServiceC calls the ingress gateway by its one address, where the requests of
all learners meet; so the sidecars put the learner's host name on them, from step 4 on straight to the
ingress gateway and from step 5 on to the egress gateway. Istio offers such a rule to every sidecar of the
mesh, so it is a VirtualService of its own which is not exported.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import yaml

from labkit.kube.agreement import PART_OF, PART_OF_LAB
from labkit.kube.api import Obj
from labkit.kube.manifests import Source, parse
from labkit.scenario.images import PREFIX, with_own_images
from labkit.scenario.learner import HOST, IN_MANIFESTS, LEARNER, LEARNER_LABEL, own

INGRESS_HOST = "istio-ingressgateway.istio-system.svc.cluster.local"
_LETS_EXTERNAL_IN, _LEAVES = "inbound-to-service-ext-vs", "outbound-srv-c-to-external-srv-vs"
"""The VirtualServices of step 4 and of step 5."""


def personal(source: Source) -> Source:
    """*source* as it is for this learner; itself where nothing is to be changed."""
    if not LEARNER and not PREFIX:
        return source
    objects = [with_own_images(manifest.object) for manifest in parse(source)]
    if LEARNER:
        objects = [changed for obj in objects for changed in personal_objects(obj)]
    text = yaml.safe_dump_all(objects, sort_keys=False)
    return Source(f"# {source.name}{f', for {LEARNER}' if LEARNER else ''}\n{text}", source.path)


def personal_objects(obj: Obj) -> Iterator[Obj]:
    """What *obj* is for this learner: mostly one object, with names of the learner's own."""
    changed = _renamed(copy.deepcopy(obj))
    if changed["kind"] == "Namespace":
        labels = changed["metadata"].setdefault("labels", {})
        labels |= {PART_OF: PART_OF_LAB, LEARNER_LABEL: LEARNER}
        changed["metadata"]["name"] = _namespace(changed["metadata"]["name"])
    if changed["kind"] == "Gateway":
        for server in changed["spec"]["servers"]:
            server["hosts"] = [one for host in server["hosts"] for one in _gateway_hosts(host)]
    if changed["kind"] == "VirtualService":
        yield from _virtual_services(changed)
    else:
        yield changed


def _gateway_hosts(host: str) -> tuple[str, ...]:
    """For any host: the learner's, and names below it."""
    return (HOST, f"*.{HOST}") if host == "*" else (HOST if host == INGRESS_HOST else host,)


def _namespace(name: str) -> str:
    return own(name) if name in IN_MANIFESTS else name


def _renamed(value: Any) -> Any:
    """*value* with the namespaces in it renamed: as ``metadata.namespace``, and in the names of hosts."""
    if isinstance(value, dict):
        return {key: _namespace(v) if key == "namespace" else _renamed(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if isinstance(value, str):
        return re.sub(rf"\.({'|'.join(IN_MANIFESTS)})(?=\.svc)", lambda found: f".{own(found[1])}", value)
    return value


# -------------------------------------------------------------------------------------- VirtualServices


def _virtual_services(rule: Obj) -> Iterator[Obj]:
    spec = rule["spec"]
    if INGRESS_HOST in spec["hosts"] and {"mesh"} < set(spec.get("gateways") or []):
        yield _inner_leg(copy.deepcopy(rule))
        yield _outer_leg(copy.deepcopy(rule))
        return
    spec["hosts"] = [HOST if host == "*" else host for host in spec["hosts"]]
    yield rule
    if rule["metadata"]["name"] == _LETS_EXTERNAL_IN:
        yield _named_calls()


def _named_calls() -> Obj:
    """Calls to the ingress gateway's address bear the learner's host name; step 5 replaces this rule."""
    destination = {"host": INGRESS_HOST, "port": {"number": 80}}
    route = {"rewrite": {"authority": HOST}, "route": [{"destination": destination}]}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {"name": _LEAVES, "namespace": own("dev-service-mesh")},
        "spec": {"hosts": [INGRESS_HOST], "gateways": ["mesh"], "http": [route], "exportTo": ["."]},
    }


def _inner_leg(rule: Obj) -> Obj:
    """For the sidecars of the learner's namespace: to the egress gateway, under the learner's host name."""
    http = [{**route, "rewrite": {"authority": HOST}} for route in _routes_at(rule, mesh=True)]
    rule["spec"] |= {"gateways": ["mesh"], "http": http, "exportTo": ["."]}
    return rule


def _outer_leg(rule: Obj) -> Obj:
    """For the egress gateway: what bears the learner's host name goes on to the ingress gateway."""
    gateways = [name for name in rule["spec"]["gateways"] if name != "mesh"]
    rule["metadata"]["name"] += "-outer"
    rule["spec"] |= {"hosts": [HOST], "gateways": gateways, "http": _routes_at(rule, mesh=False)}
    return rule


def _routes_at(rule: Obj, *, mesh: bool) -> list[Obj]:
    """The routes that match at the sidecars (*mesh*) or at the gateways."""
    return [
        route
        for route in rule["spec"]["http"]
        if any(("mesh" in (match.get("gateways") or [])) == mesh for match in route.get("match") or [{}])
    ]
