"""PriorityLevelConfigurations: how many requests of a priority are served at once; here all of them are."""

from __future__ import annotations

import math
from operator import itemgetter

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.flow_schemas import GROUP, begin_status, no_queues
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, name_of

_TYPES, _RESPONSES = ("Exempt", "Limited"), ("Queue", "Reject")
_MOST_QUEUES, _MOST_BITS = 10**7, 60
_NOT_NEGATIVE = "must be a non-negative integer"


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if (exempt := spec.get("exempt")) is not None:
        fill(exempt, nominalConcurrencyShares=0, lendablePercent=0)
    if (limited := spec.get("limited")) is not None:
        fill(limited, nominalConcurrencyShares=30, lendablePercent=0)
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        for name, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
            if queuing is not None:
                queuing[name] = queuing.get(name) or value


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj["spec"]
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    if (name_of(obj) == "exempt") != (kind == "Exempt"):
        causes.invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'")
    if kind not in _TYPES:
        causes.unsupported("spec.type", kind, _TYPES)
    if kind == "Exempt" and limited is not None:
        causes.forbidden("spec.limited", "must be nil if the type is not Limited")
    if kind == "Limited" and exempt is not None:
        causes.forbidden("spec.exempt", "must be nil if the type is Limited")
    if kind == "Limited" and limited is None:
        causes.required("spec.limited", "must not be empty when type is Limited")
    if kind == "Limited" and limited is not None:
        _limited(causes, "spec.limited", limited)
    if kind == "Exempt" and exempt is not None:
        _shares(causes, "spec.exempt", exempt)


def _shares(causes: Causes, at: str, level: Obj) -> None:
    shares, lent = level["nominalConcurrencyShares"], level["lendablePercent"]
    if shares < 0:
        causes.invalid(f"{at}.nominalConcurrencyShares", shares, _NOT_NEGATIVE)
    if not 0 <= lent <= 100:
        causes.invalid(f"{at}.lendablePercent", lent, "must be between 0 and 100, inclusive")


def _limited(causes: Causes, at: str, limited: Obj) -> None:
    _shares(causes, at, limited)
    response = limited.get("limitResponse") or {}
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind not in _RESPONSES:
        causes.unsupported(f"{at}.limitResponse.type", kind, _RESPONSES)
    elif kind == "Reject" and queuing is not None:
        detail = "must be nil if limited.limitResponse.type is not Limited"
        causes.forbidden(f"{at}.limitResponse.queuing", detail)
    elif kind == "Queue" and queuing is None:
        detail = "must not be empty if limited.limitResponse.type is Limited"
        causes.required(f"{at}.limitResponse.queuing", detail)
    elif queuing is not None:
        _queuing(causes, f"{at}.limitResponse.queuing", queuing)
    borrowed = limited.get("borrowingLimitPercent")
    if borrowed is not None and borrowed < 0:
        causes.invalid(f"{at}.borrowingLimitPercent", borrowed, f"if specified, {_NOT_NEGATIVE}")


def _queuing(causes: Causes, at: str, queuing: Obj) -> None:
    length, queues, hand = itemgetter("queueLengthLimit", "queues", "handSize")(queuing)
    if length <= 0:
        causes.invalid(f"{at}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        causes.invalid(f"{at}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        causes.invalid(f"{at}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        causes.invalid(f"{at}.handSize", hand, "must be positive")
    elif hand > queues:
        causes.invalid(f"{at}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > _MOST_BITS:
        size = f"deckSize {queues} and handSize {hand}"
        detail = f"required entropy bits of {size} should not be greater than {_MOST_BITS}"
        causes.invalid(f"{at}.handSize", hand, detail)


def _limit(name: str, *, queuing: bool = True) -> Column:
    def cell(row: Row) -> object:
        limited = row.spec.get("limited") or {}
        of = (limited.get("limitResponse") or {}).get("queuing") or {} if queuing else limited
        return of.get(name, "<none>")

    return Column(name[0].upper() + name[1:], cell)


PRIORITY_LEVEL = Kind(
    ResourceType(
        GROUP,
        ("v1",),
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        "prioritylevelconfiguration",
        namespaced=False,
        subresources=(status_of("PriorityLevelConfiguration"),),
    ),
    columns=(
        NAME,
        Column("Type", lambda row: row.spec.get("type", "")),
        _limit("nominalConcurrencyShares", queuing=False),
        *(_limit("queues"), _limit("handSize"), _limit("queueLengthLimit")),
        AGE,
    ),
    default=_default,
    zero={"spec": {"type": ""}, "status": {}},
    prepare_create=begin_status,
    validate=_validate,
    warnings=no_queues,
)
