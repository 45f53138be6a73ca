"""Why a request takes another way than the step says: Gateways and VirtualServices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from labkit.kube.api.api import Obj
from labkit.kube.api.resources import DESTINATION_RULES, GATEWAYS, VIRTUAL_SERVICES
from labkit.kube.mesh.destinations import full_host
from labkit.kube.mesh.virtual_services import entries
from labkit.language import gettext
from labkit.release.finding import Calls, find_rule
from labkit.scenario import cast
from labkit.scenario.hints.look import Fault, Look, full

MESH = "mesh"


@dataclass(frozen=True)
class WantedGateway:
    """A Gateway of the scenario."""

    name: str
    namespace: str
    file: str
    proxy: cast.Workload
    host: str = "*"


@dataclass(frozen=True)
class WantedRule:
    """A VirtualService of the scenario."""

    name: str
    namespace: str
    file: str
    gateways: tuple[str, ...]
    host: str = "*"
    path: str = ""
    at_root: bool = True
    """Whether the path is rewritten to ``/``."""


def gateway_faults(look: Look, wanted: WantedGateway, step: int) -> Iterator[Fault]:
    """Why a Gateway opens no port for the requests in question."""
    found = look.find(GATEWAYS, wanted.namespace, wanted.name)
    if found is None:
        other = look.elsewhere(GATEWAYS, wanted.namespace, wanted.name)
        where = (
            gettext(" It is in {other}, and belongs to {namespace}.", other=other, namespace=wanted.namespace)
            if other
            else ""
        )
        yield Fault(
            gettext(
                "There is no Gateway {wanted} in {namespace}, so no port of the {title} is open for "
                "it.{where} Apply {file}.",
                wanted=wanted.name,
                namespace=wanted.namespace,
                title=wanted.proxy.title,
                where=where,
                file=wanted.file,
            ),
            step,
        )
        return
    yield from (
        Fault(gettext("{text} Apply {file} again.", text=text, file=wanted.file), step)
        for text in _gateway(look, found, wanted)
    )


def _gateway(look: Look, found: Obj, wanted: WantedGateway) -> Iterator[str]:
    selector = found["spec"].get("selector") or {}
    chosen = [pod["metadata"].get("labels") or {} for pod in look.pods(cast.SYSTEM, selector)]
    if wanted.proxy.app not in [labels.get("app") for labels in chosen]:
        pairs = ", ".join(f"{key}={value}" for key, value in selector.items()) or gettext("nothing")
        yield gettext(
            "The Gateway {wanted} selects {pairs}: the {title} has other labels.",
            wanted=wanted.name,
            pairs=pairs,
            title=wanted.proxy.title,
        )
    servers = found["spec"].get("servers") or []
    if not any(server["port"]["number"] == 80 for server in servers):
        ports = ", ".join(str(server["port"]["number"]) for server in servers) or gettext("none")
        yield gettext(
            "The Gateway {wanted} opens port {ports}, and requests come to 80.",
            wanted=wanted.name,
            ports=ports,
        )
    hosts = [host.rpartition("/")[2] for server in servers for host in server.get("hosts") or []]
    if not any(covers(host, wanted.host) for host in hosts):
        yield gettext(
            "The Gateway {wanted} takes requests for {hosts}, not for {host}.",
            wanted=wanted.name,
            hosts=", ".join(hosts),
            host=wanted.host,
        )


def covers(pattern: str, host: str) -> bool:
    """Whether a host of a rule or Gateway takes requests for *host*."""
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def rule_faults(look: Look, wanted: WantedRule, step: int) -> Iterator[Fault]:
    """Why a VirtualService does not lead the requests in question where they shall go."""
    named = look.find(VIRTUAL_SERVICES, wanted.namespace, wanted.name)
    found = named or _acting(look, wanted)
    if found is None:
        yield Fault(_no_rule(look, wanted), step, rule=wanted.name)
        return
    # One of another name was found by what it is about, and as the one that acts.
    reach, rivals = (_reach(named, wanted), _rivals(look, named, wanted)) if named else ((), ())
    for text in (*reach, *destination_troubles(look, found), *rivals):
        yield Fault(text, step, rule=wanted.name)


def purpose_faults(look: Look, rules: Iterable[WantedRule], step: int) -> Iterator[Fault]:
    """Rules that fail or delay requests on purpose."""
    for wanted in rules:
        found = look.find(VIRTUAL_SERVICES, wanted.namespace, wanted.name) or _acting(look, wanted)
        for text in _faults_on_purpose(found) if found else ():
            yield Fault(text, step, rule=wanted.name)


def _acting(look: Look, wanted: WantedRule) -> Obj | None:
    """The VirtualService that acts for calls to *wanted*'s host within the mesh, whatever it is called."""
    calls = Calls(wanted.host, wanted.namespace)
    rule = find_rule(look.api, calls) if MESH in wanted.gateways else None
    return rule.object if rule else None


