"""Which ReplicaSet is the Deployment's present revision, and how the earlier ones are numbered.

As in ``pkg/controller/deployment/util``: the new ReplicaSet is the oldest one whose template equals
the Deployment's, so that going back to an earlier template brings its ReplicaSet back too.
"""

from __future__ import annotations

import hashlib
import json

from labkit.embedded.controllers.ownership import reference
from labkit.embedded.controllers.rollout import sizes
from labkit.embedded.integers import unsigned
from labkit.embedded.objects import Obj, annotations_of, mutable, name_of, namespace_of

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
NOT_COPIED = {
    REVISION,
    HISTORY,
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
}
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def divided(found: Obj, sets: list[Obj]) -> tuple[Obj | None, list[Obj]]:
    """(new, old): the ReplicaSet of the present template, where there is one, and all others by age."""
    by_age = sorted(sets, key=age)
    new = next((each for each in by_age if _same_template(found, each)), None)
    return new, [each for each in by_age if each is not new]


def age(each: Obj) -> tuple[str, int, str]:
    """Sorts the oldest first; times are whole seconds, so the revision decides among equals."""
    return each["metadata"].get("creationTimestamp", ""), revision(each), name_of(each)


def revision(obj: Obj) -> int:
    """The revision noted on a Deployment or ReplicaSet; 0 where there is none."""
    text = annotations_of(obj).get(REVISION, "")
    return unsigned(text) or 0


def new_annotations(found: Obj, new: Obj | None, old: list[Obj]) -> dict[str, str]:
    """What the new ReplicaSet carries: the Deployment's own (such as the change cause) and its revision."""
    highest = max(map(revision, old), default=0)
    copied = {key: text for key, text in annotations_of(found).items() if key not in NOT_COPIED}
    if new is None:
        return {**copied, **sizes(found), REVISION: str(highest + 1)}
    before = revision(new)
    if before > highest:
        return copied
    history = [each for each in (annotations_of(new).get(HISTORY), str(before) if before else "") if each]
    return {**copied, REVISION: str(highest + 1)} | ({HISTORY: ",".join(history)} if history else {})


def new_replica_set(found: Obj, old: list[Obj]) -> Obj:
    """The ReplicaSet for the present template, not yet created, without pods."""
    template = mutable(found["spec"]["template"])
    digest = template_hash(template)
    labels = {**(template.setdefault("metadata", {}).get("labels") or {}), HASH: digest}
    template["metadata"]["labels"] = labels
    selector = mutable(found["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(found)}-{digest}",
            "namespace": namespace_of(found),
            "labels": dict(labels),
            "annotations": new_annotations(found, None, old),
            "ownerReferences": [reference(found)],
        },
        "spec": {
            "replicas": 0,
            "selector": selector,
            "template": template,
            "minReadySeconds": found["spec"].get("minReadySeconds", 0),
        },
    }


def template_hash(template: Obj) -> str:
    """Ten characters that name a pod template, in the alphabet Kubernetes uses for generated names."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    number = int.from_bytes(digest[:8], "big")
    letters = []
    for _ in range(10):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)


def _same_template(found: Obj, each: Obj) -> bool:
    template = each["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {key: text for key, text in (metadata.get("labels") or {}).items() if key != HASH}
    bare = {**template, "metadata": {**metadata, "labels": labels}}
    return _without_empty(bare) == _without_empty(found["spec"]["template"])


def _without_empty(template: Obj) -> Obj:
    """Empty maps and ``null`` in the template's metadata mean nothing."""
    metadata = {key: part for key, part in (template.get("metadata") or {}).items() if part}
    return {**template, "metadata": metadata}
