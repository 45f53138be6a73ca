"""Every field that the schema of a translated kind has is read, or told to be without effect, or refused.

Nothing here lists fields. Each one of the schema is set, in one base object after the other, to values that
are usual for its name, until what the proxies would be told, or what the webhook says, changes with it.
"""

import copy
import itertools

import pytest
import yaml

from labkit.embedded.api.kinds import catalogue, metrics
from labkit.embedded.api.kinds.validation import validate
from labkit.embedded.api.types.schemas import shipped
from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import node_id
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.resources import WATCHED
from labkit.embedded.mesh.translate import translate
from labkit.embedded.mesh.validation import admission
from labkit.embedded.status import ApiError

from ...fuzz import istio_objects as fuzzed
from . import policies

REGISTRY = catalogue.registry()
RESOURCES = {kind: f"{plural}.networking.istio.io" for kind, plural in fuzzed.KINDS.items()}
RESOURCES |= {each.kind: name for name, each in REGISTRY.items() if each.kind in policies.GROUPS}
VERSIONS = fuzzed.API_VERSIONS | {kind: f"{group}.istio.io/v1" for kind, group in policies.GROUPS.items()}
SCHEMAS = fuzzed.SCHEMAS | {
    kind: shipped(f"{group}.istio.io/{kind}")["properties"]["spec"] for kind, group in policies.GROUPS.items()
}
SETTINGS = MeshConfig.parse(policies.SETTINGS)

