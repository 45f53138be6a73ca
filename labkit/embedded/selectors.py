"""Which labels a selector wants: LabelSelector, node selector terms, namespaces."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.embedded.objects import Obj, has_labels, labels_of, name_of


def matches(selector: Obj | None, labels: Mapping[str, str]) -> bool:
    """Whether a ``metav1.LabelSelector`` selects *labels*: a missing one nothing, an empty one all."""
    if selector is None:
        return False
    return has_labels(labels, selector.get("matchLabels") or {}) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or []
    )


def matches_node(pod: Obj, node: Obj) -> bool:
    """Whether *node* is one that *pod*'s ``nodeSelector`` and required node affinity ask for."""
    spec = pod.get("spec") or {}
    if not has_labels(labels_of(node), spec.get("nodeSelector") or {}):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(
        matches_term(each, node) for each in required.get("nodeSelectorTerms") or []
    )


def matches_term(term: Obj, node: Obj) -> bool:
    """Whether a ``NodeSelectorTerm`` selects *node*; an empty one selects none."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    names = {"metadata.name": name_of(node)}
    return bool(expressions or fields) and (
        all(_holds(each, labels_of(node)) for each in expressions)
        and all(_holds(each, names) for each in fields)
    )


def _holds(expression: Obj, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    found = labels.get(key)
    match expression["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt":
            return _is_greater(found, values)
        case "Lt":
            return found is not None and _is_greater(next(iter(values), None), [found])
    return False


def _is_greater(number: str | None, than: list[str]) -> bool:
    try:
        [bound] = than
        return int(number or "") > int(bound)
    except ValueError:  # not numbers: as with kube-scheduler, no match
        return False
