"""RBAC: what the Roles and bindings of the store allow a user.

Rights only add up: the first rule that allows is enough, and none denies. The bindings are kept by
subject, per namespace, until one of them changes; roles are looked up as they are now.
Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labkit.embedded.api.access import rules, users
from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.interfaces import User
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, not_found
from labkit.embedded.store import Change, Store

GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"roles.{GROUP}", f"clusterroles.{GROUP}"
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = f"rolebindings.{GROUP}", f"clusterrolebindings.{GROUP}"

Subject = tuple[str, str]
"""(User, name) or (Group, name); a ServiceAccount is a user."""


@dataclass(frozen=True)
class Decision:
    """Yes or no, and why."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class Grant:
    """What one binding gives to one of its subjects."""

    binding: Obj
    subject: Obj
    order: int

    @property
    def namespace(self) -> str:
        return namespace_of(self.binding)

    def __str__(self) -> str:
        place, role = self.namespace, self.binding["roleRef"]
        name = f"{name_of(self.binding)}/{place}" if place else name_of(self.binding)
        kind, who = self.subject["kind"], self.subject["name"]
        if kind == "ServiceAccount":
            who = f"{who}/{self.subject.get('namespace') or place}"
        binding = "RoleBinding" if place else "ClusterRoleBinding"
        return f'{binding} "{name}" of {role["kind"]} "{role["name"]}" to {kind} "{who}"'


@dataclass
class Held:
    """The rules that apply to a user, and what was wrong with roles that are bound."""

    rules: list[Obj] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def error(self) -> str:
        """All that was wrong, in Go's words for one error or several."""
        different = list(dict.fromkeys(self.errors))
        return f"[{', '.join(different)}]" if len(different) > 1 else "".join(different)


class Authorizer:
    """Answers from the roles and bindings in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grants: dict[str, dict[Subject, list[Grant]]] = {}
        store.subscribe((ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS), self._forget)

    def decide(self, user: User, asked: Attributes) -> Decision:
        """Whether *user* may do *asked*."""
        if users.may_everything(user):
            return Decision(True)
        held = Held()
        for grant, found in self._granted(user, asked.namespace, held):
            if any(rules.allows(rule, asked) for rule in found):
                return Decision(True, f"RBAC: allowed by {grant}")
        return Decision(False, f"RBAC: {held.error}" if held.errors else "")

    def held(self, user: User, namespace: str) -> Held:
        """All rules that apply to *user* in *namespace*, and those on the whole cluster."""
        held = Held()
        for _, found in self._granted(user, namespace, held):
            held.rules += found
        return held

    def role_rules(self, reference: Obj, namespace: str) -> list[Obj]:
        """The rules of the role that a binding in *namespace* refers to; ApiError 404."""
        name = reference.get("name", "")
        resource = ROLES if reference.get("kind") == "Role" else CLUSTER_ROLES
        role = self._store.get(resource, name, namespace if resource == ROLES else "")
        if role is None:
            raise not_found(resource, name)
        return role.get("rules") or []

    def _granted(self, user: User, namespace: str, held: Held) -> Iterator[tuple[Grant, list[Obj]]]:
        for place in ("", namespace) if namespace else ("",):
            for grant in self._of(user, place):
                reference = grant.binding["roleRef"]
                try:
                    yield grant, self.role_rules(reference, place)
                except ApiError:
                    singular = f"{reference['kind'].lower()}.{GROUP}"
                    held.errors.append(f'{singular} "{reference["name"]}" not found')

    def _of(self, user: User, place: str) -> list[Grant]:
        """The bindings in *place* that name *user*, each once, by name."""
        index = self._grants.get(place) or self._index(place)
        if index:  # or whoever asks about namespaces that are not there would fill the memory
            self._grants[place] = index
        subjects = [("User", user.name), *(("Group", each) for each in user.groups)]
        found = {each.order: each for subject in reversed(subjects) for each in index.get(subject, ())}
        return [found[order] for order in sorted(found)]

    def _index(self, place: str) -> dict[Subject, list[Grant]]:
        resource = ROLE_BINDINGS if place else CLUSTER_ROLE_BINDINGS
        index: dict[Subject, list[Grant]] = {}
        for order, binding in enumerate(self._store.objects(resource, place)):
            for subject in binding.get("subjects") or ():
                index.setdefault(_key(subject, place), []).append(Grant(binding, subject, order))
        return index

    def _forget(self, change: Change) -> None:
        self._grants.pop(namespace_of(change.object), None)


def _key(subject: Obj, place: str) -> Subject:
    if subject["kind"] == "ServiceAccount":
        return "User", users.account_name(subject.get("namespace") or place, subject["name"])
    return subject["kind"], subject["name"]
