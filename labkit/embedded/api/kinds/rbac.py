"""Roles and what binds them to somebody, in a namespace or everywhere."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, PLAIN, Column, Row, wide
from labkit.embedded.api.kinds.common.fill import fill, items
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_GROUP = "rbac.authorization.k8s.io"
_SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


def _validate_role(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    for index, rule in enumerate(obj.get("rules") or ()):
        at = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.required(f"{at}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            causes.required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            causes.required(f"{at}.resources", "resource rules must supply at least one resource")


def _default_binding(obj: Obj) -> None:
    fill(obj.setdefault("roleRef", {}), apiGroup=_GROUP)
    for subject in items(obj, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            fill(subject, apiGroup=_GROUP)


def _validate_binding(causes: Causes, obj: Obj, old: Obj | None) -> None:
    reference = obj.get("roleRef") or {}
    if reference.get("kind") not in ("Role", "ClusterRole"):
        causes.unsupported("roleRef.kind", reference.get("kind", ""), ("Role", "ClusterRole"))
    if not reference.get("name"):
        causes.required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        at = f"subjects[{index}]"
        if not subject.get("name"):
            causes.required(f"{at}.name")
        if subject.get("kind") not in _SUBJECT_KINDS:
            causes.unsupported(f"{at}.kind", subject.get("kind", ""), _SUBJECT_KINDS)
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            causes.required(f"{at}.namespace")
    if old is not None and old.get("roleRef") != reference:
        causes.invalid("roleRef", reference, "cannot change roleRef")


def _role(row: Row) -> str:
    reference = row.obj.get("roleRef", {})
    return f"{reference.get('kind')}/{reference.get('name')}"


def _subjects(kind: str) -> Column:
    """The names of a binding's subjects of one *kind*."""

    def cell(row: Row) -> str:
        subjects = [each for each in row.obj.get("subjects") or [] if each.get("kind") == kind]
        return ", ".join(_subject(each) for each in subjects)

    return wide(f"{kind}s", cell)


def _subject(subject: Obj) -> str:
    name = str(subject.get("name", ""))
    return f"{subject.get('namespace', '')}/{name}" if subject.get("kind") == "ServiceAccount" else name


def _type(kind: str, namespaced: bool) -> ResourceType:
    singular = kind.lower()
    return ResourceType(_GROUP, ("v1",), kind, singular + "s", singular, namespaced)


def _roles(kind: str, namespaced: bool) -> Kind:
    return Kind(
        _type(kind, namespaced),
        columns=PLAIN,
        zero={"rules": None},
        validate=_validate_role,
        name_problems=names.path_segment,
        has_generation=False,
    )


def _bindings(kind: str, namespaced: bool) -> Kind:
    return Kind(
        _type(kind, namespaced),
        columns=(NAME, Column("Role", _role), AGE, *map(_subjects, ("User", "Group", "ServiceAccount"))),
        default=_default_binding,
        zero={"roleRef": {}},
        validate=_validate_binding,
        name_problems=names.path_segment,
        has_generation=False,
    )


RBAC = (
    _bindings("ClusterRoleBinding", namespaced=False),
    _roles("ClusterRole", namespaced=False),
    _bindings("RoleBinding", namespaced=True),
    _roles("Role", namespaced=True),
)
