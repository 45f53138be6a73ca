"""How a cluster's endpoints are shared out by where they are, and where the caller is.

``distribute`` gives each locality its share. ``failover`` and ``failoverPriority`` order them: those further
away get requests only where those nearby are ejected, so outlier detection has to be on; when it is, the
mesh's own setting orders by distance without being told to.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.embedded.mesh import localities
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.translate.clusters.cluster_policy import Policy

NETWORK = "topology.istio.io/network"


@dataclass(frozen=True)
class Group:
    """Endpoints of one locality and one priority."""

    locality: str
    endpoints: tuple[Endpoint, ...]
    weight: int
    priority: int = 0


def grouped(endpoints: Sequence[Endpoint]) -> list[Group]:
    """*endpoints* by locality."""
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for each in endpoints:
        found[each.locality].append(each)
    return [_group(name, found[name]) for name in sorted(found)]


def _group(locality: str, endpoints: Sequence[Endpoint], priority: int = 0) -> Group:
    return Group(locality, tuple(endpoints), sum(each.weight for each in endpoints), priority)


@dataclass(frozen=True)
class Spread:
    """The setting that holds for a cluster, and where its caller is."""

    locality: str
    labels: Mapping[str, str]
    setting: localities.Setting
    fails_over: bool
    """Whether endpoints are ejected, or the service asks for those nearby."""

    @property
    def is_weighted(self) -> bool:
        """Whether Envoy has to go by the localities' weights."""
        ordered = self.setting.get("failover") is not None or self.setting.get("failoverPriority") is not None
        return self.setting.get("distribute") is not None or (self.fails_over and ordered)

    def __call__(self, groups: list[Group]) -> list[Group]:
        """*groups* with the weights and priorities that the setting gives them."""
        if self.setting.get("distribute") is not None:
            return self._distributed(groups)
        if not self.fails_over:
            return groups
        labels = self.setting.get("failoverPriority") or []
        if not labels:
            return self._failing_over(groups)
        ordered = _by_labels(groups, self.labels, labels)
        return self._failing_over(ordered) if self.setting.get("failover") else ordered

    def _distributed(self, groups: list[Group]) -> list[Group]:
        rules = self.setting.get("distribute") or []
        rule = next(
            (one for one in rules if localities.fits(self.locality, str(one.get("from") or ""))), None
        )
        if rule is None:
            return groups
        found = [replace(each, endpoints=()) for each in groups]
        left = set(range(len(groups)))
        for target, weight in (rule.get("to") or {}).items():
            mine = [place for place in sorted(left) if localities.fits(groups[place].locality, target)]
            left -= set(mine)
            total = sum(groups[place].weight for place in mine)
            for place in mine:
                share = math.ceil(groups[place].weight * int(weight) / total)
                found[place] = replace(groups[place], weight=share)
        return found

    def _failing_over(self, groups: list[Group]) -> list[Group]:
        ranks = [5 * each.priority + self._rank(each.locality) for each in groups]
        return _without_gaps([replace(each, priority=rank) for each, rank in zip(groups, ranks, strict=True)])

    def _rank(self, locality: str) -> int:
        distance = localities.distance(self.locality, locality)
        region = localities.parts_of(self.locality)[0]
        rules = self.setting.get("failover") or []
        rule = next((one for one in rules if str(one.get("from") or "") == region), None)
        if distance < 3 or rule is None:
            return distance
        return 3 if localities.parts_of(locality)[0] == str(rule.get("to") or "") else 4


def _without_gaps(groups: list[Group]) -> list[Group]:
    """Envoy wants priorities from 0 on, none left out."""
    order = sorted({each.priority for each in groups})
    return [replace(each, priority=order.index(each.priority)) for each in groups]


def _by_labels(groups: list[Group], labels: Mapping[str, str], wanted: Sequence[str]) -> list[Group]:
    """The fewer of the first labels an endpoint shares with the caller, the later its turn."""
    found = []
    for group in groups:
        ranked: dict[int, list[Endpoint]] = defaultdict(list)
        for each in group.endpoints:
            ranked[_rank_of(each, labels, wanted)].append(each)
        found += [_group(group.locality, ranked[rank], rank) for rank in sorted(ranked)]
    return _without_gaps(found)


def _rank_of(endpoint: Endpoint, labels: Mapping[str, str], wanted: Sequence[str]) -> int:
    own = {**endpoint.labels, **localities.topology(endpoint.locality, endpoint.node)}
    further = 0
    for number, text in enumerate(wanted):
        name, given, value = text.partition("=")
        if (value if given else labels.get(name, "")) == own.get(name, ""):
            continue
        if number == 0 and name == NETWORK:
            further = len(wanted)
        else:
            return further + len(wanted) - number
    return further


_NEARBY: Mapping[str, Sequence[str]] = {
    "PreferSameZone": (NETWORK, localities.REGION, localities.ZONE),
    "PreferSameNode": (NETWORK, localities.REGION, localities.ZONE, localities.SUBZONE, localities.HOSTNAME),
}
"""A Service's ``trafficDistribution`` → what its callers prefer."""


def setting_for(
    mesh: MeshConfig, policy: Policy, distribution: str
) -> tuple[localities.Setting, bool] | None:
    """The setting for a cluster of *policy*, and whether it holds without outlier detection; None for none.

    *distribution*: what the Service says of itself.
    """
    own = (policy.get("loadBalancer") or {}).get("localityLbSetting")
    if own is None and distribution in _NEARBY:
        return {"failoverPriority": list(_NEARBY[distribution])}, True
    setting: Any = own if own is not None else mesh.locality_lb_setting
    return None if setting.get("enabled") is False else (setting, False)


Spreading = Callable[[list[Group]], list[Group]]
"""What :class:`Spread` does."""
