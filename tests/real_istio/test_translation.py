"""Our translation beside a real istiod's, for each pair of ``tests/embedded/mesh/pairs``.

What is compared: the names of everything; routes whole; of clusters, endpoints and listeners, that whatever
ours say the real one says too. What may differ is written down here, and why in
:mod:`labkit.embedded.mesh.translate.placement`.
"""

import re
import time

import pytest
import yaml

from labkit.embedded.mesh.pods import node_id
from labkit.embedded.mesh.translate import translate
from labkit.embedded.mesh.xds.types import Type

from ..embedded.mesh.conftest import Mesh, completed
from ..embedded.mesh.test_pairs import NAMES, PAIRS, manifests
from .conftest import KINDS
from .discovery import of_ours

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
PATIENCE = 15.0
OUR_OWN = re.compile(r"PassthroughCluster\|.*|virtualInbound|10\.42\.\d+\.\d+_\d+")
"""Clusters that stand for kube-proxy, and listeners where there is no capture by iptables."""
UNLIKE = re.compile(
    r"upstreamBindConfig|additionalAddresses|preserveExternalRequestId|loadAssignment|lbSubsetConfig|altStatName"
    r"|CDS inbound\|.*type|listenerFilters$|cluster-ip|labkit\.destination|set_filter_state|\[istio\.alpn\]"
    r"|[sS]dsConfig\.|filters\.(http|network)\.(rbac|ext_authz|jwt_authn)\]"
    r"|LDS inbound.*(maxGrpcTimeout|logFormat|metadataMatch|statPrefix)"
    # what counts and tells peers apart without Istio's own filters (``translate.telemetry``)
    r"|(BlackHole|Passthrough)Cluster\.metadata|labkit\.(peer|service)|istio\.(metadata_exchange|stats)\b"
    r"|access_loggers\.stats|accessLogOptions|logTypeFilter|upstreamConnectMode|maxEarlyDataBytes"
)
"""Fields, filters and chains that only ours have."""
INBOUND = re.compile(r"10\.42\.\d+\.\d+_\d+")
OF_SERVICE = re.compile(r"0\.0\.0\.0_\d+")
# istiod's guards stand in pairs of one name, and so are compared by themselves.
GUARDS = {
    f"envoy.filters.{layer}.{each}"
    for layer in ("http", "network")
    for each in ("rbac", "ext_authz", "jwt_authn")
}
SPELT_OUT = {"pathRedirect": ""}


@pytest.mark.parametrize("name", NAMES)
def test_pair(objects, control_planes, name):
    header, mesh = prepared(objects, name)
    istiod = control_planes.with_settings(mesh.settings)
    for wanted in header["show"]:
        proxy = mesh.proxy(wanted)
        ours = {kind: told(kind, resources) for kind, resources in by_type(translate(mesh.state, proxy))}
        found = differences(ours, lambda proxy=proxy: istiod.tells(node(proxy)))
        assert not found, "\n".join(found)


def prepared(objects, name):
    """The pair's header, and the mesh as the API server has it now."""
    head, _, text = (PAIRS / f"{name}.input.yaml").read_text().partition("\n---\n")
    header = yaml.safe_load(head)
    text = f"{text}\n---\n{manifests(header.get('apply', []))}".replace("127.42.", "10.42.")
    documents = completed(text, network="10.42.0")
    settings = {k: v for each in documents if each["kind"] == "Mesh" for k, v in each["spec"].items()}
    objects.replace_all(documents)
    return header, Mesh([one for kind in KINDS for one in objects.all_of(kind)], settings)


def by_type(snapshot):
    yield from zip((Type.CLUSTER, Type.ENDPOINT, Type.LISTENER, Type.ROUTE), snapshot._by_type(), strict=True)


def told(kind, resources):
    return {name: of_ours(kind, each) for name, each in resources.items()}


def node(proxy):
    metadata = {"NAME": proxy.name, "NAMESPACE": proxy.namespace, "CLUSTER_ID": "Kubernetes"}
    metadata |= {"ISTIO_VERSION": "1.30.3", "INSTANCE_IPS": proxy.pod_ip, "LABELS": dict(proxy.labels)}
    name = node_id(proxy.kind, proxy.pod_ip, proxy.name, proxy.namespace)
    app = proxy.labels.get("app") or proxy.labels.get("app.kubernetes.io/name") or "istio-proxy"
    return {"id": name, "cluster": f"{app}.{proxy.namespace}", "metadata": metadata}


