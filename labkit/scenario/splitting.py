"""The rule that this course splits traffic with, as the cluster has it, and names for its destinations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache, partial
from typing import Any

import pandas as pd

from labkit.errors import UsageError
from labkit.kube.api import Api, Obj
from labkit.kube.destinations import Destination
from labkit.kube.resources import PODS
from labkit.language import gettext
from labkit.release.attribution import ByAnswer, ByLog
from labkit.release.finding import Calls, find_rule
from labkit.release.health import number_of
from labkit.release.held import Held, held, unique
from labkit.release.rule import Rule
from labkit.release.sessions import sessions
from labkit.scenario import cast
from labkit.scenario.learner import Learner
from labkit.traffic.journal import Journal
from labkit.traffic.split import Split, outbound_clusters, split, split_counts

HOST = cast.SERVICE_B.hosts[0]
"""What ServiceA calls: the host whose requests are shared out."""
PORT = 80
SERVICES = (cast.SERVICE_B.title, cast.SERVICE_C.title)
"""Between whom this course shares them out."""
_GREET = {*SERVICES, cast.SERVICE_EXT.title}
"""Whose greetings stand in ServiceA's answers (its own stands in each)."""


def the_rule(
    api: Api, namespace: str, places: Collection[str] = (), *, headers: Mapping[str, str] | None = None
) -> Rule | None:
    """The rule for calls from *namespace* to :data:`HOST`, whatever it is called and wherever it lives; None
    where none leads anywhere.

    places: where it may live, for who may not look everywhere.
    """
    labels = cache(partial(_callers_labels, api, namespace))
    calls = Calls(HOST, namespace, PORT, headers or {}, labels)
    found = find_rule(api, calls, places=places)
    return found if found and found.destinations else None


def _callers_labels(api: Api, namespace: str) -> dict[str, str]:
    """What the labels of ServiceA's pods have in common; its own one where there are none."""
    app = {"app": cast.SERVICE_A.app}
    pods = api.items(PODS.path(namespace), labelSelector=f"app={cast.SERVICE_A.app}")
    each = [(pod["metadata"].get("labels") or {}).items() for pod in pods]
    return dict(set.intersection(*map(set, each))) if each else app


def needed_rule(
    api: Api, namespace: str, places: Collection[str] = (), *, headers: Mapping[str, str] | None = None
) -> Rule:
    """As :func:`the_rule`; UsageError where there is none."""
    found = the_rule(api, namespace, places, headers=headers)
    if found is None:
        raise UsageError(
            gettext("Nothing is split yet, so nothing can be shifted: lab.goto(3) brings you there.")
        )
    return found


def names_of(rule: Rule, *more: Destination) -> dict[Destination, str]:
    """What each destination of *rule*, and *more* behind them, is called: as the course calls its host, with
    the subset if any; no two the same."""
    each = list(dict.fromkeys([*rule.destinations, *more]))
    return dict(zip(each, unique([(name_of(one), one) for one in each]), strict=True))


def name_of(destination: Destination) -> str:
    """``ServiceB``, ``ServiceB v2``; another's host as it is."""
    title = cast.TITLES.get(destination.host.partition(".")[0], destination.host)
    return f"{title} {destination.subset}".rstrip()


def weights_of(rule: Rule) -> dict[str, float]:
    """The weights just as the rule has them, by name."""
    names = names_of(rule)
    found = dict.fromkeys(names.values(), 0.0)
    for destination, weight in zip(rule.destinations, rule.weights, strict=True):
        found[names[destination]] += weight
    return found


def held_rule(
    api: Api, namespace: str, places: Collection[str] = (), *, headers: Mapping[str, str] | None = None
) -> Held | None:
    """The rule with a name for each destination, as :func:`the_rule`.

    One with a single destination that is of this course has the other one beside it, without any weight.
    """
    rule = the_rule(api, namespace, places, headers=headers)
    if rule is None:
        return None
    wide = rule
    if len(rule.destinations) == 1 and name_of(rule.destinations[0]) in SERVICES:
        (name,) = {*SERVICES} - {name_of(rule.destinations[0])}
        wide = rule.joined_by(_as_written(cast.find_workload(name), rule.namespace, namespace))
    return held(wide, names_of(wide), first=SERVICES)


def who_answers(held: Held) -> ByAnswer | None:
    """Tells the destinations apart by what answers say; None where answers can't tell."""
    greets = {name_of(Destination(one.host)): name for name, one in held.destinations.items()}
    known = len(greets) == len(held.names) and greets.keys() <= _GREET
    return ByAnswer(greets) if known else None


