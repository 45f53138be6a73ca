"""FlowSchemas: which requests to the API belong together; here they are served as they come, all alike."""

from __future__ import annotations

from collections.abc import Callable

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.store import Store

GROUP = "flowcontrol.apiserver.k8s.io"
NOT_QUEUED = "requests in this lab are served as they come: nothing is queued by priority"
_PRECEDENCE, _HIGHEST = 1000, 10000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec["matchingPrecedence"] = spec.get("matchingPrecedence") or _PRECEDENCE


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj["spec"]
    _precedence(causes, "spec.matchingPrecedence", spec["matchingPrecedence"], name_of(obj))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        causes.unsupported("spec.distinguisherMethod.type", method, _METHODS)
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if not level:
        causes.required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    causes.invalid_each(
        "spec.priorityLevelConfiguration.name", level, names.dns_subdomain(level) if level else ()
    )
    for index, rule in enumerate(spec.get("rules") or ()):
        _rule(causes, f"spec.rules[{index}]", rule)


def _precedence(causes: Causes, at: str, value: int, name: str) -> None:
    if value <= 0:
        causes.invalid(at, value, "must be a positive value")
    elif value > _HIGHEST:
        causes.invalid(at, value, f"must not be greater than {_HIGHEST}")
    elif value == 1 and name != "exempt":
        causes.invalid(at, value, "only the schema named 'exempt' may have matchingPrecedence 1")


def _rule(causes: Causes, at: str, rule: Obj) -> None:
    if not rule.get("subjects"):
        causes.required(f"{at}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(rule.get("subjects") or ()):
        _subject(causes, f"{at}.subjects[{index}]", subject)
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        detail = "at least one of resourceRules and nonResourceRules has to be non-empty"
        causes.required(at, detail)
    for index, each in enumerate(rule.get("resourceRules") or ()):
        _resources(causes, f"{at}.resourceRules[{index}]", each)
    for index, each in enumerate(rule.get("nonResourceRules") or ()):
        _paths(causes, f"{at}.nonResourceRules[{index}]", each)


def _subject(causes: Causes, at: str, subject: Obj) -> None:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        causes.unsupported(f"{at}.kind", kind, sorted(_SUBJECTS))
        return
    key = _SUBJECTS[kind]
    if subject.get(key) is None:
        causes.required(f"{at}.{key}", f"{key} is required when subject kind is '{kind}'")
    else:
        _named(causes, f"{at}.{key}", subject[key], of_account=kind == "ServiceAccount")
    for other, field in _SUBJECTS.items():
        if other != kind and subject.get(field) is not None:
            causes.forbidden(f"{at}.{field}", f"{field} is forbidden when subject kind is not '{other}'")


def _named(causes: Causes, at: str, subject: Obj, *, of_account: bool) -> None:
    name, namespace = subject.get("name", ""), subject.get("namespace", "")
    if not name:
        causes.required(f"{at}.name")
    elif of_account and name != "*":
        causes.invalid_each(f"{at}.name", name, names.dns_subdomain(name))
    if of_account and namespace:
        causes.invalid_each(f"{at}.namespace", namespace, names.dns_label(namespace))
    elif of_account:
        causes.required(f"{at}.namespace", "must specify namespace for service account")


def _resources(causes: Causes, at: str, rule: Obj) -> None:
    _verbs(causes, at, rule)
    _alone(causes, at, "apiGroups", rule, "resource rules must supply at least one api group", "api groups")
    _alone(causes, at, "resources", rule, "resource rules must supply at least one resource", "resources")
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        causes.required(f"{at}.namespaces", detail)
    elif "*" in namespaces:
        _alone(causes, at, "namespaces", rule, "", "namespaces")
    for index, name in enumerate(namespaces if "*" not in namespaces else ()):
        wrong = [_NAMESPACE + each for each in names.dns_label(name)]
        causes.invalid_each(f"{at}.namespaces[{index}]", name, wrong)


def _paths(causes: Causes, at: str, rule: Obj) -> None:
    _verbs(causes, at, rule)
    key, urls = "nonResourceURLs", rule.get("nonResourceURLs") or []
    _alone(causes, at, key, rule, f"{key} must contain at least one value", "non-resource URLs")
    for index, url in enumerate(urls if "*" not in urls else ()):
        if (wrong := _wrong_path(url)) is not None:
            causes.invalid(f"{at}.{key}[{index}]", url, wrong)


def _wrong_path(url: str) -> str | None:
    checks: dict[str, Callable[[str], bool]] = {
        "must not be empty": lambda path: not path,
        "must start with slash": lambda path: not path.startswith("/"),
        "must not contain white-space": lambda path: " " in path,
        "must not contain double slash": lambda path: "//" in path,
        "wildcard can only do suffix matching": lambda path: "*" in path.removesuffix("/*"),
    }
    return next((words for words, is_wrong in checks.items() if is_wrong(url)), None)


def _verbs(causes: Causes, at: str, rule: Obj) -> None:
    _alone(causes, at, "verbs", rule, "verbs must contain at least one value", "verbs")
    verbs = rule.get("verbs") or []
    if "*" not in verbs and not set(verbs) <= set(_VERBS):
        causes.unsupported(f"{at}.verbs", verbs, _VERBS)


def _alone(causes: Causes, at: str, key: str, rule: Obj, missing: str, others: str) -> None:
    """At least one, and a ``*`` only by itself."""
    values = rule.get(key) or []
    if not values:
        causes.required(f"{at}.{key}", missing)
    elif "*" in values and len(values) > 1:
        causes.invalid(f"{at}.{key}", values, f"if '*' is present, must not specify other {others}")


def begin_status(_store: Store, obj: Obj) -> None:
    """Nobody has looked at a new object of this group yet."""
    obj["status"] = {}


def no_queues(_obj: Obj, old: Obj | None) -> list[str]:
    """What whoever makes an object of this group should hear."""
    return [] if old else [NOT_QUEUED]


def _missing_level(row: Row) -> str:
    found = (each["status"] for each in row.status.get("conditions") or () if each.get("type") == "Dangling")
    return next(found, "?")


FLOW_SCHEMA = Kind(
    ResourceType(
        GROUP,
        ("v1",),
        "FlowSchema",
        "flowschemas",
        "flowschema",
        namespaced=False,
        subresources=(status_of("FlowSchema"),),
    ),
    columns=(
        NAME,
        Column(
            "PriorityLevel", lambda row: (row.spec.get("priorityLevelConfiguration") or {}).get("name", "")
        ),
        Column("MatchingPrecedence", lambda row: row.spec.get("matchingPrecedence", 0)),
        Column(
            "DistinguisherMethod",
            lambda row: (row.spec.get("distinguisherMethod") or {}).get("type", "<none>"),
        ),
        AGE,
        Column("MissingPL", _missing_level),
    ),
    default=_default,
    zero={"spec": {"priorityLevelConfiguration": {"name": ""}}, "status": {}},
    prepare_create=begin_status,
    validate=_validate,
    warnings=no_queues,
)
