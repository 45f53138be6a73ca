"""The default roles, kept: what somebody took from them comes back at the next start, what was added stays.

Unless the object says ``rbac.authorization.kubernetes.io/autoupdate: "false"``. Source:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation
"""

from __future__ import annotations

from labkit.embedded.api.access import default_roles, rbac, rules
from labkit.embedded.api.access.default_roles import AUTOUPDATE
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, annotations_of, labels_of, name_of


def ensure(client: Client) -> None:
    """Make or mend them."""
    for wanted in default_roles.ROLES:
        _ensure(client, rbac.CLUSTER_ROLES, wanted)
    for wanted in default_roles.BINDINGS:
        _ensure(client, rbac.CLUSTER_ROLE_BINDINGS, wanted)


def _ensure(client: Client, resource: str, wanted: Obj) -> None:
    found = client.find(resource, name_of(wanted))
    if found is None:
        client.create(resource, wanted)
    elif annotations_of(found).get(AUTOUPDATE) != "false":
        mended = _with_metadata(_mended(found, wanted), wanted)
        if mended.get("roleRef") != found.get("roleRef"):  # which can't be changed
            client.delete(resource, name_of(found))
            client.create(resource, wanted)
        elif mended != found:
            client.update(resource, mended)


def _mended(found: Obj, wanted: Obj) -> Obj:
    if "roleRef" in wanted:
        held = found.get("subjects") or []
        lost = [each for each in wanted["subjects"] if each not in held]
        return {**found, "roleRef": wanted["roleRef"], "subjects": [*held, *lost]}
    if "aggregationRule" in wanted:  # its rules are the aggregation's
        held = (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        selectors = wanted["aggregationRule"]["clusterRoleSelectors"]
        lost = [each for each in selectors if each not in held]
        return {**found, "aggregationRule": {"clusterRoleSelectors": [*held, *lost]}}
    held = found.get("rules") or []
    lost = rules.missing(held, wanted["rules"]) if held != wanted["rules"] else []
    return {**found, "rules": [*held, *lost]}


def _with_metadata(obj: Obj, wanted: Obj) -> Obj:
    meta = wanted["metadata"]
    labels, annotations = labels_of(obj) | meta["labels"], annotations_of(obj) | meta["annotations"]
    return {**obj, "metadata": {**obj["metadata"], "labels": labels, "annotations": annotations}}
