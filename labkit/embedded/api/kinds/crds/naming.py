"""Which names a definition gets: those nobody in its group has yet, as the naming controller decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labkit.embedded.api.kinds.crds import conversion
from labkit.embedded.objects import Obj, condition_of, name_of, timestamp

_NAMES = ("plural", "singular", "shortNames", "kind", "listKind")
_REASONS = {each: f"{each[0].upper()}{each[1:]}Conflict" for each in _NAMES}


def status_of(definition: Obj, others: Iterable[Obj]) -> Obj:
    """The status *definition* gets beside the *others* there are: accepted names and conditions."""
    before = definition.get("status") or {}
    if is_settled(definition):
        return before
    accepted, conflict = _accepted(definition, others)
    conditions = [_names_condition(conflict), _established(definition, bool(conflict[0]))]
    kept = [
        each
        for each in before.get("conditions") or ()
        if each.get("type") not in [condition["type"] for condition in conditions]
    ]
    turned = [_turned(definition, each) for each in conditions]
    return {**before, "acceptedNames": accepted, "conditions": [*turned, *kept]}


def is_settled(definition: Obj) -> bool:
    """Whether it has all its names, and is served: others can't change that."""
    wanted = definition["spec"]["names"]
    had = (definition.get("status") or {}).get("acceptedNames") or {}
    return is_served(definition) and not is_refused(definition) and had == wanted


def is_served(definition: Obj) -> bool:
    """Whether its kind can be asked for."""
    found = condition_of(definition, "Established")
    return found is not None and found["status"] == "True"


def is_refused(definition: Obj) -> bool:
    """Whether it was never served, since others had its names."""
    found = condition_of(definition, "NamesAccepted")
    return found is not None and found["status"] == "False" and not is_served(definition)


def _accepted(definition: Obj, others: Iterable[Obj]) -> tuple[Obj, tuple[str, str]]:
    """The names it gets, and the last that it does not get: which, and why."""
    wanted = definition["spec"]["names"]
    had = (definition.get("status") or {}).get("acceptedNames") or {}
    taken = _taken(definition, others)
    accepted, conflict = dict(had), ("", "")
    for each in _NAMES:
        used = taken["kinds" if each in ("kind", "listKind") else "resources"]
        problems = _problems(wanted.get(each), had.get(each), used)
        if problems:
            shown = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            conflict = (each, shown)
        elif wanted.get(each):
            accepted[each] = wanted[each]
        else:
            accepted.pop(each, None)
    accepted.pop("categories", None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    return {"kind": "", "plural": "", **accepted}, conflict if conflict[0] else ("", "")


def _problems(wanted: Any, had: Any, used: set[str]) -> list[str]:
    names = wanted if isinstance(wanted, list) else [wanted] if wanted else []
    own = had if isinstance(had, list) else [had]
    return [f'"{each}" is already in use' for each in names if each not in own and each in used]


def _taken(definition: Obj, others: Iterable[Obj]) -> dict[str, set[str]]:
    taken: dict[str, set[str]] = {"resources": set(), "kinds": set()}
    for each in others:
        if each["spec"]["group"] != definition["spec"]["group"] or name_of(each) == name_of(definition):
            continue
        names = (each.get("status") or {}).get("acceptedNames") or {}
        taken["resources"] |= {names.get("plural", ""), names.get("singular", "")}
        taken["resources"] |= set(names.get("shortNames") or ())
        taken["kinds"] |= {names.get("kind", ""), names.get("listKind", "")}
    return taken


def _names_condition(conflict: tuple[str, str]) -> Obj:
    if not conflict[0]:
        reason, message = "NoConflicts", "no conflicts found"
        return {"type": "NamesAccepted", "status": "True", "reason": reason, "message": message}
    return {
        "type": "NamesAccepted",
        "status": "False",
        "reason": _REASONS[conflict[0]],
        "message": conflict[1],
    }


def _established(definition: Obj, conflict: bool) -> Obj:
    known = condition_of(definition, "Established")
    if known is not None and known["status"] == "True":
        return known
    if conflict:
        reason, message = "NotAccepted", "not all names are accepted"
        return {"type": "Established", "status": "False", "reason": reason, "message": message}
    if not conversion.has_sound_bundle(definition["spec"]):
        reason, message = "InvalidCABundle", "The conversion webhook CABundle is invalid"
        return {"type": "Established", "status": "False", "reason": reason, "message": message}
    message = "the initial names have been accepted"
    return {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": message}


def _turned(definition: Obj, condition: Obj) -> Obj:
    """*condition* with the time of its last turn."""
    known = condition_of(definition, condition["type"])
    same = known is not None and known["status"] == condition["status"]
    since = known["lastTransitionTime"] if same and known else timestamp()
    return {"lastTransitionTime": since, **{k: v for k, v in condition.items() if k != "lastTransitionTime"}}


def terminating(definition: Obj, reason: str, message: str, status: str = "True") -> Obj:
    """The status of one whose objects are being deleted."""
    condition = {"type": "Terminating", "status": status, "reason": reason, "message": message}
    before = definition.get("status") or {}
    kept = [each for each in before.get("conditions") or () if each.get("type") != "Terminating"]
    return {**before, "conditions": [*kept, _turned(definition, condition)]}
