"""Class mode: several learners on one cluster, each with names of their own.

``LABKIT_USER=anna`` puts ``-anna`` behind every namespace of the scenario and gives her the host name
``anna.lab.test`` at the gateways. The manifests stay as they are; what is applied is changed on the
way (:func:`personal`), and shown as it was changed. (``.test`` is a name nobody can own: RFC 6761.)

One change goes beyond names. ServiceC calls the ingress gateway by its one address, where the requests of
all learners meet; so the sidecars put the learner's host name on them, from step 4 on straight to the
ingress gateway and from step 5 on to the egress gateway. Istio offers such a rule to every sidecar of the
mesh, so it is a VirtualService of its own which is not exported.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from typing import Any

import yaml

from labkit.errors import UsageError
from labkit.kube.agreement import PART_OF, PART_OF_LAB
from labkit.kube.api import Obj
from labkit.kube.manifests import Source, parse
from labkit.scenario.images import PREFIX, with_own_images

SYSTEM = "istio-system"
INGRESS_HOST = "istio-ingressgateway.istio-system.svc.cluster.local"
LEARNER_LABEL = "labkit/learner"
_LETS_EXTERNAL_IN, _LEAVES = "inbound-to-service-ext-vs", "outbound-srv-c-to-external-srv-vs"
"""The VirtualServices of step 4 and of step 5."""
_LONGEST = 20
IN_MANIFESTS = ("dev-service-mesh", "external-cluster", "outside", "practice")
"""The namespaces' names in the manifests."""


def _learner() -> str:
    name = os.environ.get("LABKIT_USER", "")
    if name and not (re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= _LONGEST):
        raise UsageError(
            f"LABKIT_USER={name} can't be part of a namespace's name: use at most {_LONGEST} "
            "small letters, digits and dashes."
        )
    return name


LEARNER = _learner()
"""Who works here, where a cluster is shared; else empty."""
HOST = f"{LEARNER}.lab.test" if LEARNER else ""
"""The host name of this learner's requests at the ingress gateway; empty for any."""
HEADERS = {"Host": HOST} if HOST else {}
"""What makes a request this learner's."""

AUTHORITIES = rf"(?:^|\.){re.escape(HOST)}(?::\d+)?$|-{LEARNER}\.svc(?:[.:]|$)" if LEARNER else ""
"""Finds this learner's requests among those a shared gateway writes of (regular expression); empty: all."""


def own(namespace: str) -> str:
    """The learner's own namespace by that name."""
    return f"{namespace}-{LEARNER}" if LEARNER else namespace


def personal_text(text: str) -> str:
    """*text*, with the learner's own namespaces in the commands it holds."""
    return re.sub(rf"-n ({'|'.join(IN_MANIFESTS)})\b", lambda found: f"-n {own(found[1])}", text)


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
