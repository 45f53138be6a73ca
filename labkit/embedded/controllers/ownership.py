"""Who owns what: owner references, adoption of orphans, release of what no longer matches."""

from __future__ import annotations

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    controller_of,
    has_labels,
    is_terminating,
    labels_of,
    mutable,
    name_of,
    namespace_of,
    uid_of,
)


def reference(owner: Obj) -> Obj:
    """The owner reference that makes *owner* the controller of something."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def keys_of(client: Client, event: WatchEvent, resource: str, kind: str) -> list[Key]:
    """Whom of *resource* an event is about: itself, who owns the object, or all that might adopt it."""
    namespace = namespace_of(event.object)
    if event.resource == resource:
        return [(namespace, name_of(event.object))]
    owner = controller_of(event.object)
    if owner is None:
        return [(namespace, name_of(each)) for each in client.list(resource, namespace)]
    group = owner["apiVersion"].rpartition("/")[0]
    is_ours = owner["kind"] == kind and group == resource.partition(".")[2]
    return [(namespace, owner["name"])] if is_ours else []


def selects(selector: Obj, labels: dict[str, str]) -> bool:
    """Whether a ``metav1.LabelSelector`` matches *labels*."""
    expressions = selector.get("matchExpressions") or []
    return has_labels(labels, selector.get("matchLabels") or {}) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Obj, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def claim(client: Client, resource: str, owner: Obj) -> list[Obj]:
    """The objects of *owner*, after adopting matching orphans and releasing what no longer matches."""
    selector, uid, going = owner["spec"]["selector"], uid_of(owner), is_terminating(owner)
    mine = []
    for obj in client.list(resource, namespace_of(owner)):
        held = controller_of(obj)
        if held is not None and held.get("uid") != uid:
            continue  # first, as most objects are somebody else's
        matches = selects(selector, labels_of(obj))
        if held is not None and not matches and not going:
            _release(client, resource, owner, obj)
        elif held is None and matches and not going and not is_terminating(obj):
            mine.append(_adopt(client, resource, owner, obj))
        elif held is not None and matches:
            mine.append(obj)
    return mine


def _adopt(client: Client, resource: str, owner: Obj, obj: Obj) -> Obj:
    changed = mutable(obj)
    changed["metadata"].setdefault("ownerReferences", []).append(reference(owner))
    return client.update(resource, changed)


def _release(client: Client, resource: str, owner: Obj, obj: Obj) -> None:
    changed = mutable(obj)
    references = changed["metadata"]["ownerReferences"]
    changed["metadata"]["ownerReferences"] = [r for r in references if r.get("uid") != uid_of(owner)]
    client.update(resource, changed)