NAMESPACE = "default"
_PATCH = """
  - applyTo: HTTP_FILTER
    patch:
      operation: INSERT_BEFORE
      value:
        name: faults
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
          abort: {http_status: 503}
"""
WORLD = """
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.example]
  ports:
  - {number: 80, name: http, protocol: HTTP}
  - {number: 443, name: tls, protocol: TLS}
  resolution: STATIC
  endpoints:
  - {address: 192.0.2.1, labels: {version: v1}, locality: b}
  - {address: 192.0.2.4, labels: {version: v1}}
---
kind: ServiceEntry
metadata: {name: tcp}
spec:
  hosts: [tcp.example]
  addresses: [192.0.2.99]
  ports: [{number: 9000, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.3}]
---
kind: Gateway
metadata: {name: way-in}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {hosts: ['*'], port: {number: 80, name: http, protocol: HTTP}}
  - {hosts: ['*'], port: {number: 9000, name: tcp, protocol: TCP}}
  - {hosts: ['*'], port: {number: 443, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH}}
---
kind: VirtualService
metadata: {name: bound}
spec:
  hosts: ['*']
  gateways: [it]
  http: [{route: [{destination: {host: a.example}}]}]
  tcp: [{route: [{destination: {host: a.example}}]}]
  tls: [{match: [{sniHosts: ['*']}], route: [{destination: {host: a.example}}]}]
---
kind: VirtualService
metadata: {name: to-a-subset}
spec:
  hosts: [subset.example]
  http: [{route: [{destination: {host: a.example, subset: v1}}]}]
---
kind: DestinationRule
metadata: {name: c}
spec:
  host: c.example
  subsets: [{name: v1, labels: {app: a}}]
---
kind: VirtualService
metadata: {name: delegate}
spec:
  http: [{match: [{uri: {prefix: /}}], route: [{destination: {host: a.example}}]}]
---
kind: EnvoyFilter
metadata: {name: another}
spec:
  priority: 1
  configPatches:
""" + _PATCH.replace("name: faults", "name: other-faults")
_HTTP = "{name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}"
ENVOY_FILTERS = f"""
configPatches: {_PATCH}
---
workloadSelector: {{labels: {{app: a}}}}
configPatches: {_PATCH}
    match: {{context: SIDECAR_INBOUND, listener: {{portNumber: 8080, filterChain: {{filter: {_HTTP}}}}}}}
---
configPatches:
- applyTo: HTTP_ROUTE
  match: {{context: SIDECAR_OUTBOUND, routeConfiguration: {{vhost: {{route: {{action: ANY}}}}}}}}
  patch: {{operation: MERGE, value: {{request_headers_to_remove: [a]}}}}
---
configPatches:
- applyTo: ROUTE_CONFIGURATION
  match: {{context: GATEWAY, routeConfiguration: {{portNumber: 80}}}}
  patch: {{operation: MERGE, value: {{request_headers_to_remove: [a]}}}}
---
configPatches:
- applyTo: CLUSTER
  match: {{cluster: {{service: a.example}}}}
  patch: {{operation: MERGE, value: {{connect_timeout: 3s}}}}
---
configPatches:
- applyTo: LISTENER_FILTER
  match: {{listener: {{listenerFilter: envoy.filters.listener.http_inspector}}}}
  patch: {{operation: REMOVE}}
"""
BASES = {
    "VirtualService": """
hosts: [a.example]
http: [{route: [{destination: {host: a.example}}]}]
---
hosts: [a.example]
http: [{route: [{destination: {host: a.example}, weight: 1}, {destination: {host: b.example}, weight: 1}]}]
---
hosts: [a.example]
http: [{match: [{uri: {prefix: /}}], mirror: {host: b.example}, route: [{destination: {host: a.example}}]}]
---
hosts: [a.example]
http:
- route: [{destination: {host: a.example}}]
  retries: {attempts: 1}
  corsPolicy: {allowOrigins: [{exact: a}]}
---
hosts: [a.example]
http:
- route: [{destination: {host: a.example}}]
  fault: {delay: {fixedDelay: 1s}, abort: {httpStatus: 503}}
---
hosts: [a.example]
http: [{redirect: {uri: /a}}]
---
hosts: [a.example]
http: [{directResponse: {status: 200}}]
---
hosts: [a.example]
http: [{delegate: {name: delegate}}]
---
hosts: [tcp.example]
tcp: [{route: [{destination: {host: a.example}}]}]
---
hosts: [tcp.example]
tcp: [{route: [{destination: {host: a.example}, weight: 1}, {destination: {host: b.example}, weight: 1}]}]
---
hosts: [a.example]
tls: [{match: [{sniHosts: [a.example]}], route: [{destination: {host: b.example}}]}]
---
hosts: [a.example]
tls:
- match: [{sniHosts: [a.example]}]
  route: [{destination: {host: a.example}, weight: 1}, {destination: {host: b.example}, weight: 1}]
""",
    "DestinationRule": """
host: a.example
subsets: [{name: v1, labels: {version: v1}}]
---
host: a.example
trafficPolicy: &policy
  connectionPool: {tcp: {connectTimeout: 1s}, http: {h2UpgradePolicy: UPGRADE}}
  outlierDetection: {splitExternalLocalOriginErrors: true}
  loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}
  portLevelSettings: &ports
  - port: {number: 80}
    connectionPool: {tcp: {connectTimeout: 1s}, http: {h2UpgradePolicy: UPGRADE}}
    outlierDetection: {splitExternalLocalOriginErrors: true}
    loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}
subsets: [{name: v1, trafficPolicy: *policy}]
---
host: a.example
trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]
---
host: a.example
trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 1s}}}}
subsets: [{name: v1, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 1s}}}}}]
---
host: a.example
trafficPolicy: &secret
  tls: {mode: SIMPLE}
  portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]
subsets: [{name: v1, trafficPolicy: *secret}]
---
host: a.example
trafficPolicy: &files
  tls: &pair {mode: MUTUAL, clientCertificate: a, privateKey: b}
  portLevelSettings: [{port: {number: 80}, tls: *pair}]
subsets: [{name: v1, trafficPolicy: *files}]
---
host: a.example
workloadSelector: {matchLabels: {app: a}}
trafficPolicy: &stored
  tls: &credential {mode: MUTUAL, credentialName: a}
  portLevelSettings: [{port: {number: 80}, tls: *credential}]
subsets: [{name: v1, trafficPolicy: *stored}]
---
host: a.example
trafficPolicy: &located
  outlierDetection: &ejects {consecutive5xxErrors: 1}
  loadBalancer: &far {localityLbSetting: {failover: [{from: x, to: b}]}}
  portLevelSettings: [{port: {number: 80}, outlierDetection: *ejects, loadBalancer: *far}]
subsets: [{name: v1, trafficPolicy: *located}]
---
host: a.example
trafficPolicy: &shared
  loadBalancer: &shares {localityLbSetting: {distribute: [{from: '*', to: {b: 100}}]}}
  portLevelSettings: [{port: {number: 80}, loadBalancer: *shares}]
subsets: [{name: v1, trafficPolicy: *shared}]
---
host: a.example
trafficPolicy: &hashed
  loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 1s}}}
  portLevelSettings:
  - {port: {number: 80}, loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 1s}}}}
subsets: [{name: v1, trafficPolicy: *hashed}]
""",
    "Gateway": """
selector: {istio: ingressgateway}
servers: [{hosts: ['*'], port: {number: 80, name: a, protocol: HTTP}}]
---
selector: {istio: ingressgateway}
servers:
- hosts: [a.example]
  port: {number: 443, name: a, protocol: HTTPS}
  tls: {mode: SIMPLE, credentialName: a}
---
selector: {istio: ingressgateway}
servers:
- hosts: [a.example]
  port: {number: 443, name: a, protocol: HTTPS}
  tls: {mode: SIMPLE, serverCertificate: a, privateKey: b}
---
selector: {istio: ingressgateway}
servers:
- hosts: [a.example]
  port: {number: 443, name: a, protocol: HTTPS}
  tls: {mode: MUTUAL, credentialName: a}
---
selector: {istio: ingressgateway}
servers:
- hosts: [a.example]
  port: {number: 443, name: a, protocol: HTTPS}
  tls: {mode: MUTUAL, serverCertificate: a, privateKey: b, caCertificates: c}
---
selector: {istio: ingressgateway}
servers:
- hosts: [a.example]
  port: {number: 443, name: a, protocol: HTTPS}
  tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: a, privateKey: b}]}
---
selector: {istio: ingressgateway}
servers: [{hosts: [a.example], port: {number: 443, name: a, protocol: TLS}, tls: {mode: PASSTHROUGH}}]
""",
    "ServiceEntry": """
hosts: [c.example]
ports: [{number: 80, name: a, protocol: HTTP}]
resolution: STATIC
endpoints: [{address: 192.0.2.1}, {address: 192.0.2.2}]
---
hosts: [c.example]
location: MESH_INTERNAL
ports: [{number: 80, name: a, protocol: HTTP}]
resolution: STATIC
endpoints: [{address: 192.0.2.1, serviceAccount: a}]
---
hosts: [c.example]
ports: [{number: 80, name: a, protocol: HTTP}]
resolution: DNS
---
hosts: [c.example]
ports: [{number: 80, name: a, protocol: TCP}]
resolution: NONE
addresses: [192.0.2.1]
""",
    "Sidecar": """
outboundTrafficPolicy: {mode: ALLOW_ANY}
---
workloadSelector: {labels: {app: a}}
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
---
ingress: [{port: {number: 8080, protocol: HTTP, name: a}, defaultEndpoint: '127.0.0.1:80'}]
inboundConnectionPool: {http: {idleTimeout: 1s}}
---
ingress:
- port: {number: 8080, protocol: GRPC, name: a}
  connectionPool: {tcp: {maxConnections: 1}}
- port: {number: 8081, protocol: GRPC, name: b}
inboundConnectionPool: {tcp: {maxConnections: 1}}
""",
    "EnvoyFilter": ENVOY_FILTERS,
    **policies.BASES,
}


