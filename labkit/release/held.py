"""A rule in hand: its destinations under names, what each gets of 100, and giving them other parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.kube.api.api import Api
from labkit.kube.convergence.acknowledgement import Strategy
from labkit.kube.mesh.destinations import Destination
from labkit.language import gettext
from labkit.release.change import Change, make_change
from labkit.release.rule import Rule, as_hundredths, share_out


@dataclass(frozen=True)
class Held:
    """A rule as it was read."""

    rule: Rule
    """With the destinations that may join it: those are written with the first change."""
    numbers: Mapping[str, int]
    """Name → which of the rule's destinations, in the order in which they are shown."""

    @property
    def names(self) -> list[str]:
        """What the destinations are called, each of them once."""
        return list(self.numbers)

    @property
    def weights(self) -> dict[str, int]:
        """Name → whole parts of 100; all 0 where the rule sends nothing anywhere."""
        parts = as_hundredths(self.rule)
        return {name: parts[number] for name, number in self.numbers.items()}

    @property
    def destinations(self) -> dict[str, Destination]:
        """Name → where that is."""
        return {name: self.rule.destinations[number] for name, number in self.numbers.items()}

    def sharing(self, name: str, percent: int) -> Rule:
        """The rule with *percent* of 100 for *name*, the others sharing the rest as before.

        Raises UsageError for a number that is none of 0 to 100.
        """
        return self.rule.with_weights(share_out(self.rule, self.numbers[name], percent))

    def write(self, api: Api, wanted: Rule, *, strategy: Strategy | None = None) -> Change:
        """Give the rule the weights of *wanted*, as :func:`labkit.release.change.make_change` does."""
        return make_change(api, self.rule, lambda now: now.patch_to(wanted), strategy=strategy)


def held(rule: Rule, names: Mapping[Destination, str], *, first: tuple[str, ...] = ()) -> Held:
    """*rule* with these *names*; the names in *first* are shown first, all others in the rule's order.

    Two that would have the same name get their host or port behind it.
    """
    called = unique([(names[one], one) for one in rule.destinations])
    order = sorted(called, key=lambda name: first.index(name) if name in first else len(first))
    return Held(rule, {name: called.index(name) for name in order})


def unique(given: list[tuple[str, Destination]]) -> list[str]:
    """A name of its own for each: as given, else with the host, the port or at last a number behind it."""
    longer = (
        lambda name, one: name,
        lambda name, one: f"{name} ({one.host})",
        lambda name, one: f"{name} ({one.host}:{one.port})",
    )
    found = [name for name, _ in given]
    for lengthen in longer:
        found = [
            lengthen(name, one) if found.count(now) > 1 else now
            for now, (name, one) in zip(found, given, strict=True)
        ]
    return [
        gettext("{name} no. {count}", name=name, count=found[: i + 1].count(name))
        if found.count(name) > 1
        else name
        for i, name in enumerate(found)
    ]
