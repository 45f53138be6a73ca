"""The kubeconfig: cluster, user and context `labkit`, and whatever the learner made of it.

``kubectl config set-context --current --namespace=…`` edits this very file, so it is only
written when the address or the keys of the cluster changed, and then only those.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from labkit.embedded.cluster.files import write_private

NAME = "labkit"


def update(path: Path, *, server: str, authority: Path, token: str) -> None:
    """Make *path* lead to the API at *server*; nothing is written where it already does."""
    import yaml

    config = _read(path)
    before = yaml.safe_dump(config)
    data = base64.b64encode(authority.read_bytes()).decode()
    _entry(config, "clusters")["cluster"] = {"certificate-authority-data": data, "server": server}
    _entry(config, "users")["user"] = {"token": token}
    entry = _entry(config, "contexts")
    context = entry["context"] if isinstance(entry.get("context"), dict) else {}
    entry["context"] = {**context, "cluster": NAME, "user": NAME}
    config.setdefault("current-context", NAME)
    after = yaml.safe_dump(config, sort_keys=False)
    if yaml.safe_dump(config) != before or not path.exists():
        write_private(path, after)


def use_namespace(path: Path, namespace: str) -> None:
    """What `kubectl config set-context --current --namespace=…` does, where no namespace was chosen yet."""
    import yaml

    config = _read(path)
    chosen = config.get("current-context")
    entry = next((one for one in config.get("contexts") or [] if one.get("name") == chosen), None)
    if entry is not None and not (entry.get("context") or {}).get("namespace"):
        entry["context"] = {**(entry.get("context") or {}), "namespace": namespace}
        write_private(path, yaml.safe_dump(config, sort_keys=False))


def is_sound(path: Path) -> bool:
    """Whether *path* holds what could be a kubeconfig."""
    return _found(path) is not None


def _read(path: Path) -> dict[str, Any]:
    """What is in *path*; a fresh kubeconfig where there is nothing that could be one."""
    return _found(path) or {"apiVersion": "v1", "kind": "Config", "preferences": {}}


def _found(path: Path) -> dict[str, Any] | None:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    lists = ("clusters", "contexts", "users")
    if not isinstance(found, dict) or any(not isinstance(found.get(key) or [], list) for key in lists):
        return None
    return found


def _entry(config: dict[str, Any], key: str) -> dict[str, Any]:
    """The entry `labkit` of one of the three lists, added where it is missing."""
    entries: list[Any] = config.get(key) or []
    config[key] = entries
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == NAME:
            return entry
    entries.append({"name": NAME})
    added: dict[str, Any] = entries[-1]
    return added
