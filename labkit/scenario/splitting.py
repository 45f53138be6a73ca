"""The rule that a scenario splits traffic with, as the cluster has it, and names for its destinations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache, partial
from typing import Any

import pandas as pd

from labkit.errors import UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import PODS
from labkit.kube.mesh.destinations import Destination
from labkit.language import gettext
from labkit.release.attribution import ByAnswer, ByLog
from labkit.release.finding import Calls, find_rule
from labkit.release.health import number_of
from labkit.release.held import Held, held, unique
from labkit.release.rule import Rule
from labkit.release.sessions import sessions
from labkit.scenario.cast import Workload
from labkit.scenario.data import Scenario
from labkit.scenario.learner import Learner
from labkit.traffic.journal import Journal
from labkit.traffic.split import Split, outbound_clusters, split, split_counts


def the_rule(
    scenario: Scenario,
    api: Api,
    namespace: str,
    places: Collection[str] = (),
    *,
    headers: Mapping[str, str] | None = None,
) -> Rule | None:
    """The rule for calls from *namespace* to the host whose requests the scenario shares out, whatever it is
    called and wherever it lives; None where none leads anywhere.

    places: where it may live, for who may not look everywhere.
    """
    sharing = scenario.shared()
    app = scenario.find_workload(sharing.caller).app
    labels = cache(partial(_callers_labels, api, namespace, app))
    calls = Calls(sharing.host, namespace, sharing.port, headers or {}, labels)
    found = find_rule(api, calls, places=places)
    return found if found and found.destinations else None


def _callers_labels(api: Api, namespace: str, app: str) -> dict[str, str]:
    """What the labels of the caller's pods have in common; its own one where there are none."""
    pods = api.items(PODS.path(namespace), labelSelector=f"app={app}")
    each = [(pod["metadata"].get("labels") or {}).items() for pod in pods]
    return dict(set.intersection(*map(set, each))) if each else {"app": app}


def needed_rule(
    scenario: Scenario,
    api: Api,
    namespace: str,
    places: Collection[str] = (),
    *,
    headers: Mapping[str, str] | None = None,
) -> Rule:
    """As :func:`the_rule`; UsageError where there is none."""
    found = the_rule(scenario, api, namespace, places, headers=headers)
    if found is None:
        raise UsageError(
            gettext(
                "Nothing is split yet, so nothing can be shifted: lab.goto({step}) brings you there.",
                step=scenario.shared().step,
            )
        )
    return found


def names_of(scenario: Scenario, rule: Rule, *more: Destination) -> dict[Destination, str]:
    """What each destination of *rule*, and *more* behind them, is called: as the scenario calls its host,
    with the subset if any; no two the same."""
    each = list(dict.fromkeys([*rule.destinations, *more]))
    return dict(zip(each, unique([(name_of(scenario, one), one) for one in each]), strict=True))


def name_of(scenario: Scenario, destination: Destination) -> str:
    """``Catalogue``, ``Catalogue v2``; another's host as it is."""
    title = scenario.titles.get(destination.host.partition(".")[0], destination.host)
    return f"{title} {destination.subset}".rstrip()


def weights_of(scenario: Scenario, rule: Rule) -> dict[str, float]:
    """The weights just as the rule has them, by name."""
    names = names_of(scenario, rule)
    found = dict.fromkeys(names.values(), 0.0)
    for destination, weight in zip(rule.destinations, rule.weights, strict=True):
        found[names[destination]] += weight
    return found


def held_rule(
    scenario: Scenario,
    api: Api,
    namespace: str,
    places: Collection[str] = (),
    *,
    headers: Mapping[str, str] | None = None,
) -> Held | None:
    """The rule with a name for each destination, as :func:`the_rule`.

    One with a single destination that shares with others has these beside it, without any weight.
    """
    rule = the_rule(scenario, api, namespace, places, headers=headers)
    if rule is None:
        return None
    wide, shared = rule, scenario.shared().between
    if len(rule.destinations) == 1 and (alone := name_of(scenario, rule.destinations[0])) in shared:
        for name in shared:
            if name != alone:
                wide = wide.joined_by(_sharer(scenario, name, rule.namespace, namespace))
    return held(wide, names_of(scenario, wide), first=shared)


def who_answers(scenario: Scenario, held: Held) -> ByAnswer | None:
    """Tells the destinations apart by what answers say; None where answers can't tell."""
    greeting = {one.title: one.greets for one in scenario.cast if one.greets}
    titles = [name_of(scenario, Destination(one.host)) for one in held.destinations.values()]
    named = {title: name for title, name in zip(titles, held.names, strict=True) if title in greeting}
    if len(named) < len(held.names):
        return None
    return ByAnswer({who: name for title, name in named.items() for who in (title, greeting[title])})


def destination_called(
    scenario: Scenario, rule: Rule, name: str, home: str = ""
) -> tuple[Destination, Obj | None]:
    """The destination of *rule* called *name*; one that may join it, as a VirtualService writes it.

    home: where the services are, by default where the rule is. Raises UsageError for what is neither, or
    could be several.
    """
    names, wanted = names_of(scenario, rule), _wanted(scenario, name)
    found = [one for one, title in names.items() if wanted == title.casefold()]
    found = found or [one for one in names if wanted in _called(scenario, one)]
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
    shared = scenario.shared().between
    for title in shared:
        if wanted == title.casefold():
            new = _sharer(scenario, title, rule.namespace, home or rule.namespace)
            return Destination.of(new, rule.namespace), new
    known = {*names.values(), *shared}
    names_known = gettext(" or ").join(sorted(known))
    raise UsageError(
        gettext("{name} has no share of this traffic; choose {known}.", name=name, known=names_known)
    )