def _no_rule(look: Look, wanted: WantedRule) -> str:
    other = look.elsewhere(VIRTUAL_SERVICES, wanted.namespace, wanted.name)
    where = (
        gettext(" It is in {other}, and belongs to {namespace}.", other=other, namespace=wanted.namespace)
        if other
        else ""
    )
    return gettext(
        "There is no VirtualService {wanted} in {namespace}.{where} Apply {file}.",
        wanted=wanted.name,
        namespace=wanted.namespace,
        where=where,
        file=wanted.file,
    )


def _reach(found: Obj, wanted: WantedRule) -> Iterator[str]:
    name, namespace = wanted.name, wanted.namespace
    gateways = [_gateway_name(one, namespace) for one in found["spec"].get("gateways") or [MESH]]
    for gateway in wanted.gateways:
        if gateway not in gateways:
            yield (
                gettext(
                    "{name} speaks for {gateways}, not for {gateway}: what comes that way knows no "
                    "route. Apply {file} again.",
                    name=name,
                    gateways=", ".join(gateways),
                    gateway=gateway,
                    file=wanted.file,
                )
            )
    hosts = [str(host) for host in found["spec"].get("hosts") or []]
    host = wanted.host if wanted.host == "*" else full(wanted.host, namespace)
    if not any(covers(one if one == "*" else full(one, namespace), host) for one in hosts):
        yield gettext(
            "{name} is about {hosts}, not about {host}. Apply {file} again.",
            name=name,
            hosts=", ".join(hosts),
            host=wanted.host,
            file=wanted.file,
        )
    if wanted.path:
        yield from _path(found, wanted)


def _gateway_name(gateway: str, namespace: str) -> str:
    """A gateway of the rule's own namespace by its bare name."""
    return gateway.removeprefix(f"{namespace}/")


def _path(found: Obj, wanted: WantedRule) -> Iterator[str]:
    fitting = [http for http in found["spec"].get("http") or [] if _takes(http, wanted.path)]
    if not fitting:
        paths = ", ".join(_paths(found)) or gettext("no path")
        yield (
            gettext(
                "{wanted} has a rule for {paths}, and none for {path}. Apply {file} again; paths are "
                "compared letter by letter.",
                wanted=wanted.name,
                paths=paths,
                path=wanted.path,
                file=wanted.file,
            )
        )
    elif wanted.at_root and (fitting[0].get("rewrite") or {}).get("uri") != "/":
        yield gettext(
            "{wanted} does not rewrite {path} to /, the only path the service knows.",
            wanted=wanted.name,
            path=wanted.path,
        )


def _takes(http: Obj, path: str) -> bool:
    matches = [match.get("uri") or {} for match in http.get("match") or [{}]]
    return any(
        not uri or uri.get("exact") == path or path.startswith(uri.get("prefix", "\0")) for uri in matches
    )


def _paths(found: Obj) -> list[str]:
    matches = [match for http in found["spec"].get("http") or [] for match in http.get("match") or []]
    return [str(path) for match in matches for path in (match.get("uri") or {}).values()]


def destination_troubles(look: Look, found: Obj) -> Iterator[str]:
    """Destinations of *found* that lead nowhere."""
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    for destination in _all_destinations(found):
        host = full(destination["host"], namespace)
        port = (destination.get("port") or {}).get("number")
        if host not in look.hosts:
            yield gettext(
                "{name} sends to {host}, a host the mesh does not know.{meant}",
                name=name,
                host=destination["host"],
                meant=_meant(look, host),
            )
        elif port and port not in look.hosts[host]:
            known = ", ".join(map(str, look.hosts[host]))
            yield gettext(
                "{name} sends to port {port} of {host}, which has {known}.",
                name=name,
                port=port,
                host=destination["host"],
                known=known,
            )


