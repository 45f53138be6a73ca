"""``headers`` of a route or of one destination: set, add, remove, and the authority hidden among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SET = "OVERWRITE_IF_EXISTS_OR_ADD"
ADD = "APPEND_IF_EXISTS_OR_ADD"


def header_operations(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The four header fields a Route and a weighted cluster have in common."""
    found: dict[str, Any] = {}
    for side in ("request", "response"):
        given = (headers or {}).get(side) or {}
        added = _options(given.get("set"), SET) + _options(given.get("add"), ADD)
        removed = [name for name in given.get("remove") or [] if _is_plain(name)]
        found |= {f"{side}_headers_to_add": added} if added else {}
        found |= {f"{side}_headers_to_remove": removed} if removed else {}
    return found


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of operations, one after the other."""
    keys = dict.fromkeys([*first, *second])
    return {key: [*first.get(key, []), *second.get(key, [])] for key in keys}


def authority(headers: Mapping[str, Any] | None) -> str:
    """The Host that ``headers.request`` sets; empty where it sets none."""
    request = (headers or {}).get("request") or {}
    for operation in ("set", "add"):
        for name, value in sorted((request.get(operation) or {}).items()):
            if name.lower() in (":authority", "host"):
                return str(value)
    return ""


def _options(values: Mapping[str, str] | None, action: str) -> list[dict[str, Any]]:
    return [
        {"header": {"key": name, "value": str(value)}, "append_action": action}
        for name, value in sorted((values or {}).items())
        if _is_plain(name)
    ]


def _is_plain(name: str) -> bool:
    return not name.startswith(":") and name.lower() != "host"
