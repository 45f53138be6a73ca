"""Whether a cluster acts upon all that it has taken: the lab's says in an object's status where it does not.

The warnings that came with the answer say the same, but before the rollout: this is for the last line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.kube.api.api import Api
from labkit.kube.applying.apply import AppliedObject
from labkit.language import gettext

_ENFORCED = "Enforced"
_SETTINGS = "data.mesh"
"""How the warnings about the mesh's settings begin, which are kept in a ConfigMap."""


def only_kept(api: Api, objects: Iterable[AppliedObject]) -> Iterator[str]:
    """A line for each of *objects* that is not wholly in force; one without a warning is not asked."""
    for one in objects:
        words = _words(api, one) if one.warnings else ""
        if words:
            title = one.resource.title(one.name)
            yield gettext("not all of {title} is in force: {words}", title=title, words=words)


def _words(api: Api, one: AppliedObject) -> str:
    if one.resource.kind == "ConfigMap":  # which has no status
        return "; ".join(each for each in one.warnings if each.startswith(_SETTINGS))
    if not one.resource.group.endswith(".istio.io"):
        return ""
    obj = api.find(one.resource.path(one.namespace, one.name)) or {}
    conditions = (obj.get("status") or {}).get("conditions") or []
    told = (each for each in conditions if each["type"] == _ENFORCED and each["status"] == "False")
    return next((str(each.get("message") or "") for each in told), "")
