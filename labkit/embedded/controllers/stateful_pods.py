"""The pods of a StatefulSet: their ordinals, their identity, their revision."""

from __future__ import annotations

import re

from labkit.embedded.controllers.history import HASH, as_of
from labkit.embedded.controllers.ownership import reference
from labkit.embedded.controllers.readiness import available_in, is_ready
from labkit.embedded.controllers.replicasets import pod_of
from labkit.embedded.objects import Obj, is_terminating, labels_of, name_of

_NAME, _INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


def ordinal(found: Obj, pod: Obj) -> int:
    """The number at the end of its name; -1 where it has none."""
    match = re.fullmatch(rf"{re.escape(name_of(found))}-(\d{{1,9}})", name_of(pod), re.ASCII)
    return int(match[1]) if match else -1


def start(found: Obj) -> int:
    """The first ordinal."""
    return int((found["spec"].get("ordinals") or {}).get("start", 0))


def revision_of(pod: Obj) -> str:
    """The name of its revision."""
    return labels_of(pod).get(HASH, "")


def is_well(pod: Obj, minimum: int) -> bool:
    """Whether it is ready, for long enough, and stays."""
    return is_ready(pod) and not is_terminating(pod) and available_in(pod, minimum) <= 0


def new_pod(found: Obj, revision: Obj, number: int) -> Obj:
    """Pod *number* of *found* as of *revision*, not yet created."""
    pod = pod_of(as_of(found, revision))
    name = f"{name_of(found)}-{number}"
    meta = pod["metadata"]
    del meta["generateName"]
    identity = {_NAME: name, _INDEX: str(number), HASH: name_of(revision)}
    meta.update(name=name, labels={**(meta.get("labels") or {}), **identity})
    meta["ownerReferences"] = [reference(found)]
    spec = pod["spec"]
    spec["hostname"] = name
    if found["spec"].get("serviceName"):
        spec["subdomain"] = found["spec"]["serviceName"]
    claims = found["spec"].get("volumeClaimTemplates") or ()
    claimed = [(claim.get("metadata") or {}).get("name", "") for claim in claims]
    if claimed:  # there are no disks: a folder that goes with the pod, as the API has warned
        kept = [each for each in spec.get("volumes") or () if each.get("name") not in claimed]
        spec["volumes"] = [*({"name": each, "emptyDir": {}} for each in claimed), *kept]
    return pod
