"""Why a request from outside does not come where a rule of the learner's own shall lead it.

A learner's rule has whatever name they gave it, so it is found by what it speaks of: the path or the host
in question, or one that looks like it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from labkit.kube.api.api import Obj
from labkit.kube.api.resources import GATEWAYS
from labkit.kube.mesh.destinations import full_host
from labkit.kube.mesh.virtual_services import entries
from labkit.language import gettext
from labkit.scenario.cast import Workload
from labkit.scenario.hints.look import Look, alike, changed_at
from labkit.scenario.hints.routing import MESH, covers, destination_troubles

ANY = "*"
_OF_ANY_REQUEST = ("uri", "ignoreUriCase", "name", "gateways", "port")
"""Fields of a match that ask for nothing more than a path, here."""


@dataclass(frozen=True)
class Door:
    """Requests from outside that shall be let in, and where they shall come."""

    host: str
    """Which they are for; ``*`` for any."""
    path: str
    gateway: str
    """The Gateway that takes them, and a rule is to name."""
    namespace: str
    """Where that Gateway is, and *target*."""
    target: Workload
    word: str
    """What a rule for them speaks of: the path or the host."""


def door_troubles(look: Look, door: Door, nothing_yet: str) -> Iterator[str]:
    """Why no request comes in by *door*; nothing where, as far as can be seen, it does.

    nothing_yet: what is said where no rule speaks of it.
    """
    meant = [rule for rule in rules_of_learner(look) if _speaks_of(rule, door) or _lets_in(rule, door)]
    troubles = {rule["metadata"]["uid"]: list(_troubles(look, rule, door)) for rule in meant}
    if not meant:
        yield nothing_yet
    elif all(troubles.values()):
        # The one that was changed last is the one somebody works on.
        yield from troubles[max(meant, key=changed_at)["metadata"]["uid"]]


def rules_of_learner(look: Look) -> list[Obj]:
    """Every VirtualService among which the learner's own are, the oldest first."""
    places = look.learner.places(look.api)
    return [rule for rule in look.rules if places == ("",) or rule["metadata"]["namespace"] in places]


def _lets_in(rule: Obj, door: Door) -> bool:
    hosts = rule["spec"].get("hosts") or []
    return bool(_gateways(rule) and _entry(rule, door.path) and any(covers(str(h), door.host) for h in hosts))


def takers(look: Look, host: str, path: str) -> list[str]:
    """Rules that let requests for *host* (``*``: any) and *path* in from outside: ``name in namespace``."""
    found = [
        rule["metadata"]
        for rule in rules_of_learner(look)
        if _gateways(rule) and host in (rule["spec"].get("hosts") or []) and _entry(rule, path)
    ]
    return [gettext("{name} in {namespace}", name=one["name"], namespace=one["namespace"]) for one in found]


def _speaks_of(rule: Obj, door: Door) -> bool:
    words = _paths(rule) if door.word == door.path else [str(one) for one in rule["spec"].get("hosts") or []]
    return any(alike(word, door.word) for word in words)


# ------------------------------------------------------------------------------------------- one rule


def _troubles(look: Look, rule: Obj, door: Door) -> Iterator[str]:
    """Why *rule* does not do what it is meant for, in the order in which a request would meet it."""
    yield from _way_in(look, rule, door)
    yield from _hosts(rule, door)
    entry = _entry(rule, door.path)
    if entry is None:
        yield gettext(
            "{name} takes {paths}, and the request is for {path}: paths are compared letter by letter.",
            name=rule["metadata"]["name"],
            paths=", ".join(_paths(rule)) or gettext("no path"),
            path=door.path,
        )
        return
    yield from _conditions(rule, entry, door)
    yield from _rewriting(rule, entry, door)
    yield from _target(look, rule, entry, door)
    yield from _taken_before(look, rule, door)


def _gateways(rule: Obj) -> list[str]:
    """The Gateways that *rule* names, as ``namespace/name``."""
    namespace = rule["metadata"]["namespace"]
    named = [str(one) for one in rule["spec"].get("gateways") or [MESH] if one != MESH]
    return [one if "/" in one else f"{namespace}/{one}" for one in named]


def _way_in(look: Look, rule: Obj, door: Door) -> Iterator[str]:
    name, namespace = rule["metadata"]["name"], rule["metadata"]["namespace"]
    named, needed = _gateways(rule), f"{door.namespace}/{door.gateway}"
    if not named:
        yield gettext(
            "{name} speaks for the sidecars inside (`mesh`, as a rule without `gateways` does), and these "
            "requests come from outside. Write `gateways: [{needed}]` into it.",
            name=name,
            needed=door.gateway if namespace == door.namespace else needed,
        )
    elif not any(look.find(GATEWAYS, *one.split("/", 1)) for one in named):
        yield gettext(
            "{name} is in the namespace {namespace} and names the Gateway {named}, which is not there. The "
            "Gateway that takes these requests is {needed}: {cure}",
            name=name,
            namespace=namespace,
            named=", ".join(named),
            needed=needed,
            cure=gettext("write its name under `gateways`.")
            if namespace == door.namespace
            else gettext(
                "delete the rule (`kubectl delete virtualservice {name} -n {namespace}`) and apply it "
                "with `-n {right}`.",
                name=name,
                namespace=namespace,
                right=door.namespace,
            ),
        )