def destination_of(api: Api, namespace: str, name: str, learner: Learner) -> Destination:
    """The destination called *name*: of the rule, or, where there is none, *learner*'s workload of that name.

    Raises UsageError for what is neither.
    """
    rule = the_rule(learner.scenario, api, namespace, learner.namespaces)
    if rule is not None:
        return destination_called(learner.scenario, rule, name, namespace)[0]
    found = learner.workload(name)
    port = learner.scenario.shared().port
    written = _as_written(found, found.namespace, found.namespace, port)
    return Destination.of(written, found.namespace)


def _called(scenario: Scenario, one: Destination) -> set[str]:
    """What people may call a destination: its subset, its Service, its host however much of it."""
    short, _, namespace = one.host.partition(".")
    hosts = {short, one.host, *(f"{one.host}.{end}" for end in ("svc", "svc.cluster.local") if namespace)}
    title = scenario.titles.get(short, short)
    return {each.casefold() for each in (*hosts, one.subset, title) if each}


# ------------------------------------------------------------------------------------------ who got it


def by_title(scenario: Scenario, answers: pd.DataFrame) -> pd.DataFrame:
    """*answers*, those who answered called by their titles where they greet under another name."""
    others = {one.greets: one.title for one in scenario.cast if one.greets not in ("", one.title)}
    if others:
        answers["service"] = answers["service"].cat.rename_categories(others)
    return answers


def shared_out(
    scenario: Scenario,
    frame: pd.DataFrame,
    rule: Rule | None,
    journal: Journal,
    weights: Mapping[str, float] | None = None,
) -> Split:
    """How the requests of *frame* (answers, or an access log) were shared out among the destinations of
    *rule*, under the names that the panel shows; against *weights*, by default the rule's own.

    Answers that failed belong to none of them; a log says where each request was sent.
    """
    if rule is None:
        return split(frame, weights, names=scenario.titles)
    if weights is None:
        asked = weights_of(scenario, rule)
        weights = asked if any(asked.values()) else None
    who = (
        _by_answers(scenario, frame, rule, journal)
        if "service" in frame
        else _by_cluster(scenario, frame, rule)
    )
    counts = {str(name): int(count) for name, count in who.value_counts().items()}
    return split_counts(counts, weights, left_out=len(who) - sum(counts.values()))


def sessions_of(scenario: Scenario, api: Api, rule: Rule, caller: str) -> str:
    """As :func:`labkit.release.sessions.sessions`, of the destinations of *rule*."""
    return sessions(api, {name: one for one, name in names_of(scenario, rule).items()}, caller)


def _by_answers(scenario: Scenario, answers: pd.DataFrame, rule: Rule, journal: Journal) -> pd.Series[Any]:
    held_now = held(rule, names_of(scenario, rule))
    tell = who_answers(scenario, held_now) or ByLog(journal, held_now.destinations)
    told = tell(answers)
    # Whom the rule does not name may have answered all the same: before it was changed, or by another one.
    greet = [one for one in scenario.cast if one.greets]
    titles = {who: one.title for one in greet for who in (one.greets, one.title)}
    others = [titles.get(name) for name in answers["service"].astype("object")]
    names = [None if one.failed else one.name or other for one, other in zip(told, others, strict=True)]
    return pd.Series(names, index=answers.index, dtype="object")


def _by_cluster(scenario: Scenario, log: pd.DataFrame, rule: Rule) -> pd.Series[Any]:
    clusters = outbound_clusters(log)
    led_to = {one: Destination.of_cluster(one) for one in map(str, clusters.dropna().unique())}
    mine = {one: number_of(one, rule.destinations) for one in led_to}
    places = {
        one: rule.destinations[number] if (number := mine[one]) is not None else place
        for one, place in led_to.items()
        if place
    }
    names = names_of(scenario, rule, *places.values())
    return clusters.map({one: names[places[one]] if one in places else one for one in led_to})


def _sharer(scenario: Scenario, name: str, namespace: str, home: str) -> Obj:
    """The ``destination`` in a VirtualService of *namespace* for one of those who share, in *home*."""
    workload = max(
        (one for one in scenario.cast if name == one.title or name.startswith(f"{one.title} ")),
        key=lambda one: len(one.title),
    )
    written = _as_written(workload, namespace, home, scenario.shared().port)
    subset = name[len(workload.title) :].strip()
    return {**written, "subset": subset} if subset else written


def _as_written(workload: Workload, namespace: str, home: str, port: int) -> Obj:
    """The ``destination`` of a VirtualService in *namespace* that leads to *workload* in *home*."""
    host = workload.hosts[0]
    return {
        "host": host if namespace == home else f"{host}.{home}.svc.cluster.local",
        "port": {"number": port},
    }


def _wanted(scenario: Scenario, name: str) -> str:
    """*name* as a workload's title, where it is one of its names."""
    try:
        return scenario.find_workload(name).title.casefold()
    except UsageError:
        return name.casefold()