def destination_called(rule: Rule, name: str, home: str = "") -> tuple[Destination, Obj | None]:
    """The destination of *rule* called *name*; one that may join it, as a VirtualService writes it.

    home: where the services are, by default where the rule is. Raises UsageError for what is neither, or
    could be several.
    """
    names, wanted = names_of(rule), _wanted(name)
    found = [one for one, title in names.items() if wanted == title.casefold()]
    found = found or [one for one in names if wanted in _called(one)]
    if len(found) == 1:
        return found[0], None
    if found:
        which = gettext(" or ").join(names[one] for one in found)
        raise UsageError(
            gettext(
                "The rule {rule} leads to more than one {name}: say {which}.",
                rule=rule.name,
                name=name,
                which=which,
            )
        )
    for title in SERVICES:
        if wanted == title.casefold():
            new = _as_written(cast.find_workload(title), rule.namespace, home or rule.namespace)
            return Destination.of(new, rule.namespace), new
    known = {*names.values(), *SERVICES}
    names_known = gettext(" or ").join(sorted(known))
    raise UsageError(gettext("Traffic is shifted to {known}, not to {name}.", known=names_known, name=name))


def destination_of(api: Api, namespace: str, name: str, learner: Learner) -> Destination:
    """The destination called *name*: of the rule, or, where there is none, *learner*'s workload of that name.

    Raises UsageError for what is neither.
    """
    rule = the_rule(api, namespace, learner.namespaces)
    if rule is not None:
        return destination_called(rule, name, namespace)[0]
    found = learner.workload(name)
    return Destination.of(_as_written(found, found.namespace, found.namespace), found.namespace)


def _called(one: Destination) -> set[str]:
    """What people may call a destination: its subset, its Service, its host however much of it."""
    short, _, namespace = one.host.partition(".")
    hosts = {short, one.host, *(f"{one.host}.{end}" for end in ("svc", "svc.cluster.local") if namespace)}
    title = cast.TITLES.get(short, short)
    return {each.casefold() for each in (*hosts, one.subset, title) if each}


# ------------------------------------------------------------------------------------------ who got it


def shared_out(
    frame: pd.DataFrame, rule: Rule | None, journal: Journal, weights: Mapping[str, float] | None = None
) -> Split:
    """How the requests of *frame* (answers, or an access log) were shared out among the destinations of
    *rule*, under the names that the panel shows; against *weights*, by default the rule's own.

    Answers that failed belong to none of them; a log says where each request was sent.
    """
    if rule is None:
        return split(frame, weights, names=cast.TITLES)
    if weights is None:
        asked = weights_of(rule)
        weights = asked if any(asked.values()) else None
    who = _by_answers(frame, rule, journal) if "service" in frame else _by_cluster(frame, rule)
    counts = {str(name): int(count) for name, count in who.value_counts().items()}
    return split_counts(counts, weights, left_out=len(who) - sum(counts.values()))


def sessions_of(api: Api, rule: Rule, caller: str) -> str:
    """As :func:`labkit.release.sessions.sessions`, of the destinations of *rule*."""
    return sessions(api, {name: one for one, name in names_of(rule).items()}, caller)


def _by_answers(answers: pd.DataFrame, rule: Rule, journal: Journal) -> pd.Series[Any]:
    held_now = held(rule, names_of(rule))
    tell = who_answers(held_now) or ByLog(journal, held_now.destinations)
    told = tell(answers)
    # Whom the rule does not name may have answered all the same: before it was changed, or by another one.
    others = [name if name in _GREET else None for name in answers["service"].astype("object")]
    names = [None if one.failed else one.name or other for one, other in zip(told, others, strict=True)]
    return pd.Series(names, index=answers.index, dtype="object")


def _by_cluster(log: pd.DataFrame, rule: Rule) -> pd.Series[Any]:
    clusters = outbound_clusters(log)
    led_to = {one: Destination.of_cluster(one) for one in map(str, clusters.dropna().unique())}
    mine = {one: number_of(one, rule.destinations) for one in led_to}
    places = {
        one: rule.destinations[number] if (number := mine[one]) is not None else place
        for one, place in led_to.items()
        if place
    }
    names = names_of(rule, *places.values())
    return clusters.map({one: names[places[one]] if one in places else one for one in led_to})


def _as_written(workload: cast.Workload, namespace: str, home: str) -> Obj:
    """The ``destination`` of a VirtualService in *namespace* that leads to *workload* in *home*."""
    host = workload.hosts[0]
    return {
        "host": host if namespace == home else f"{host}.{home}.svc.cluster.local",
        "port": {"number": PORT},
    }


def _wanted(name: str) -> str:
    """*name* as a workload's title, where it is one of its names."""
    try:
        return cast.find_workload(name).title.casefold()
    except UsageError:
        return name.casefold()
