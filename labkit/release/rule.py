"""The rule that shares out the requests for a host, and its weights.

It is found by the host it is for, whatever it is called, as Istio would choose it: of several for the
same host the oldest one acts, one with a wildcard where none names it; a delegate is followed. Of its
routes the default one is meant, behind those for certain requests (headers, paths); with *headers*, the
first that takes requests with these.

Changing the weights changes nothing else. It is a JSON Patch (RFC 6902) of just these numbers, which the
API server refuses if anybody has changed the object since it was read.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.errors import ApiRefused, UsageError
from labkit.kube.api import JSON_PATCH, Api, Obj
from labkit.kube.destinations import Destination, full_host
from labkit.kube.resources import VIRTUAL_SERVICES

MESH = "mesh"
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
        return tuple(Destination.of(one.get("destination") or {}, self.namespace) for one in self._targets)

    @property
    def weights(self) -> tuple[int, ...]:
        """A weight for each of :attr:`destinations`, as Istio understands them: one alone needs none."""
        if len(self._targets) == 1:
            return (int(self._targets[0].get("weight") or 100),)
        return tuple(int(one.get("weight") or 0) for one in self._targets)

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
    def _http(self) -> Obj:
        found: Obj = self.object["spec"]["http"][self.route]
        return found

    @property
    def _targets(self) -> list[Obj]:
        return self._http.get("route") or []

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


def find_rule(
    api: Api, host: str, namespace: str, *, headers: Mapping[str, str] | None = None
) -> Rule | None:
    """The rule that shares out requests for *host* from the pods of *namespace*; None where there is none.

    headers: of the requests in question, where a route for them stands before the default one.
    """
    wanted, closest, acting = full_host(host, namespace), 0, None
    for found in sorted(api.items(VIRTUAL_SERVICES.path(namespace)), key=_age):
        spec = found.get("spec") or {}
        hosts = [full_host(str(one), namespace) for one in spec.get("hosts") or []]
        fits = max((_fitting(one, wanted) for one in hosts), default=0)
        if fits > closest and MESH in (spec.get("gateways") or [MESH]):
            closest, acting = fits, found
    return _followed(api, rule_of(acting, headers=headers), headers) if acting else None


def _fitting(host: str, wanted: str) -> int:
    """How closely the *host* of a rule names *wanted*: the closest rule acts; 0 where it does not."""
    if host == wanted:
        return len(wanted) + 2
    names = (wanted, f"{wanted}.svc.cluster.local")
    return len(host) if host[:1] == "*" and any(name.endswith(host[1:]) for name in names) else 0


def _followed(api: Api, rule: Rule | None, headers: Mapping[str, str] | None) -> Rule | None:
    """The rule that *rule* hands its requests over to, if it does: of Istio's one level of delegates."""
    delegate = rule and rule.object["spec"]["http"][rule.route].get("delegate")
    if rule is None or not delegate:
        return rule
    found = api.find(VIRTUAL_SERVICES.path(delegate.get("namespace") or rule.namespace, delegate["name"]))
    return rule_of(found, headers=headers) if found else rule


def rule_of(virtual_service: Obj, *, headers: Mapping[str, str] | None = None) -> Rule | None:
    """The route of *virtual_service* that takes requests with *headers*, by default the default one."""
    route = _route((virtual_service.get("spec") or {}).get("http") or [], headers or {})
    return None if route is None else Rule(virtual_service, route)


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
        raise UsageError(f"A weight is a whole number from 0 to 100, not {percent}.")
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


def _age(found: Obj) -> tuple[str, str]:
    """Istio's order: the oldest first, then by name."""
    meta = found["metadata"]
    return str(meta.get("creationTimestamp") or ""), str(meta["name"])


def _route(https: Sequence[Obj], headers: Mapping[str, str]) -> int | None:
    for i, http in enumerate(https):
        if any(_takes(match, headers) for match in http.get("match") or [{}]):
            return i
    return None


def _takes(match: Obj, headers: Mapping[str, str]) -> bool:
    """Whether *match* lets any path of requests with these *headers* through."""
    if set(match) - {"name", "uri", "headers", "gateways", "port", "ignoreUriCase"}:
        return False
    if (match.get("uri") or {"prefix": "/"}) != {"prefix": "/"} or MESH not in (
        match.get("gateways") or [MESH]
    ):
        return False
    given = {name.lower(): value for name, value in headers.items()}
    return all(_fits(how, given.get(name.lower())) for name, how in (match.get("headers") or {}).items())


def _fits(how: Mapping[str, Any], value: str | None) -> bool:
    """Whether a header's *value* is what a StringMatch asks for (``{}``: that it is there)."""
    if value is None:
        return False
    fits = {
        "exact": value == how.get("exact"),
        "prefix": value.startswith(str(how.get("prefix"))),
        "regex": _matches(str(how.get("regex")), value),
    }
    return all(fits.get(kind, False) for kind in how)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return False
