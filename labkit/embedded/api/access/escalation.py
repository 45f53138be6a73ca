"""Nobody can give rights away that he does not have: the check of every written Role and binding.

Except who may ``escalate`` roles or ``bind`` this one. Source:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

import json

from labkit.embedded.api.access import rbac, rules, users
from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.api.access.rbac import Authorizer
from labkit.embedded.interfaces import AdmissionRequest, User
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.status import ApiError, forbidden, not_found

_ROLES = (rbac.ROLES, rbac.CLUSTER_ROLES)
_BINDINGS = (rbac.ROLE_BINDINGS, rbac.CLUSTER_ROLE_BINDINGS)
_FOR_THE_COLLECTOR = ("ownerReferences", "finalizers", "managedFields", "resourceVersion")


class NoEscalation:
    """An admission plug-in; ApiError 403."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(self, request: AdmissionRequest) -> list[str]:
        user = request.user
        if user is None or users.may_everything(user) or _only_collected(request):
            return []
        if request.resource in _ROLES and not self._may_escalate(user, request):
            self._check_role(user, request)
        elif request.resource in _BINDINGS and not self._may_bind(user, request):
            self._confirm(user, request, self._bound_rules(request))
        return []

    def _bound_rules(self, request: AdmissionRequest) -> list[Obj]:
        reference = request.object.get("roleRef") or {}
        try:
            return self._authorizer.role_rules(reference, request.namespace)
        except ApiError:  # said as the real server does: it takes the request's resource for the role's
            raise not_found(request.resource, reference.get("name", "")) from None

    def _may_escalate(self, user: User, request: AdmissionRequest) -> bool:
        name = name_of(request.object) if request.old else ""  # as the path of a create has none
        plural = request.resource.partition(".")[0]
        asked = Attributes("escalate", rbac.GROUP, plural, "", request.namespace, name)
        return self._authorizer.decide(user, asked).allowed

    def _may_bind(self, user: User, request: AdmissionRequest) -> bool:
        reference = request.object.get("roleRef") or {}
        plural = "roles" if reference.get("kind") == "Role" else "clusterroles"
        name, group = reference.get("name", ""), reference.get("apiGroup", "")
        asked = Attributes("bind", group, plural, "", request.namespace, name)
        return self._authorizer.decide(user, asked).allowed

    def _check_role(self, user: User, request: AdmissionRequest) -> None:
        self._confirm(user, request, request.object.get("rules") or [])
        if any(_aggregates(each) for each in (request.object, request.old)):
            why = "must have cluster-admin privileges to use the aggregationRule"
            self._confirm(user, request, list(rules.EVERYTHING), why)

    def _confirm(self, user: User, request: AdmissionRequest, wanted: list[Obj], why: str = "") -> None:
        held = self._authorizer.held(user, request.namespace)
        if missing := rules.missing(held.rules, wanted):
            said = "\n".join(rules.described(missing))
            name, groups = json.dumps(user.name, ensure_ascii=False), rules.quoted(user.groups)
            attempt = (
                f"user {name} (groups={groups}) is attempting to grant RBAC permissions not currently held:"
            )
            errors = f"; resolution errors: [{held.error}]" if held.errors else ""
            raise forbidden(request.resource, name_of(request.object), why or f"{attempt}\n{said}{errors}")


def _aggregates(role: Obj | None) -> bool:
    return bool(((role or {}).get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _only_collected(request: AdmissionRequest) -> bool:
    """Whether nothing changes but what the garbage collector needs to."""
    return request.old is not None and _compared(request.object) == _compared(request.old)


def _compared(obj: Obj) -> Obj:
    meta = {key: value for key, value in obj["metadata"].items() if key not in _FOR_THE_COLLECTOR}
    return {**obj, "metadata": meta}