def differences(ours, ask):
    """What differs, once istiod has noticed the objects; a last look after :data:`PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while found := list(compared(ours, ask())):
        if time.monotonic() > deadline:
            return found
    return []


def compared(ours, theirs):
    yield from inbound_compared(ours[Type.LISTENER], theirs[Type.LISTENER])
    for kind in ours:
        mine = {name: each for name, each in ours[kind].items() if not OUR_OWN.fullmatch(name)}
        real = {name: each for name, each in theirs[kind].items() if not OUR_OWN.fullmatch(name)}
        yield from (f"{kind.service}: only ours has {name}" for name in sorted(mine.keys() - real.keys()))
        yield from (f"{kind.service}: only istiod has {name}" for name in sorted(real.keys() - mine.keys()))
        for name in sorted(mine.keys() & real.keys()):
            path = f"{kind.service} {name}"
            if kind is Type.ROUTE:
                yield from unequal(plain(mine[name]), plain(real[name]), path)
            elif name != "InboundPassthroughCluster":
                yield from missing(mine[name], real[name], path)
                if kind is Type.LISTENER:
                    yield from guards_compared(mine[name], real[name], path)


def inbound_compared(ours, theirs):
    """Chain by chain: where ours has a listener for a port, istiod has chains of ``virtualInbound``."""
    chains = theirs.get("virtualInbound", {}).get("filterChains", [])
    known = {f"0.0.0.0_{name.rpartition('_')[2]}" for name in ours if INBOUND.fullmatch(name)}
    of_services = {each.get("name", "") for each in chains if OF_SERVICE.fullmatch(each.get("name", ""))}
    yield from (f"LDS inbound: only istiod has {each}" for each in sorted(of_services - known))
    real = [chain_of(each) for each in chains]
    for name, listener in ours.items():
        comes_in = INBOUND.fullmatch(name) and listener.get("trafficDirection") == "INBOUND"
        port = int(name.rpartition("_")[2]) if comes_in else 0
        for chain in listener["filterChains"] if port else []:
            match = chain.get("filterChainMatch", {})
            path = f"LDS inbound {port} {match}"
            key = chain.get("name"), plain_match(match | {"destinationPort": port})
            others = [each for mark, each in real if mark in (key, (chain.get("name"), plain_match(match)))]
            if not others:
                yield f"{path}: istiod has no such chain"
                continue
            theirs_alone = {key: each for key, each in others[0].items() if key != "filterChainMatch"}
            ours_alone = {key: each for key, each in chain.items() if key in ("name", "filters")}
            yield from missing(ours_alone, theirs_alone, path)
            yield from guards_compared({"filterChains": [chain]}, {"filterChains": others[:1]}, path)


def chain_of(chain):
    return (chain.get("name"), plain_match(chain.get("filterChainMatch", {}))), chain


def plain_match(match):
    """*match*, without the spelling of HTTP that only ours knows."""
    names = [each for each in match.get("applicationProtocols", []) if "HTTP" not in each]
    return str(sorted({**match, "applicationProtocols": names}.items()))


def guards_compared(ours, theirs, path):
    """Who is let in, to the letter: the filters that say so, in their order."""
    for mine, real in zip(ours.get("filterChains", []), theirs.get("filterChains", []), strict=False):
        yield from unequal(list(guards(mine)), list(guards(real)), f"{path} guards")


def guards(chain):
    for each in chain["filters"]:
        config = each.get("typedConfig", {})
        if each["name"] in GUARDS and "cluster-ip" not in str(config):
            yield {"name": each["name"], "typedConfig": config}
        yield from (inner for inner in config.get("httpFilters", []) if inner["name"] in GUARDS)


def plain(value):
    """*value* without our own routes, and without what istiod only spells out."""
    if isinstance(value, dict):
        kept = {key: plain(each) for key, each in value.items() if (key, each) not in SPELT_OUT.items()}
        if "retryOn" in kept:
            kept["retryOn"] = kept["retryOn"].removeprefix(",")
        return kept
    if isinstance(value, list):
        found = [plain(each) for each in value if not _is_kube_proxys(each)]
        return sorted(found, key=str) if found and all(_is_parameter(each) for each in found) else found
    return value


def _is_kube_proxys(route):
    return isinstance(route, dict) and "labkit.destination" in str(route.get("match"))


def _is_parameter(value):
    return isinstance(value, dict) and value.keys() <= {"name", "stringMatch", "presentMatch"}


def unequal(ours, theirs, path):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from unequal(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from unequal(one, other, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: ours {ours!r}, istiod's {theirs!r}"


def missing(ours, theirs, path):
    """What ours says and istiod's does not; things with names are compared by name."""
    if UNLIKE.search(path) or (path.startswith("LDS") and path.endswith("address")):
        return
    if path.endswith(".inlineString") and str(ours).endswith(str(theirs)):
        return  # ours begins with what shuts a script in
    if path.endswith(".metadata") and theirs is None and "istio" not in ours["filterMetadata"]:
        return  # it is for no service, and says that for our metrics alone
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours:
            yield from missing(ours[key], theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from _missing_items(ours, theirs, path)
    elif ours != theirs:
        yield f"{path}: ours {ours!r}, istiod's {theirs!r}"


def _missing_items(ours, theirs, path):
    if all(isinstance(each, dict) and "name" in each for each in ours + theirs):
        named = {each["name"]: each for each in theirs}
        if len(named) < len(theirs) == len(ours):  # as several access logs
            for one, other in zip(ours, theirs, strict=True):
                yield from missing(one, other, f"{path}[{one['name']}]")
            return
        for each in ours:
            yield from missing(each, named.get(each["name"]), f"{path}[{each['name']}]")
        return
    for number, one in enumerate(ours):
        yield from missing(one, theirs[number] if number < len(theirs) else None, f"{path}[{number}]")
