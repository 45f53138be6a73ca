"""The pods behind a destination, and what a DestinationRule says of the way to them.

A DestinationRule is looked up where Istio does: in the caller's namespace, then in the Service's, then in
the mesh's own; of several for a host there the oldest counts, and subsets of all of them are known.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.listing import items_in
from labkit.kube.api.resources import DESTINATION_RULES, SERVICES
from labkit.kube.mesh.control_plane import NAMESPACE as SYSTEM
from labkit.kube.mesh.destinations import Destination, full_host
from labkit.kube.pods import logs


def service_of(api: Api, destination: Destination) -> Obj | None:
    """The Service *destination* is of; None where its host is none's."""
    name, _, namespace = destination.host.partition(".")
    return api.find(SERVICES.path(namespace, name)) if namespace and "." not in namespace else None


def pods_behind(api: Api, destination: Destination, caller: str) -> list[Obj] | None:
    """The pods that get the requests of the namespace *caller* to *destination*; None where nobody knows."""
    service = service_of(api, destination)
    labels = (service or {}).get("spec", {}).get("selector")
    if not service or not labels:
        return None
    subset = subset_of(api, destination, caller)
    wanted = labels | ((subset or {}).get("labels") or {})
    selector = ",".join(f"{key}={value}" for key, value in wanted.items())
    return logs.pods(api, selector, service["metadata"]["namespace"])


def subset_of(api: Api, destination: Destination, caller: str) -> Obj | None:
    """The subset of a DestinationRule that *destination* names."""
    rules = destination_rules(api, destination.host, caller)
    subsets = [subset for rule in rules for subset in rule["spec"].get("subsets") or []]
    return next((subset for subset in subsets if subset.get("name") == destination.subset), None)


def destination_rules(api: Api, host: str, caller: str) -> list[Obj]:
    """Those for *host* (as :class:`Destination` has it) that hold for *caller*, in the order they act."""
    owner = host.partition(".")[2]
    for namespace in dict.fromkeys([caller, owner, SYSTEM]):
        try:
            found = sorted(_of_host(api, host, namespace), key=_age)
        except ApiRefused as error:  # on a shared cluster the mesh's own is not ours to read
            if error.code != 403:
                raise
            continue
        if found:
            return found
    return []


def _of_host(api: Api, host: str, namespace: str) -> Iterator[Obj]:
    for rule in items_in(api, DESTINATION_RULES, [namespace] if "." not in namespace else []):
        given = str((rule.get("spec") or {}).get("host") or "")
        if full_host(given, rule["metadata"]["namespace"]) == host:
            yield rule


def _age(rule: Obj) -> tuple[str, str]:
    meta = rule["metadata"]
    return str(meta.get("creationTimestamp") or ""), str(meta["name"])
