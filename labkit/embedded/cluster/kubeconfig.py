"""The kubeconfig: cluster, user and context `labkit`, and whatever the learner made of it.

``kubectl config set-context --current --namespace=…`` edits this very file, so it is only
written when the address or the keys of the cluster changed, and then only those.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from labkit.embedded.cluster.files import write_private
from labkit.embedded.store.aside import Aside

NAME = "labkit"


def update(path: Path, *, server: str, authority: Path, token: str) -> list[str]:
    """Make *path* lead to the API at *server*; nothing is written where it already does.

    A file that is no kubeconfig any more is moved aside; the sentence that says so is returned.
    """
    import yaml

    config, problem = _read(path)
    notes = [_put_aside(path, problem)] if problem else []
    before = yaml.safe_dump(config)
    data = base64.b64encode(authority.read_bytes()).decode()
    _entry(config, "clusters")["cluster"] = {"certificate-authority-data": data, "server": server}
    _entry(config, "users")["user"] = {"token": token}
    context = _entry(config, "contexts").setdefault("context", {})
    context.update(cluster=NAME, user=NAME)
    config.setdefault("current-context", NAME)
    after = yaml.safe_dump(config, sort_keys=False)
    if yaml.safe_dump(config) != before or not path.exists():
        write_private(path, after)
    return notes


def _put_aside(path: Path, problem: str) -> str:
    kept = Aside(path.parent).move(path, problem)
    return (
        f"{path} was no kubeconfig any more ({problem}); it was made anew, and the old one is kept as {kept}."
    )


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """What is in *path*, or a fresh kubeconfig and what is wrong with the one that is there."""
    import yaml

    fresh: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "preferences": {}}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        return fresh, ""
    except ValueError as error:
        return fresh, f"it is no text: {error}"
    except yaml.YAMLError as error:
        return fresh, " ".join(str(error).split())
    if found is None:
        return fresh, ""
    lists = (
        [found.get(key) or [] for key in ("clusters", "contexts", "users")] if isinstance(found, dict) else []
    )
    if not lists or any(not isinstance(each, list) for each in lists):
        return fresh, "it has no lists of clusters, contexts and users"
    return found, ""


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
