"""What a rule was before a shift, noted in the object itself while that lasts.

So a shift that was cut off (a kernel that died) can be taken up or taken back by anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from labkit.kube.api.api import Obj
from labkit.release.rule import Rule

WEIGHTS = "labkit/weights-before"
MIRRORING = "labkit/mirroring-before"


@dataclass(frozen=True)
class Before:
    """What a shift changes of a rule, as it was."""

    weights: tuple[int | None, ...]
    """None where none was written; fewer than destinations where the shift has added the last ones."""
    mirroring: Obj | None = None
    """See :attr:`labkit.release.rule.Rule.mirroring`; None where the shift has not changed it."""


def before(rule: Rule) -> Before | None:
    """What is noted in *rule*; None where no shift is under way, or was cut off."""
    weights, mirroring = _noted(rule, WEIGHTS), _noted(rule, MIRRORING)
    fits = isinstance(weights, list) and 0 < len(weights) <= len(rule.destinations)
    if not fits or not all(one is None or type(one) is int for one in weights):
        return None
    return Before(tuple(weights), mirroring if isinstance(mirroring, dict) else None)


def _noted(rule: Rule, name: str) -> Any:
    try:
        return json.loads((rule.object["metadata"].get("annotations") or {})[name])
    except (KeyError, ValueError, TypeError):
        return None


def as_before(rule: Rule) -> Rule:
    """*rule* as it was before a shift; itself where there was none."""
    noted = before(rule)
    if noted is None:
        return rule
    found = rule.with_weights(noted.weights)
    return found if noted.mirroring is None else found.with_mirroring(noted.mirroring)


def patch_to_note(now: Rule, wanted: Before | None) -> list[Obj]:
    """The JSON Patch that notes *wanted* in the object, or nothing any more; and changes nothing else.

    Weights that are noted already stay: the first ones count.
    """
    noted = before(now)
    texts = {}
    if wanted is not None:
        texts[WEIGHTS] = json.dumps(noted.weights if noted else wanted.weights)
        texts |= {} if wanted.mirroring is None else {MIRRORING: json.dumps(wanted.mirroring)}
    return _patch_annotations(now.object["metadata"].get("annotations") or {}, texts)


def _patch_annotations(there: Obj, texts: dict[str, str]) -> list[Obj]:
    others = {name: text for name, text in there.items() if name not in (WEIGHTS, MIRRORING)}
    wanted = others | texts
    if not there or not wanted:
        adding = [{"op": "add", "path": "/metadata/annotations", "value": wanted}] if wanted else []
        return adding if not there else [{"op": "remove", "path": "/metadata/annotations"}]
    gone = [name for name in there if name not in wanted]
    new = [name for name, text in texts.items() if there.get(name) != text]
    return [{"op": "remove", "path": _at(name)} for name in gone] + [
        {"op": "add", "path": _at(name), "value": texts[name]} for name in new
    ]


def _at(name: str) -> str:
    return "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")


def patch_back(now: Rule, rule: Rule) -> list[Obj]:
    """The JSON Patch that makes of *now* what *rule* was before a shift, whatever that has changed."""
    noted = before(now)
    mirroring = [] if noted is None or noted.mirroring is None else now.patch_mirroring_to(noted.mirroring)
    return [*now.patch_to(rule), *mirroring, *patch_to_note(now, None)]
