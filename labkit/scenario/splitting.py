"""The rule that this course splits traffic with, as the cluster has it, and names for its destinations."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.errors import UsageError
from labkit.kube.acknowledgement import Strategy
from labkit.kube.api import Api, Obj
from labkit.kube.destinations import Destination
from labkit.release.attribution import ByAnswer
from labkit.release.change import Change, make_change
from labkit.release.held import Held, held
from labkit.release.rule import Rule, as_hundredths, find_rule, share_out
from labkit.scenario import cast

HOST = cast.SERVICE_B.hosts[0]
"""What ServiceA calls: the host whose requests are shared out."""
PORT = 80
SERVICES = (cast.SERVICE_B.title, cast.SERVICE_C.title)
"""Between whom this course shares them out."""
_GREET = {*SERVICES, cast.SERVICE_EXT.title}
"""Whose greetings stand in ServiceA's answers (its own stands in each)."""


def the_rule(
    api: Api, namespace: str = cast.HOME, *, headers: Mapping[str, str] | None = None
) -> Rule | None:
    """The rule for :data:`HOST`, whatever it is called; None where none leads to destinations."""
    found = find_rule(api, HOST, namespace, headers=headers)
    return found if found and found.destinations else None


def needed_rule(api: Api, namespace: str = cast.HOME, *, headers: Mapping[str, str] | None = None) -> Rule:
    """As :func:`the_rule`; UsageError where there is none."""
    found = the_rule(api, namespace, headers=headers)
    if found is None:
        raise UsageError("Nothing is split yet, so nothing can be shifted: lab.goto(3) brings you there.")
    return found


def names_of(rule: Rule) -> dict[Destination, str]:
    """What each destination of *rule* is called: as the course calls its host, and the subset if any."""
    return {one: name_of(one) for one in rule.destinations}


def name_of(destination: Destination) -> str:
    """``ServiceB``, ``ServiceB v2``; another's host as it is."""
    title = cast.TITLES.get(destination.host.partition(".")[0], destination.host)
    return f"{title} {destination.subset}".rstrip()


def weights_of(rule: Rule) -> dict[str, float]:
    """The weights just as the rule has them, by name."""
    found: dict[str, float] = {}
    for destination, weight in zip(rule.destinations, rule.weights, strict=True):
        found[name_of(destination)] = found.get(name_of(destination), 0.0) + weight
    return found


def parts_now(api: Api, namespace: str = cast.HOME) -> dict[str, int] | None:
    """The rule's weights by name, as whole parts of 100 (somebody may have written 3 and 1); or None."""
    rule = the_rule(api, namespace)
    return dict(zip(names_of(rule).values(), as_hundredths(rule), strict=True)) if rule else None


def give(
    api: Api, name: str, percent: int, *, namespace: str = cast.HOME, strategy: Strategy | None = None
) -> Change:
    """Let the destination called *name* have *percent* of 100 requests; the others share the rest as before.

    Where the rule does not have it yet, it joins. Raises UsageError, ApiRefused, WaitTimeout.
    """
    rule = needed_rule(api, namespace)
    destination, new = destination_called(rule, name)
    wide = rule if new is None else rule.joined_by(new)
    wanted = wide.with_weights(share_out(wide, wide.destinations.index(destination), percent))
    return make_change(api, rule, lambda now: now.patch_to(wanted), strategy=strategy)


def held_rule(
    api: Api, namespace: str = cast.HOME, *, headers: Mapping[str, str] | None = None
) -> Held | None:
    """The rule with a name for each destination, as :func:`the_rule`.

    One with a single destination that is of this course has the other one beside it, without any weight.
    """
    rule = the_rule(api, namespace, headers=headers)
    if rule is None:
        return None
    wide = rule
    if len(rule.destinations) == 1 and name_of(rule.destinations[0]) in SERVICES:
        (name,) = {*SERVICES} - {name_of(rule.destinations[0])}
        wide = rule.joined_by(_as_written(cast.find_workload(name)))
    return held(wide, names_of(wide), first=SERVICES)


def who_answers(held: Held) -> ByAnswer | None:
    """Tells the destinations apart by what answers say; None where answers can't tell."""
    greets = {name_of(Destination(one.host)): name for name, one in held.destinations.items()}
    known = len(greets) == len(held.names) and greets.keys() <= _GREET
    return ByAnswer(greets) if known else None


def destination_called(rule: Rule, name: str) -> tuple[Destination, Obj | None]:
    """The destination of *rule* called *name*; one that may join it, as a VirtualService writes it.

    Raises UsageError for what is neither.
    """
    for one, title in names_of(rule).items():
        if _wanted(name) in (title.casefold(), one.subset.casefold(), one.host, one.host.partition(".")[0]):
            return one, None
    for title in SERVICES:
        if _wanted(name) == title.casefold():
            new = _as_written(cast.find_workload(title))
            return Destination.of(new, rule.namespace), new
    known = {*names_of(rule).values(), *SERVICES}
    raise UsageError(f"Traffic is shifted to {' or '.join(sorted(known))}, not to {name}.")


def destination_of(api: Api, namespace: str, name: str) -> Destination:
    """The destination called *name*: of the rule, or, where there is none, the workload of that name.

    Raises UsageError for what is neither.
    """
    rule = the_rule(api, namespace)
    if rule is not None:
        return destination_called(rule, name)[0]
    found = cast.find_workload(name)
    return Destination.of(_as_written(found), found.namespace)


def _as_written(workload: cast.Workload) -> Obj:
    """The ``destination`` of a VirtualService that leads to *workload*."""
    return {"host": workload.hosts[0], "port": {"number": PORT}}


def _wanted(name: str) -> str:
    """*name* as a workload's title, where it is one of its names."""
    try:
        return cast.find_workload(name).title.casefold()
    except UsageError:
        return name.casefold()
