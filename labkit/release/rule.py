"""A rule that shares out requests: one route of a VirtualService, and its weights.

:mod:`labkit.release.finding` finds it. Changing the weights changes nothing else: it is a JSON Patch
(RFC 6902) of just these numbers, which the API server refuses if anybody has changed the object since it
was read.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.errors import ApiRefused, UsageError
from labkit.kube.api.api import JSON_PATCH, Api, Obj
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.mesh.destinations import Destination
from labkit.kube.mesh.virtual_services import HttpRoute
from labkit.language import gettext

_MIRRORING = ("mirror", "mirrors", "mirrorPercentage", "mirrorPercent", "mirror_percent")


@dataclass(frozen=True)
class Rule:
    """One route of a VirtualService, as it was read."""

    object: Obj
    route: int
    """Which of ``spec.http``."""

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"]["namespace"])

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where its requests may go, in the order of the rule."""
        return self._read.destinations

    @property
    def weights(self) -> tuple[int, ...]:
        """A weight for each of :attr:`destinations`, see :attr:`HttpRoute.weights`."""
        return self._read.weights

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights as parts of 1; all 0 where the rule sends nothing anywhere."""
        total = sum(self.weights)
        return tuple(weight / total if total else 0.0 for weight in self.weights)

    @property
    def mirroring(self) -> Obj:
        """What it says of copies of its requests, field by field as it is written."""
        return {field: self._http[field] for field in _MIRRORING if field in self._http}

    @property
    def mirrors(self) -> dict[Destination, float]:
        """Where copies of its requests go, and of which share of them (0 to 1)."""
        http = self._http
        found = (
            {Destination.of(http["mirror"], self.namespace): _old_share(http)} if http.get("mirror") else {}
        )
        for one in http.get("mirrors") or []:
            found[Destination.of(one.get("destination") or {}, self.namespace)] = _share(
                one.get("percentage")
            )
        return found

    @property
    def _read(self) -> HttpRoute:
        return HttpRoute(self.object, self.route)

    @property
    def _http(self) -> Obj:
        return self._read.http

    @property
    def _targets(self) -> list[Obj]:
        return self._read.targets

    @property
    def written(self) -> tuple[int | None, ...]:
        """The weights as they are written: None where there is none."""
        return tuple(one.get("weight") for one in self._targets)

    def joined_by(self, destination: Obj) -> Rule:
        """The rule with one destination more, which has no weight yet; as it would be written."""
        changed = copy.deepcopy(self.object)
        route = changed["spec"]["http"][self.route]["route"]
        weights = self.weights
        for one, weight in zip(route, weights, strict=True):
            one["weight"] = weight
        route.append({"destination": destination, "weight": 0})
        return Rule(changed, self.route)

    def patch_to(self, wanted: Rule) -> list[Obj]:
        """The JSON Patch that gives the route the destinations and weights of *wanted*, which differ only
        by weights and in the last destinations; empty where it has them."""
        at = f"/spec/http/{self.route}/route"
        mine, its = self._targets, wanted._targets
        changes = [_weight_change(f"{at}/{i}", a, b) for i, (a, b) in enumerate(zip(mine, its, strict=False))]
        found = [one for one in changes if one]
        found += [{"op": "remove", "path": f"{at}/{i}"} for i in range(len(mine) - 1, len(its) - 1, -1)]
        return found + [{"op": "add", "path": f"{at}/-", "value": one} for one in its[len(mine) :]]

    def with_mirroring(self, fields: Obj) -> Rule:
        """The rule that says *fields* of copies, and nothing else."""
        changed = copy.deepcopy(self.object)
        http = changed["spec"]["http"][self.route]
        for field in self.mirroring:
            del http[field]
        http |= copy.deepcopy(fields)
        return Rule(changed, self.route)

    def patch_mirroring_to(self, fields: Obj) -> list[Obj]:
        """The JSON Patch that makes the route say *fields* of copies; empty where it does."""
        at, there = f"/spec/http/{self.route}", self.mirroring
        gone = [{"op": "remove", "path": f"{at}/{field}"} for field in there if field not in fields]
        return gone + [
            {"op": "add", "path": f"{at}/{field}", "value": value}
            for field, value in fields.items()
            if field not in there or there[field] != value
        ]

    def with_weights(self, weights: Sequence[int | None]) -> Rule:
        """The rule with these *weights*; destinations for which there is none are left out."""
        changed = copy.deepcopy(self.object)
        route = changed["spec"]["http"][self.route]["route"]
        del route[len(weights) :]
        for one, weight in zip(route, weights, strict=True):
            one.pop("weight", None)
            one |= {} if weight is None else {"weight": weight}
        return Rule(changed, self.route)


def _old_share(http: Obj) -> float:
    """Of the one ``mirror``."""
    if http.get("mirrorPercentage") is not None:
        return _share(http["mirrorPercentage"])
    percents = [http[name] for name in ("mirrorPercent", "mirror_percent") if http.get(name) is not None]
    return _share({"value": percents[0]}) if percents else 1.0


def _share(percentage: Obj | None) -> float:
    return 1.0 if percentage is None else float(percentage.get("value") or 0) / 100


def _weight_change(at: str, now: Obj, wanted: Obj) -> Obj | None:
    if now.get("weight") == wanted.get("weight"):
        return None
    if "weight" not in wanted:
        return {"op": "remove", "path": f"{at}/weight"}
    return {"op": "add", "path": f"{at}/weight", "value": wanted["weight"]}


def read_again(api: Api, rule: Rule) -> Rule | None:
    """*rule* as it is now; None where it is gone, or leads elsewhere (but for a last destination)."""
    found = api.find(VIRTUAL_SERVICES.path(rule.namespace, rule.name))
    if found is None or len((found.get("spec") or {}).get("http") or []) <= rule.route:
        return None
    now = Rule(found, rule.route)
    both = min(len(now.destinations), len(rule.destinations))
    same = both and now.destinations[:both] == rule.destinations[:both]
    return now if same else None


def write(api: Api, rule: Rule, patch: list[Obj]) -> Rule:
    """*rule* after *patch*. Raises ApiRefused; :func:`is_conflict` tells whether somebody was quicker."""
    path = VIRTUAL_SERVICES.path(rule.namespace, rule.name)
    version = rule.object["metadata"]["resourceVersion"]
    body = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *patch]
    answer = api.request("PATCH", path, query={"fieldManager": "labkit"}, body=body, content_type=JSON_PATCH)
    return Rule(answer.object, rule.route)


def is_conflict(error: ApiRefused) -> bool:
    """Whether the object is another than the one that was read: the ``test`` of a JSON Patch failed."""
    return error.code == 409 or (error.code == 422 and "/metadata/resourceVersion" in str(error))


def share_out(rule: Rule, target: int, percent: int) -> list[int]:
    """Weights that make 100, with *percent* for the destination number *target*; the others as they were
    to each other, and evenly where they had nothing. UsageError for a number that is none of 0 to 100."""
    if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
        raise UsageError(gettext("A weight is a whole number from 0 to 100, not {percent}.", percent=percent))
    others = [0 if i == target else weight for i, weight in enumerate(rule.weights)]
    if not any(others):
        others = [int(i != target) for i in range(len(others))]
    total = sum(others) or 1  # nothing where the target is the only one
    parts = _rounded([weight / total for weight in others], (100 - percent) * any(others))
    return [percent if i == target else part for i, part in enumerate(parts)]


def as_hundredths(rule: Rule) -> list[int]:
    """The rule's weights as whole parts of 100: somebody may have written 3 and 1."""
    return _rounded(list(rule.shares), 100) if any(rule.shares) else [0] * len(rule.shares)


def _rounded(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers that make *total*, by the largest remainders."""
    exact = [share * total for share in shares]
    whole = [int(part) for part in exact]
    by_rest = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in by_rest[: total - sum(whole)]:
        whole[i] += 1
    return whole
