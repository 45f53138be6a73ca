"""Who else sets the weights of a rule: a controller that drives a release of its own (Argo Rollouts,
Flagger), or keeps the rule as it is in a repository. Two at one wheel are one too many, so it is left to it.

The API server notes who wrote which field, whatever they are called:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

from labkit.errors import ApiRefused, UsageError
from labkit.kube.api.api import APPLY_PATCH, Api, Obj
from labkit.kube.api.manifests import Source, parse
from labkit.kube.api.resources import VIRTUAL_SERVICES, resource_of
from labkit.kube.applying.apply import FIELD_MANAGER
from labkit.language import gettext
from labkit.release.rule import Rule

_BY_HAND = (
    *("kubectl", "labkit", "before-first-apply", "helm", "istioctl", "oc", "kiali", "Mozilla"),
    *("OpenAPI-Generator", "curl", "python-requests"),
)
"""How the field managers of what somebody types or clicks begin: they write once, and let it be."""
ROUTES = ".spec.http"
"""As the API server calls them where two are at odds about them."""


def managers_of(rule: Rule) -> list[str]:
    """The controllers that set the weights of *rule*, by the names they go by in the cluster."""
    metadata = rule.object["metadata"]
    writers = [_name(one) for one in metadata.get("managedFields") or [] if _has_routes(one)]
    found = [name for name in writers if name and not name.startswith(_BY_HAND)]
    owners = [one for one in metadata.get("ownerReferences") or [] if one.get("controller")]
    return list(dict.fromkeys([*found, *(f"{one['kind']} {one['name']}" for one in owners)]))


def managed_elsewhere(rule: Rule) -> str:
    """A sentence about who sets the weights of *rule*; nothing where that is left to people."""
    found = managers_of(rule)
    if not found:
        return ""
    return gettext(
        "The weights of the VirtualService {rule} in {namespace} are set by {managers}, so the lab leaves "
        "them alone: steer that release where it is steered, or end it and take the rule over with "
        "`kubectl apply --server-side --force-conflicts`.",
        rule=rule.name,
        namespace=rule.namespace,
        managers=gettext(" and ").join(found),
    )


def refuse_managed(rule: Rule) -> None:
    """Raise UsageError where a controller sets the weights of *rule*."""
    if why := managed_elsewhere(rule):
        raise UsageError(why)


def refuse_other_routes(api: Api, source: Source, namespace: str) -> None:
    """Raise UsageError where *source* has other routes for a rule than the controller gave it that sets them.

    namespace: for objects that name none. Whatever else the API has against *source* is told where it is
    applied.
    """
    for found in parse(source):
        if found.object["kind"] == VIRTUAL_SERVICES.kind:
            _refuse_other_routes(api, found.object, namespace)


def _refuse_other_routes(api: Api, wanted: Obj, namespace: str) -> None:
    resource, metadata = resource_of(api, wanted), wanted["metadata"]
    path = resource.path(str(metadata.get("namespace") or namespace), metadata["name"])
    there = api.find(path)
    if resource.group != VIRTUAL_SERVICES.group or there is None or not managers_of(Rule(there, 0)):
        return
    query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
    try:
        api.request("PATCH", path, query=query, body=wanted, content_type=APPLY_PATCH)
    except ApiRefused as error:
        if error.code == 409 and ROUTES in str(error):
            refuse_managed(Rule(there, 0))


def _name(entry: Obj) -> str:
    return str(entry.get("manager") or "")


def _has_routes(entry: Obj) -> bool:
    """Whether *entry* has the routes for itself: a list of which Istio's schema says no keys is one field."""
    fields = (entry.get("fieldsV1") or {}).get("f:spec") or {}
    return "f:http" in fields and not entry.get("subresource")
