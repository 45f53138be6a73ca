"""What a volume holds: keys of ConfigMaps and Secrets, tokens, facts about its pod."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from labkit.embedded.interfaces import Client
from labkit.embedded.node.processes import environment
from labkit.embedded.node.volumes.tokens import TokenError, Tokens
from labkit.embedded.objects import Obj, namespace_of

_MODE = 0o644
_CONTAINERS = ("containers", "initContainers")


class MountError(Exception):
    """A volume refers to something that is not there, or leaves its place."""


class File(NamedTuple):
    """One of a volume's."""

    content: bytes
    mode: int


class Sources(NamedTuple):
    """Where what volumes hold comes from."""

    client: Client
    tokens: Tokens


def files(sources: Sources, pod: Obj, source: Obj, pod_ip: str, mode: int = _MODE) -> dict[str, File]:
    """The files by path, of a volume, or of one source of it; MountError where it can't be had.

    mode: of those for which the source says none.
    """
    client, namespace = sources.client, namespace_of(pod)
    match source:
        case {"configMap": given}:
            found = _chosen(client, "ConfigMap", namespace, str(given.get("name", "")), given)
        case {"secret": given}:
            name = str(given.get("secretName") or given.get("name", ""))
            found = _chosen(client, "Secret", namespace, name, given)
        case {"downwardAPI": given}:
            items: Iterable[Obj] = given.get("items") or []
            found = {str(each["path"]): _told(client, pod, pod_ip, each) for each in items}
        case {"projected": given}:
            mode = int(given.get("defaultMode", mode))
            parts = [files(sources, pod, each, pod_ip, mode) for each in given.get("sources") or []]
            return {path: file for part in parts for path, file in part.items()}
        case {"serviceAccountToken": given}:
            found = {str(given["path"]): _token(sources.tokens, pod, given)}
        case _:
            return {}
    return _with_modes(found, given, mode)


def _with_modes(found: Mapping[str, bytes], given: Obj, mode: int) -> dict[str, File]:
    own = {
        str(each["path"]): each["mode"] for each in given.get("items") or [] if each.get("mode") is not None
    }
    mode = int(given.get("defaultMode", mode))
    return {path: File(content, int(own.get(path, mode))) for path, content in found.items()}


def _chosen(client: Client, kind: str, namespace: str, name: str, given: Obj) -> dict[str, bytes]:
    data = _data(client, kind, namespace, name)
    if data is None:
        if given.get("optional"):
            return {}
        raise MountError(f'{kind.lower()} "{name}" not found')
    items = given.get("items")
    if not items:
        return data
    missing = [each["key"] for each in items if each["key"] not in data]
    if missing and not given.get("optional"):
        raise MountError(f"references non-existent {kind.lower()} key: {missing[0]}")
    return {str(each["path"]): data[each["key"]] for each in items if each["key"] in data}


def _data(client: Client, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    found = client.find(f"{kind.lower()}s", name, namespace)
    if found is None:
        return None
    texts: Mapping[str, str] = found.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in texts.items()}
    binary: Mapping[str, str] = found.get("binaryData") or {}
    return {key: value.encode() for key, value in texts.items()} | {
        key: base64.b64decode(value) for key, value in binary.items()
    }


def _told(client: Client, pod: Obj, pod_ip: str, item: Obj) -> bytes:
    if reference := item.get("resourceFieldRef"):
        containers = [each for key in _CONTAINERS for each in pod["spec"].get(key) or []]
        named = [each for each in containers if each["name"] == reference.get("containerName")]
        if not named:
            raise MountError(f"container {reference.get('containerName')} not found")
        return environment.resource_field(client, pod, named[0], reference).encode()
    path = str((item.get("fieldRef") or {}).get("fieldPath", ""))
    if path in ("metadata.labels", "metadata.annotations"):
        found: Mapping[str, str] = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(found.items())).encode()
    return environment.pod_field(pod, pod_ip, path).encode()


def _token(tokens: Tokens, pod: Obj, wanted: Obj) -> bytes:
    try:
        return tokens.get(pod, wanted).encode()
    except TokenError as error:
        raise MountError(str(error)) from error


def mentions(volume: Obj, kind: str, name: str) -> bool:
    """Whether *volume* holds something of the ConfigMap or Secret *name*."""
    match volume:
        case {"configMap": given} if kind == "configmaps":
            return bool(given.get("name") == name)
        case {"secret": given} if kind == "secrets":
            return name in (given.get("secretName"), given.get("name"))
        case {"projected": given}:
            return any(mentions(each, kind, name) for each in given.get("sources") or [])
    return False