def _hosts(rule: Obj, door: Door) -> Iterator[str]:
    hosts = [str(host) for host in rule["spec"].get("hosts") or []]
    if any(covers(host, door.host) for host in hosts):
        return
    wanted = gettext("any host") if door.host == ANY else door.host
    yield gettext(
        "{name} is about {hosts}, and these requests are for {wanted}: write `{host}` under `hosts`, "
        "letter by letter.",
        name=rule["metadata"]["name"],
        hosts=", ".join(hosts),
        wanted=wanted,
        host=door.host,
    )


def _conditions(rule: Obj, entry: Obj, door: Door) -> Iterator[str]:
    fitting = [match for match in entry.get("match") or [{}] if _fits(match, door.path)]
    more = [{key for key in match if key not in _OF_ANY_REQUEST} for match in fitting]
    if all(more):
        yield gettext(
            "{name} takes {path} only where more fits: {more}. What stands in one entry under `match` must "
            "fit together; take it out.",
            name=rule["metadata"]["name"],
            path=door.path,
            more=", ".join(sorted(more[0])),
        )


def _rewriting(rule: Obj, entry: Obj, door: Door) -> Iterator[str]:
    name, uri = rule["metadata"]["name"], (entry.get("rewrite") or {}).get("uri")
    how = next(match.get("uri") or {} for match in entry.get("match") or [{}] if _fits(match, door.path))
    if uri is not None and how.get("prefix", door.path) != door.path:
        yield gettext(
            "{name} takes {path} by `prefix: {prefix}`, and `rewrite` puts {uri} in the place of that prefix "
            "alone, so {target} is asked for a path it does not know. Write `exact: {path}`.",
            name=name,
            path=door.path,
            prefix=how["prefix"],
            uri=uri,
            target=door.target.title,
        )
    elif uri is None and door.path != "/":
        yield gettext(
            "{name} lets {path} in and does not rewrite it to /, the only path {target} knows: add "
            "`rewrite` with `uri: /` to the rule.",
            name=name,
            path=door.path,
            target=door.target.title,
        )
    elif uri not in (None, "/"):
        yield gettext(
            "{name} rewrites {path} to {uri}, and / is the only path {target} knows.",
            name=name,
            path=door.path,
            uri=uri,
            target=door.target.title,
        )


def _target(look: Look, rule: Obj, entry: Obj, door: Door) -> Iterator[str]:
    name, namespace = rule["metadata"]["name"], rule["metadata"]["namespace"]
    for answer in ("redirect", "directResponse"):
        if answer in entry:
            yield gettext(
                "{name} answers {path} itself (`{answer}`): a `route` is needed.",
                name=name,
                path=door.path,
                answer=answer,
            )
            return
    lost = list(destination_troubles(look, rule))
    yield from lost
    hosts = [str(one["destination"].get("host")) for one in entry.get("route") or []]
    right = f"{door.target.hosts[0]}.{door.namespace}"
    others = [host for host in hosts if full_host(host, namespace) != right]
    if others and not lost:
        yield gettext(
            "{name} sends {path} to {others}, and the host of {target} is {right}.",
            name=name,
            path=door.path,
            others=", ".join(others),
            target=door.target.title,
            right=door.target.hosts[0] if namespace == door.namespace else right,
        )


def _taken_before(look: Look, rule: Obj, door: Door) -> Iterator[str]:
    """Older rules for the same hosts at a gateway that take the request first."""
    hosts = set(rule["spec"].get("hosts") or [])
    for older in rules_of_learner(look):
        if older["metadata"]["uid"] == rule["metadata"]["uid"]:
            return
        if hosts & set(older["spec"].get("hosts") or []) and _gateways(older) and _entry(older, door.path):
            yield gettext(
                "{older} in {namespace} is older than {name} and takes {path} first. Change that one, or "
                "delete it.",
                older=older["metadata"]["name"],
                namespace=older["metadata"]["namespace"],
                name=rule["metadata"]["name"],
                path=door.path,
            )


# ---------------------------------------------------------------------------------------------- paths


def _entry(rule: Obj, path: str) -> Obj | None:
    """The entry of *rule* that takes *path*."""
    https = entries(rule)
    return next((http for http in https if any(_fits(m, path) for m in http.get("match") or [{}])), None)


def _fits(match: Obj, path: str) -> bool:
    uri = match.get("uri") or {}
    fold = str.casefold if match.get("ignoreUriCase") else str
    given = fold(path)
    if "exact" in uri:
        return given == fold(str(uri["exact"]))
    if "prefix" in uri:
        return given.startswith(fold(str(uri["prefix"])))
    return "regex" not in uri or _matches(str(uri["regex"]), path)


def _matches(pattern: str, path: str) -> bool:
    try:
        return re.fullmatch(pattern, path) is not None
    except re.error:  # RE2 knows some that Python does not
        return False


def _paths(rule: Obj) -> list[str]:
    matches = [match for http in entries(rule) for match in http.get("match") or []]
    return [str(path) for match in matches for path in (match.get("uri") or {}).values()]
