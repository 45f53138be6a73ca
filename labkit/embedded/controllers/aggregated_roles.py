"""ClusterRoles whose rules are gathered from others, by label (``view``, ``edit``, ``admin``).

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
"""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.ownership import selects
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, labels_of, mutable, name_of

_ROLES = "clusterroles.rbac.authorization.k8s.io"


class AggregatedRoles:
    """Keeps the rules of every ClusterRole with an ``aggregationRule``."""

    resources = (_ROLES,)

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """All that gather: who lost a label is no longer selected."""
        return [("", name_of(role)) for role in self._client.list(_ROLES) if role.get("aggregationRule")]

    def reconcile(self, key: Key) -> None:
        """Replace its rules by what is to be gathered now."""
        role = self._client.find(_ROLES, key[1])
        if role is None or not role.get("aggregationRule"):
            return
        rules = self._gathered(role)
        if rules != (role.get("rules") or []):
            self._client.update(_ROLES, mutable(role) | {"rules": rules})

    def _gathered(self, role: Obj) -> list[Obj]:
        others = [each for each in self._client.list(_ROLES) if name_of(each) != name_of(role)]
        rules: list[Obj] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            chosen = [each for each in others if selects(selector, labels_of(each))]
            for rule in [rule for other in chosen for rule in other.get("rules") or ()]:
                if rule not in rules:
                    rules.append(rule)
        return rules
