"""Makes the content of ``messages.json.gz``.

It is read from the published Go modules ``k8s.io/api``, ``k8s.io/apimachinery`` and
``k8s.io/apiextensions-apiserver`` (Apache-2.0). Their structs' tags say for each field its JSON
name, its number on the wire, and, by being a pointer, whether zero is a value. Only what the
served kinds reach is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.embedded.api.generated import modules
from labkit.embedded.api.generated.served import Served
from labkit.embedded.api.generated.versions import API_EXTENSIONS, API_MACHINERY, KUBERNETES_API

_META = "k8s.io/apimachinery/pkg/apis/meta/v1"
_STRUCT = re.compile(r"^type (\w+) struct ?\{(?:\}|\n(.*?)^\})", re.M | re.S)
_NAMED = re.compile(r"^type (\w+) ([\w.\[\]*]+)$", re.M)
_FIELD = re.compile(r'^\t(?:(\w+)\s+)?(\S+)\s+`[^`]*?json:"([^"]*)"[^`]*?protobuf:"([^"]+)"', re.M)
_IMPORT = re.compile(r'^\s*(?:(\w+) )?"(k8s\.io/[^"]+)"', re.M)
_SCALARS = {"int32": "int", "int64": "int", "int": "int", "byte": "int", "float64": "float"}
_WELL_KNOWN = (
    *("Time", "MicroTime", "Quantity", "IntOrString", "RawExtension", "FieldsV1"),
    *("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"),
)
_EXTRA = {
    "autoscaling/v1/Scale": ("k8s.io/api/autoscaling/v1", "Scale"),
    "authentication.k8s.io/v1/TokenRequest": ("k8s.io/api/authentication/v1", "TokenRequest"),
    "policy/v1/Eviction": ("k8s.io/api/policy/v1", "Eviction"),
    "DeleteOptions": (_META, "DeleteOptions"),
}


@dataclass(frozen=True)
class Struct:
    """A Go struct: where it is from, and its source."""

    package: str
    body: str
    imports: dict[str, str]


class Source:
    """The Go packages' structs and named types."""

    def __init__(self, modules: Mapping[str, Path]) -> None:
        """*modules*: the folder of each, by its path."""
        self._roots = modules
        self.structs: dict[tuple[str, str], Struct] = {}
        self.named: dict[tuple[str, str], str] = {}
        self._read: set[str] = set()

    def read(self, package: str) -> None:
        """Read a package once."""
        if package in self._read:
            return
        self._read.add(package)
        root = "/".join(package.split("/")[:2])
        for file in sorted((self._roots[root] / package.removeprefix(root).strip("/")).glob("*.go")):
            text = file.read_text()
            imports = {alias or path.rpartition("/")[2]: path for alias, path in _IMPORT.findall(text)}
            for name, body in _STRUCT.findall(text):
                self.structs[package, name] = Struct(package, body, imports)
            self.named.update({(package, name): target for name, target in _NAMED.findall(text)})


def fields(source: Source, struct: Struct) -> Iterator[tuple[str, list[str], tuple[str, str] | None]]:
    """(number, (JSON name, type, flags), the struct it needs) of every field.

    Whether a field repeats is told by its Go type: the tags are wrong about it in dozens of places.
    """
    for _, go_type, json_tag, protobuf_tag in _FIELD.findall(struct.body):
        flags, plain = "p" if go_type.startswith("*") else "", go_type.removeprefix("*")
        if plain.startswith("[]") and plain != "[]byte":
            flags, plain = "r", plain[2:].removeprefix("*")
        plain = _resolved(source, struct, plain)
        if plain.startswith("[]") and plain != "[]byte":
            flags, plain = "r", plain[2:].removeprefix("*")  # a named list, such as ValidationRules
        if plain.startswith("map["):
            flags, plain = "m", _resolved(source, struct, plain.partition("]")[2])
        if plain.startswith("[]") and plain != "[]byte":
            plain = "Strings"  # in a map, a named list, such as ExtraValue, is a message of its own
        type_name, needs = _type_name(struct, plain)
        yield protobuf_tag.split(",")[1], [json_tag.split(",")[0], type_name, flags], needs


def _resolved(source: Source, struct: Struct, go_type: str) -> str:
    """*go_type* with named scalars, lists and maps (``type PodPhase string``) looked through."""
    package, name = _qualified(struct, go_type)
    if package:
        source.read(package)
    target = source.named.get((package, name))
    return _resolved(source, struct, target) if target else go_type


def _qualified(struct: Struct, go_type: str) -> tuple[str, str]:
    alias, dot, name = go_type.rpartition(".")
    if go_type.startswith(("[", "map")):
        return "", go_type
    return (struct.imports.get(alias, ""), name) if dot else (struct.package, go_type)


def _type_name(struct: Struct, go_type: str) -> tuple[str, tuple[str, str] | None]:
    if go_type in ("string", "bool", "Strings"):
        return go_type, None
    if go_type == "[]byte":
        return "bytes", None
    package, name = _qualified(struct, go_type)
    if go_type in _SCALARS:
        return _SCALARS[go_type], None
    return (name, None) if name in _WELL_KNOWN else (_message(package, name), (package, name))


def _message(package: str, name: str) -> str:
    path = package.removeprefix("k8s.io/")
    for module in ("apimachinery", "apiextensions-apiserver"):
        path = path.removeprefix(f"{module}/pkg/apis/")
    return f"{path}.{name}"


def kinds(served: Sequence[Served]) -> dict[str, tuple[str, str]]:
    """apiVersion/kind → the Go struct, of every built-in kind among *served* that is written."""
    built_in = [each for each in served if not each.custom and "create" in each.verbs]
    return _EXTRA | {
        f"{each.api_version(version)}/{each.kind}": (_package(each.group, version), each.kind)
        for each in built_in
        for version in each.versions
    }


def _package(group: str, version: str) -> str:
    name = group.partition(".")[0] or "core"
    folder = "k8s.io/apiextensions-apiserver/pkg/apis" if name == "apiextensions" else "k8s.io/api"
    return f"{folder}/{name}/{version}"


def messages(source: Source, roots: list[tuple[str, str]]) -> dict[str, dict[str, list[str]]]:
    """Every message the *roots* reach."""
    found: dict[str, dict[str, list[str]]] = {}
    waiting = list(roots)
    while waiting:
        package, name = waiting.pop()
        if _message(package, name) in found:
            continue
        source.read(package)
        known = list(fields(source, source.structs[package, name]))
        found[_message(package, name)] = {number: field for number, field, _ in known}
        waiting += [needs for _, _, needs in known if needs]
    return dict(sorted(found.items()))


def catalogue(served: Sequence[Served], modules: Mapping[str, Path]) -> dict[str, Any]:
    """The content of the data file, of the Go modules in these folders."""
    roots = kinds(served)
    return {
        "provenance": f"structs of the Go modules {', '.join(modules)}, Apache-2.0",
        "kinds": {kind: _message(*root) for kind, root in sorted(roots.items())},
        "messages": messages(Source(modules), list(roots.values())),
    }


def content(served: Sequence[Served]) -> dict[str, Any]:
    """The data file as it is made today, of the versions that are named."""
    named = (KUBERNETES_API, API_MACHINERY, API_EXTENSIONS)
    return catalogue(served, {each.partition("@")[0]: modules.downloaded(each) for each in named})
