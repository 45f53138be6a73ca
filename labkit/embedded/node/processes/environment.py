"""A container's environment variables, as Kubernetes builds them.

``env`` with literals, ``$(VAR)`` references, the downward API, ConfigMap and Secret keys; ``envFrom``
for whole ones; the Services there are (:mod:`.service_links`). What is missing raises
:class:`ConfigError` with the kubelet's own words, and the container waits as CreateContainerConfigError.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from decimal import Decimal

from labkit.embedded.addresses import NODE_ADDRESS
from labkit.embedded.interfaces import Client
from labkit.embedded.node.processes.service_links import service_environment
from labkit.embedded.objects import Obj, annotations_of, labels_of, name_of, namespace_of, uid_of
from labkit.embedded.quantities import amount

_REFERENCE = re.compile(r"\$\$|\$\(([^()\s]+)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_LONGEST = 128 * 1024  # characters of a variable or an argument, as Linux (MAX_ARG_STRLEN)


class ConfigError(Exception):
    """A container's configuration refers to something that is not there."""


def container_environment(client: Client, pod: Obj, container: Obj, pod_ip: str) -> dict[str, str]:
    """All variables of ``envFrom`` and ``env``, and where they leave them, of Services."""
    variables = service_environment(client, pod)
    for source in container.get("envFrom") or []:
        variables |= _whole(client, namespace_of(pod), source)
    for entry in container.get("env") or []:
        value = _value(client, pod, container, pod_ip, entry)
        if value is not None:
            variables[entry["name"]] = expand(value, variables)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value where it has one; ``$$`` is a dollar.

    ConfigError for what no program could be given: some twenty variables can double to gigabytes.
    """
    left = _LONGEST

    def replacement(match: re.Match[str]) -> str:
        nonlocal left
        value = "$" if match[0] == "$$" else variables.get(match[1], match[0])
        left -= len(value)
        if left < 0:
            raise ConfigError("argument list too long")
        return value

    return _REFERENCE.sub(replacement, text)


def missing(text: str, variables: Mapping[str, str]) -> list[str]:
    """The names that *text* refers to of which none has a value."""
    names = {match[1] for match in _REFERENCE.finditer(text) if match[1]}
    return sorted(each for each in names if not variables.get(each))


def _value(client: Client, pod: Obj, container: Obj, pod_ip: str, entry: Obj) -> str | None:
    match entry.get("valueFrom"):
        case None:
            return str(entry.get("value") or "")
        case {"fieldRef": {"fieldPath": path}}:
            return pod_field(pod, pod_ip, path)
        case {"configMapKeyRef": reference}:
            return _key(client, "ConfigMap", namespace_of(pod), reference)
        case {"secretKeyRef": reference}:
            return _key(client, "Secret", namespace_of(pod), reference)
        case {"resourceFieldRef": reference}:
            return resource_field(client, pod, container, reference)
    raise ConfigError(f"valueFrom of variable {entry['name']} names no source this node knows")


def pod_field(pod: Obj, pod_ip: str, path: str) -> str:
    """A field of the downward API."""
    if found := _SUBSCRIPT.fullmatch(path):
        holder = labels_of(pod) if found[1] == "labels" else annotations_of(pod)
        return holder.get(found[2], "")
    spec = pod.get("spec", {})
    fields = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod),
        "metadata.uid": uid_of(pod),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
        "status.hostIP": NODE_ADDRESS,
        "status.hostIPs": NODE_ADDRESS,
    }
    if path not in fields:
        raise ConfigError(f'unsupported fieldPath: "{path}"')
    return str(fields[path])


def _key(client: Client, kind: str, namespace: str, reference: Obj) -> str | None:
    name, key = reference.get("name", ""), reference.get("key", "")
    data = _data(client, kind, namespace, name)
    if data is not None and key in data:
        return data[key]
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")


def _whole(client: Client, namespace: str, source: Obj) -> dict[str, str]:
    kind = "ConfigMap" if "configMapRef" in source else "Secret"
    reference = source.get("configMapRef") or source.get("secretRef") or {}
    data = _data(client, kind, namespace, reference.get("name", ""))
    if data is None and not reference.get("optional"):
        raise ConfigError(f'{kind.lower()} "{reference.get("name", "")}" not found')
    prefix = source.get("prefix") or ""
    return {prefix + key: value for key, value in (data or {}).items()}


def _data(client: Client, kind: str, namespace: str, name: str) -> dict[str, str] | None:
    found = client.find(f"{kind.lower()}s", name, namespace)
    if found is None:
        return None
    data: dict[str, str] = found.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return data


def resource_field(client: Client, pod: Obj, container: Obj, reference: Obj) -> str:
    """``limits.memory`` and its kin as a whole number, in units of the divisor.

    A limit that is not set is what the node has to give.
    """
    group, _, name = str(reference.get("resource", "")).partition(".")
    asked = (container.get("resources") or {}).get(group, {}).get(name)
    if asked is None and group == "limits":
        node = client.find("nodes", str(pod["spec"].get("nodeName", ""))) or {}
        asked = node.get("status", {}).get("allocatable", {}).get(name)
    asked = "0" if asked is None else asked
    divisor = amount(str(reference.get("divisor") or "1")) or Decimal(1)
    return str(math.ceil(amount(str(asked)) / divisor))