def subset_troubles(look: Look, rule: Obj) -> Iterator[str]:
    """Subsets that *rule* names and no DestinationRule has: its proxies know nobody there."""
    namespace = rule["metadata"]["namespace"]
    known = {
        (full_host(str(one["spec"].get("host")), one["metadata"]["namespace"]), subset["name"])
        for one in look.all(DESTINATION_RULES)
        for subset in one["spec"].get("subsets") or []
    }
    for route in (route for http in entries(rule) for route in http.get("route") or []):
        host, subset = str(route["destination"].get("host")), route["destination"].get("subset")
        if subset and (full_host(host, namespace), subset) not in known:
            yield gettext(
                "{name} sends to `subset` {subset} of {host}, which no DestinationRule has: take "
                "`subset` out, or make the DestinationRule.",
                name=rule["metadata"]["name"],
                subset=subset,
                host=host,
            )


def _all_destinations(found: Obj) -> list[dict[str, Any]]:
    https = found["spec"].get("http") or []
    return [route["destination"] for http in https for route in http.get("route") or []]


def _meant(look: Look, host: str) -> str:
    short = host.partition(".")[0]
    same = [known for known in look.hosts if known.partition(".")[0] == short]
    return (
        gettext(" There is {same}: check the namespace in the name.", same=same[0])
        if same
        else gettext(" Is its Service applied?")
    )


def _faults_on_purpose(found: Obj) -> Iterator[str]:
    for http in found["spec"].get("http") or []:
        for kind, what in (http.get("fault") or {}).items():
            status = (
                gettext(" with status {status}", status=what["httpStatus"]) if "httpStatus" in what else ""
            )
            doing = gettext("aborts requests itself") if kind == "abort" else gettext("holds requests back")
            yield gettext(
                "{name} {doing}{status}: it has `fault.{kind}`. Take that out.",
                name=found["metadata"]["name"],
                doing=doing,
                status=status,
                kind=kind,
            )


def _rivals(look: Look, found: Obj, wanted: WantedRule) -> Iterator[str]:
    """Older rules for the same host and way, which win; at a gateway those for the same path."""
    for rule in look.rules:
        if rule["metadata"]["uid"] == found["metadata"]["uid"]:
            return
        if _speaks_for(rule, wanted) and (not wanted.path or _takes_first(rule, wanted.path)):
            name = rule["metadata"]["name"]
            yield (
                gettext(
                    "{name} is about the same requests and older than {wanted}, so it wins: `kubectl "
                    "delete virtualservice {name} -n {namespace}`.",
                    name=name,
                    wanted=wanted.name,
                    namespace=rule["metadata"]["namespace"],
                )
            )


def _takes_first(rule: Obj, path: str) -> bool:
    return any(_takes(http, path) for http in rule["spec"].get("http") or [])


def _speaks_for(rule: Obj, wanted: WantedRule) -> bool:
    namespace = rule["metadata"]["namespace"]
    gateways = rule["spec"].get("gateways") or [MESH]
    hosts = [host if host == "*" else full(host, namespace) for host in rule["spec"].get("hosts") or []]
    host = wanted.host if wanted.host == "*" else full(wanted.host, wanted.namespace)
    at_a_gateway = MESH not in wanted.gateways and any(gateway != MESH for gateway in gateways)
    return host in hosts and (at_a_gateway or (MESH in wanted.gateways and MESH in gateways))


def legs_faults(look: Look, wanted: WantedRule, step: int) -> Iterator[Fault]:
    """Whether a call takes both legs: from the sidecar to the egress gateway, and on to its host."""
    found = look.find(VIRTUAL_SERVICES, wanted.namespace, wanted.name)
    if found is None:
        return
    for gateway, host, leg in (
        (MESH, cast.EGRESS.hosts[0], gettext("from sidecars to the egress gateway")),
        (cast.EGRESS.name, cast.INGRESS.hosts[0], gettext("from the egress gateway to the host itself")),
    ):
        if not any(_leads(http, gateway, host) for http in found["spec"].get("http") or []):
            yield Fault(
                gettext(
                    "{wanted} lacks the leg {leg}. Apply {file} again.",
                    wanted=wanted.name,
                    leg=leg,
                    file=wanted.file,
                ),
                step,
                rule=wanted.name,
            )


def _leads(http: Obj, gateway: str, host: str) -> bool:
    matches = http.get("match") or [{}]
    concerned = any(gateway in (match.get("gateways") or [gateway]) for match in matches)
    hosts = [route["destination"]["host"].partition(".")[0] for route in http.get("route") or []]
    return concerned and host in hosts
