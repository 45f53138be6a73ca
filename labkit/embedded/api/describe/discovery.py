"""Discovery: what the API serves, in the three forms clients ask for.

Old clients walk ``/api``, ``/apis`` and each group version's list; newer ones fetch all of it at
once ("aggregated", ``apidiscovery.k8s.io`` v2 or v2beta1). ``kubectl api-resources``, short names,
categories (``kubectl get all``) and every kind-to-URL mapping come from here.
"""

from __future__ import annotations

import base64
import hashlib

from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType, Subresource, split_api_version
from labkit.embedded.objects import Obj
from labkit.embedded.version import KUBERNETES_VERSION, architecture

_AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def version_info() -> Obj:
    """``/version``."""
    return {
        "major": "1",
        "minor": "34",
        "gitVersion": KUBERNETES_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": f"linux/{architecture()}",
    }


def core_versions(address: str) -> Obj:
    """``/api``; *address* is the server's ``host:port``."""
    client = {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [client]}


def group_list(registry: Registry) -> Obj:
    """``/apis``."""
    groups = [_group(registry, name) for name in registry.groups() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Obj | None:
    """``/apis/{name}``; ``None`` for a group that is not served."""
    if not name or name not in registry.groups():
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, name)}


def _group(registry: Registry, name: str) -> Obj:
    versions = [{"groupVersion": f"{name}/{each}", "version": each} for each in registry.groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> Obj | None:
    """``/api/v1`` and ``/apis/{group}/{version}``; ``None`` where nothing is served."""
    types = registry.of(group_name, version)
    if not types:
        return None
    resources = [entry for each in types for entry in _resource_entries(registry, each, version)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": types[0].api_version(version),
        "resources": resources,
    }


def _resource_entries(registry: Registry, type_: ResourceType, version: str) -> list[Obj]:
    entry: Obj = {
        "name": type_.plural,
        "singularName": type_.singular,
        "namespaced": type_.namespaced,
        "kind": type_.kind,
        "verbs": list(type_.verbs),
    }
    if type_.short_names:
        entry["shortNames"] = list(type_.short_names)
    if type_.categories:
        entry["categories"] = list(type_.categories)
    if type_.persisted:
        entry["storageVersionHash"] = _storage_hash(registry[type_.stored_as])
    return [entry, *(_subresource_entry(type_, each) for each in type_.subresources_in(version))]


def _subresource_entry(type_: ResourceType, sub: Subresource) -> Obj:
    entry: Obj = {
        "name": f"{type_.plural}/{sub.name}",
        "singularName": "",
        "namespaced": type_.namespaced,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }
    return entry | ({"group": sub.group, "version": sub.version} if sub.version else {})


def _storage_hash(stored: ResourceType) -> str:
    """Equal for types that share their storage."""
    text = f"{stored.group}/{stored.storage_version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def is_aggregated(accept: str) -> str:
    """The version of aggregated discovery an Accept header prefers: ``v2``, ``v2beta1`` or nothing."""
    for part in accept.split(","):
        parameters = {each.strip() for each in part.split(";")}
        if "as=APIGroupDiscoveryList" in parameters and "g=apidiscovery.k8s.io" in parameters:
            for version in ("v2", "v2beta1"):
                if f"v={version}" in parameters:
                    return version
    return ""


def aggregated_content_type(version: str) -> str:
    """The Content-Type of an aggregated answer."""
    return _AGGREGATED_TYPE.format(version=version)


def aggregated(registry: Registry, root: str, version: str) -> Obj:
    """``/api`` or ``/apis`` (*root*) in aggregated form; *version* is ``v2`` or ``v2beta1``. Read-only."""
    return registry.derived(("aggregated", root, version), lambda: _aggregated(registry, root, version))


def _aggregated(registry: Registry, root: str, version: str) -> Obj:
    names = [name for name in registry.groups() if bool(name) == (root == "/apis")]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(registry, name) for name in names],
    }


def _aggregated_group(registry: Registry, name: str) -> Obj:
    versions = [
        {
            "version": version,
            "resources": [_aggregated_resource(each, version) for each in registry.of(name, version)],
            "freshness": "Current",
        }
        for version in registry.groups()[name]
    ]
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _aggregated_resource(type_: ResourceType, version: str) -> Obj:
    entry: Obj = {
        "resource": type_.plural,
        "responseKind": _kind(type_.api_version(version), type_.kind),
        "scope": "Namespaced" if type_.namespaced else "Cluster",
        "singularResource": type_.singular,
        "verbs": list(type_.verbs),
    }
    if type_.short_names:
        entry["shortNames"] = list(type_.short_names)
    if type_.categories:
        entry["categories"] = list(type_.categories)
    if parts := type_.subresources_in(version):
        entry["subresources"] = [_aggregated_subresource(type_, each, version) for each in parts]
    return entry


def _aggregated_subresource(type_: ResourceType, sub: Subresource, version: str) -> Obj:
    own = type_.api_version(version)
    api_version = f"{sub.group}/{sub.version}" if sub.group else own
    return {"subresource": sub.name, "responseKind": _kind(api_version, sub.kind), "verbs": list(sub.verbs)}


def _kind(api_version: str, kind: str) -> Obj:
    group_name, version = split_api_version(api_version)
    return {"group": group_name, "version": version, "kind": kind}
