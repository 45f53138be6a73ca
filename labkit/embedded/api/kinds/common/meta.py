"""``metadata``, and the label selectors that point at it."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.objects import Obj

_ANNOTATIONS_LIMIT = 256 * 1024
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def metadata(causes: Causes, obj: Obj, kind: Kind) -> None:
    """Name, namespace, labels, annotations, finalizers and owners."""
    meta = obj.get("metadata", {})
    name = meta.get("name", "")
    if name:
        causes.invalid_each("metadata.name", name, kind.name_problems(name))
    else:
        causes.required("metadata.name", "name or generateName is required")
    if meta.get("namespace"):
        causes.invalid_each("metadata.namespace", meta["namespace"], names.dns_label(meta["namespace"]))
    labels(causes, "metadata.labels", meta.get("labels"))
    annotation_pairs(causes, "metadata.annotations", meta.get("annotations") or {})
    for finalizer in meta.get("finalizers") or ():
        causes.invalid_each("metadata.finalizers", finalizer, names.qualified_name(finalizer))
    if not kind.free_finalizers:
        _finalizers(causes, meta.get("finalizers") or [])
    _owners(causes, meta.get("ownerReferences") or [])


def _finalizers(causes: Causes, finalizers: list[str]) -> None:
    """On built-in kinds a finalizer says whose it is."""
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    for index, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            causes.invalid(f"metadata.finalizers[{index}]", finalizer, detail)


def labels(causes: Causes, field: str, pairs: dict[str, str] | None) -> None:
    """The keys and values of a label map."""
    for key, value in (pairs or {}).items():
        causes.invalid_each(field, key, names.qualified_name(key))
        causes.invalid_each(field, value, names.label_value(value))


def annotation_pairs(causes: Causes, field: str, pairs: dict[str, str]) -> None:
    """The keys of a map of annotations, and how large it is."""
    for key in pairs:
        causes.invalid_each(field, key, names.qualified_name(key.lower()))
    if sum(len(key) + len(value) for key, value in pairs.items()) > _ANNOTATIONS_LIMIT:
        causes.too_long(field, _ANNOTATIONS_LIMIT)


def _owners(causes: Causes, references: list[Obj]) -> None:
    for reference in references:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(key):
                detail = "version must not be empty" if key == "apiVersion" else "must not be empty"
                causes.invalid(f"metadata.ownerReferences.{key}", "", detail)
    controllers = [each for each in references if each.get("controller")]
    if len(controllers) > 1:
        found = ", ".join(f"{each.get('kind')}/{each.get('name')}" for each in controllers[:2])
        detail = f"Only one reference can have Controller set to true. Found references in {found}"
        causes.invalid("metadata.ownerReferences", references, detail)


def selector(causes: Causes, field: str, value: Obj) -> None:
    """A ``LabelSelector``."""
    labels(causes, f"{field}.matchLabels", value.get("matchLabels"))
    for index, each in enumerate(value.get("matchExpressions") or ()):
        at = f"{field}.matchExpressions[{index}]"
        operator = each.get("operator", "")
        if operator not in _OPERATORS:
            causes.invalid(f"{at}.operator", operator, "not a valid selector operator")
        elif operator in ("In", "NotIn") and not each.get("values"):
            causes.required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist") and each.get("values"):
            causes.forbidden(
                f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
        causes.invalid_each(f"{at}.key", each.get("key", ""), names.qualified_name(each.get("key", "")))


def matches(value: Obj, pairs: dict[str, str]) -> bool:
    """Whether a ``LabelSelector`` selects something labelled *pairs*."""
    wanted = (value.get("matchLabels") or {}).items()
    return all(pairs.get(key) == text for key, text in wanted) and all(
        _expression_matches(each, pairs) for each in value.get("matchExpressions") or ()
    )


def _expression_matches(each: Obj, pairs: dict[str, str]) -> bool:
    key, values = each.get("key", ""), each.get("values") or []
    answers = {
        "In": pairs.get(key) in values,
        "NotIn": pairs.get(key) not in values,
        "Exists": key in pairs,
        "DoesNotExist": key not in pairs,
    }
    return answers.get(each.get("operator", ""), False)