def pods():
    labels = {"sidecar": {"app": "a"}, "router": {"istio": "ingressgateway"}}
    return [
        {"kind": "Pod", "metadata": {"name": kind, "namespace": NAMESPACE, "labels": each}, "spec": {}}
        for kind, each in labels.items()
    ]


PODS = pods()
PROXIES = [
    Proxy.from_node(node_id(kind, f"127.0.0.{number}", kind, NAMESPACE), {})
    for number, kind in enumerate(("sidecar", "router"), 1)
]
PROXIES.append(Proxy.from_node(node_id("sidecar", "127.0.0.9", "elsewhere", "other"), {}))


def world(kind):
    found = {"pods": PODS}
    more = f"\n---\n{policies.WORLD}" if kind in policies.GROUPS else ""
    for document in yaml.safe_load_all(WORLD + more):
        document["metadata"]["namespace"] = NAMESPACE
        found.setdefault(RESOURCES.get(document["kind"], "services"), []).append(document)
    return found


def outcome(kind, spec):
    """What becomes of it: whether it is taken; what is told about it, and to proxies."""
    resource = RESOURCES[kind]
    obj = {"kind": kind, "metadata": {"name": "it", "namespace": NAMESPACE}, "spec": spec}
    # Younger than what it meets, but for what claims the same hosts.
    objects = world(kind)
    obj["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    if validate({"apiVersion": VERSIONS[kind], **obj}, REGISTRY[resource], None):
        return None
    try:
        warnings = admission(AdmissionRequest("CREATE", resource, NAMESPACE, copy.deepcopy(obj), None, False))
    except ApiError:
        return None
    objects[resource] = [obj, *objects.get(resource, [])]
    state = MeshState(objects, mesh=SETTINGS if kind in policies.GROUPS else None)
    return warnings, [vars(translate(state, proxy)) for proxy in PROXIES]


def fields(schema, path=()):
    """Paths of all fields that hold values: names, ``0`` for a list's entries, ``*`` for a map's."""
    items, entries = schema.get("items") or {}, schema.get("additionalProperties") or {}
    if "properties" in schema:
        for name, each in schema["properties"].items():
            yield from fields(each, (*path, name))
    elif "properties" in items:
        yield from fields(items, (*path, 0))
    elif "properties" in entries:
        yield from fields(entries, (*path, "*"))
    else:
        yield path


def schema_at(schema, path):
    for part in path:
        if part == 0:
            schema = schema["items"]
        elif part == "*":
            schema = schema["additionalProperties"]
        else:
            schema = schema["properties"][part]
    return schema


def holder(spec, path):
    """The mapping in *spec* that holds the field *path*; made on the way where it is missing."""
    value = spec
    for part, following in itertools.pairwise(path):
        made = [{}] if following == 0 else {"x-a": {}} if following == "*" else {}
        if part == 0:
            value = value[0]
        elif part == "*":
            value = value[next(iter(value))]
        else:
            if not value.get(part):
                value[part] = made
            value = value[part]
    return value


MISSING = object()


def depth(spec, path):
    """How much of *path* there is in *spec*."""
    for number, part in enumerate(path):
        try:
            spec = spec[part]
        except (KeyError, IndexError, TypeError):
            return number
    return len(path)


def with_value(spec, path, value):
    changed = copy.deepcopy(spec)
    place = holder(changed, path)
    if value is MISSING:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    return changed


def values_for(kind, schema, name):
    own = policies.values_for(schema, name) if kind in policies.GROUPS else None
    return own or fuzzed.values_for(schema, name)


def makes_a_difference(kind, path):
    """Whether the field changes anything in some base, or is told to be without effect, or never taken."""
    schema = schema_at(SCHEMAS[kind], path)
    taken = False
    bases = list(yaml.safe_load_all(BASES[kind]))
    for base in sorted(bases, key=lambda each: depth(each, path), reverse=True):
        without = seen = outcome(kind, with_value(base, path, MISSING))
        for value in values_for(kind, schema, path[-1]):
            found = outcome(kind, with_value(base, path, value))
            if found is None:
                continue
            taken = taken or value not in (0, "")  # for protobuf the same as none
            if without is None or found != (seen or found) or is_told(path, found[0]):
                return True
            seen = seen or found
    return not taken


def is_told(path, warnings):
    """Whether one of *warnings* is about the field, or about something that it is a part of."""
    place = "spec" + "".join(f"[{part}]" if part == 0 else f".{part}" for part in path)
    about = [each.partition(": ")[0] for each in warnings]
    return any(place == each or place.startswith((f"{each}.", f"{each}[")) for each in about)


NAMES_FOR_PEOPLE = {
    ("Gateway", ("servers", 0, "name")),
    ("Sidecar", ("ingress", 0, "port", "name")),
    ("Sidecar", ("egress", 0, "port", "name")),
    ("Gateway", ("servers", 0, "tls", "tlsCertificates", 0, "caCertificates")),
}
"""Nothing follows from these in istiod either."""


FETCHED = {("RequestAuthentication", ("jwtRules", 0, name)) for name in ("jwksUri", "timeout")}
"""They say where keys come from, and how long that may take: see the tests of key sets."""


ALL = [(kind, path) for kind in RESOURCES for path in fields(SCHEMAS[kind])]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", RESOURCES)
def test_every_field_is_read_or_told_to_be_without_effect(kind):
    silent = [
        path
        for each, path in ALL
        if each == kind
        and (kind, path) not in NAMES_FOR_PEOPLE | FETCHED
        and not makes_a_difference(kind, path)
    ]
    assert silent == [], "neither read nor warned about"


def test_every_kind_is_looked_at():
    custom = {each.name for each in REGISTRY.values() if each.custom and each.group != metrics.GROUP}
    assert custom - set(WATCHED) == set()
