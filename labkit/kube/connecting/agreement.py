"""Nothing on somebody's cluster is changed before its learner has agreed to that.

Enforced at one place: every request that would change something passes :func:`guard` first. What was
agreed is kept in a file of the learner's, by the identity of the cluster (the UID of its namespace
``kube-system``, which outlives contexts and addresses), so it is asked once.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection
from pathlib import Path

from labkit import state
from labkit.errors import NotAgreed
from labkit.kube.api.api import Api
from labkit.kube.api.resources import NAMESPACES
from labkit.language import gettext, ngettext

PART_OF, PART_OF_LAB = "app.kubernetes.io/part-of", "labkit"
"""The label of what belongs to some learner's lab."""
_SYSTEM = re.compile(r"default|kube-.*|istio-system|local-path-storage|cattle-.*|kubernetes-dashboard")
_PRODUCTION = re.compile(r"(^|[^a-z])(prod|production|prd|live)([^a-z]|$)", re.IGNORECASE)


def agree(api: Api) -> None:
    """Note that this cluster may be changed."""
    known = _known() | {identity(api): api.context or api.host}
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(json.dumps(known, indent=2), encoding="utf-8")
    api.agreed = True


def is_agreed(api: Api) -> bool:
    """Whether the learner has agreed to changes of this cluster, now or earlier."""
    return identity(api) in _known()


def guard(api: Api, method: str, path: str) -> None:
    """Raise NotAgreed where this would be the first change of a cluster nobody has agreed to."""
    if is_agreed(api):
        api.agreed = True
        return
    name = f" --context {shlex.quote(api.context)}" if api.context else ""
    raise NotAgreed(
        gettext(
            "{cluster} is not this book's own cluster, so nothing was changed there yet "
            "({method} {path} would have been the first change).\n"
            "`labkit look{name}` shows what the lab would use; `labkit look{name} --yes` says that it may.",
            cluster=api.context or api.host,
            method=method,
            path=path,
            name=name,
        )
    )


def forget_all() -> bool:
    """Forget every agreement; whether there was one."""
    there = _file().exists()
    _file().unlink(missing_ok=True)
    return there


def identity(api: Api) -> str:
    """What tells this cluster from every other."""
    found = api.find(NAMESPACES.path("", "kube-system"))
    return str(found["metadata"]["uid"]) if found else api.host


def signs_of_production(api: Api, ours: Collection[str] = ()) -> list[str]:
    """What makes this cluster look like one that others depend on; *ours* are the lab's namespaces."""
    named = next((name for name in (api.context, api.host) if _PRODUCTION.search(name)), "")
    others = [
        name
        for namespace in api.items(NAMESPACES.path())
        if (name := namespace["metadata"]["name"]) not in ours
        and not _SYSTEM.fullmatch(name)
        and (namespace["metadata"].get("labels") or {}).get(PART_OF) != PART_OF_LAB
    ]
    signs = [gettext('"{name}" sounds like production', name=named)] if named else []
    if others:
        shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
        more = ngettext(
            "it has {number} more namespace: {names}",
            "it has {number} more namespaces: {names}",
            len(others),
            names=shown,
        )
        signs.append(more)
    return signs


def _file() -> Path:
    return state.users_folder() / "labkit-agreed.json"


def _known() -> dict[str, str]:
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
