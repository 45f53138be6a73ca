"""Istio objects by chance: made from their schemas, or real ones with a few things changed.

Values are chosen by the field's name, so that many objects are good and the others are nearly good.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

from labkit.embedded.api.types.schemas import shipped

ROOT = Path(__file__).parents[2]
KINDS = {
    "VirtualService": "virtualservices",
    "DestinationRule": "destinationrules",
    "Gateway": "gateways",
    "ServiceEntry": "serviceentries",
    "Sidecar": "sidecars",
    "EnvoyFilter": "envoyfilters",
}
WEIGHTS = {
    "VirtualService": 8,
    "DestinationRule": 5,
    "Gateway": 3,
    "ServiceEntry": 4,
    "Sidecar": 1,
    "EnvoyFilter": 3,
}
API_VERSIONS = {
    kind: "networking.istio.io/v1alpha3" if kind == "EnvoyFilter" else "networking.istio.io/v1"
    for kind in KINDS
}
SCHEMAS = {kind: shipped(f"networking.istio.io/{kind}")["properties"]["spec"] for kind in KINDS}
HERE = "dev-service-mesh"

_HOSTS = [
    *("producer-internal-host", "service-c-srv", "service-a-srv", f"service-c-srv.{HERE}.svc.cluster.local"),
    *(
        "a.example",
        "b.example",
        "*.example",
        "*.a.example",
        "*",
        "UPPER.Example",
        "1.2.3.4",
        "nowhere",
        "a_b",
    ),
    *(
        "",
        "a..b",
        "-a.example",
        "example.123",
        "é.example",
        "a" * 64 + ".example",
        "a.example.",
        "*a.example",
    ),
]
_DURATIONS = [
    *("1s", "250ms", "1h", "1m30s", "0.5s", "1ms", "10s", "4294967295s", "4294967296s", "315576000s"),
    *("9223372036s", "2562047h", "0s", "-1s", "1.0005s", "1us", "5", "", "one"),
]
_TEXTS = [
    *(
        "a",
        "b",
        "/",
        "/a",
        "x-a",
        "v1",
        "text",
        "a b",
        "",
        "%",
        "%%",
        "%REQ(x)%",
        "%START_TIME%",
        "%NO_SUCH%",
    ),
    *(
        "a\nb",
        "a\x00b",
        "\x7f",
        "é",
        "\u2028",
        "a" * 300,
        "{}",
        "*",
        ".*",
        "[",
        "-",
        "_",
        "a/b",
        "%2F",
        "%REQ(",
    ),
    *("%DOWNSTREAM_REMOTE_ADDRESS%", "%ENVIRONMENT(X)%", "%REQ(a?b):3%", "a\tb", "http://x", "%CEL(1)%"),
]
_PATHS = ["/", "/a", "/a/b", "", "a", "/%2F", "/a?b", "/a#b", "*", "/é", "//", "/a b", "/" + "a" * 2000]
_REGEXES = [
    *(
        ".*",
        "*",
        "/a.*",
        "(a|b)",
        "(?i)a",
        "[a-z]+",
        r"\d{3}",
        "",
        "(",
        "[",
        r"\1",
        "(?=a)",
        "a**",
        r"\x{41}",
        "^*",
    ),
    *(r"\pL{900}", r"(\pN{1000})", "a" * 1100, "a{1001}", "(?P<n>a)", "é+", ".{1000}", r"\C", "\x00", "a\nb"),
]
_NAMES = [
    "x-a",
    "x-b",
    "X-A",
    "host",
    "Host",
    ":authority",
    ":path",
    ":method",
    "content-length",
    "x a",
    "",
    "é",
]
_NAMES += ["cookie", "connection", "x" * 300, "a:b", "a\n", "@request.auth.claims.x", "x_a", ":x"]
_PORTS = [80, 8080, 443, 1, 65535, 0, 65536, 15001, 15006, 9090, 4294967295]
_NUMBERS = [0, 1, 2, 3, 10, 50, 99, 100, 101, 503, 1024, 65537, 2147483647, 2147483648, 4294967295, -1, 2**53]
_STATUSES = [200, 204, 301, 302, 404, 503, 599, 600, 100, 0, 199, 1000, 303, 307, 308, 304]
_SHARES = [0, 0.1, 1, 50, 99.9999, 100, 100.1, -1, 0.00001, 1e9, 33.3]
_ADDRESSES = [
    "192.0.2.1",
    "192.0.2.0/24",
    "10.43.0.0/16",
    "2001:db8::1",
    "2001:db8::/32",
    "a.example",
    "",
    "1.2.3",
]
_ADDRESSES += ["unix:///tmp/x", "192.0.2.1/24", "0.0.0.0/0", "192.0.2.1/33", "127.0.0.1", "::"]
_PROTOCOLS = [
    "HTTP",
    "HTTP2",
    "GRPC",
    "TCP",
    "TLS",
    "HTTPS",
    "MONGO",
    "http",
    "UDP",
    "",
    "X",
    "GRPC-WEB",
    "REDIS",
]
_POOLS: dict[str, list[Any]] = {
    "host": _HOSTS,
    "hosts": [*_HOSTS, "./*", f"{HERE}/*.example", "*/*"],
    "sniHosts": _HOSTS,
    "authority": _HOSTS,
    "address": _ADDRESSES,
    "addresses": _ADDRESSES,
    "destinationSubnets": _ADDRESSES,
    "sourceSubnet": _ADDRESSES,
    "bind": ["", "", "127.0.0.1", "0.0.0.0", "unix:///tmp/x", "a", "::1"],
    "gateways": ["mesh", "way-in", f"{HERE}/way-in", "./way-in", "no/such", "", f"way-in.{HERE}"],
    "exportTo": ["*", ".", HERE, "~", "default", "", "A_b"],
    "protocol": _PROTOCOLS,
    "regex": _REGEXES,
    "match": _REGEXES,
    "verifyCertificateHash": ["0" * 64, "a"],
    "verifyCertificateSpki": ["NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=", "a"],
    "rewrite": ["/b", r"/\1", r"\2", r"\9", "\\", "", "a"],
    "uri": _PATHS,
    "exact": [*_PATHS, *_TEXTS],
    "prefix": [*_PATHS, *_TEXTS],
    "number": _PORTS,
    "port": _PORTS,
    "targetPort": _PORTS,
    "status": _STATUSES,
    "httpStatus": _STATUSES,
    "redirectCode": _STATUSES,
    "weight": [0, 1, 50, 50, 100, 2147483647, -1, 2**31],
    "value": _SHARES,
    "remove": _NAMES,
    "httpHeaderName": _NAMES,
    "httpQueryParameterName": [*_NAMES, "q"],
    "allowMethods": ["GET", "POST", "*", "get", "", "BREW"],
    "allowHeaders": _NAMES,
    "exposeHeaders": _NAMES,
    "retryOn": [
        "5xx",
        "503",
        "5xx,connect-failure",
        "reset, 5xx",
        "",
        "nonsense",
        "99",
        "600",
        "gateway-error",
    ],
    "grpcStatus": ["NOT_FOUND", "OK", "nonsense", ""],
    "scheme": ["http", "https", "ftp", ""],
    "bytes": ["YQ==", "a", "", "!!"],
    "name": ["a", "b", "http", "tcp-1", "", "A", "a_b", "a.b", "é", "x" * 70],
    "subset": ["v1", "v2", "", "a b"],
    "locality": ["a", "a/b", "a/b/c", "a/b/c/d", "", "/"],
    "percent": [0, 1, 50, 100, 101, -1],
    "mirrorPercent": [0, 1, 50, 100, 101],
    "mirror_percent": [0, 10, 100, 101],
    "tableSize": [2, 7, 65537, 4, 0, 5000011, 4999999, 2**40],
    "minimumRingSize": [0, 1, 1024, 8388608, 8388609, 2**40],
    "path": ["/", "/a", "", "a;b", "a\nb", '"'],
}
_SELECTORS = [{}, {"istio": "ingressgateway"}, {"app": "service-a-app"}, {"a": "b"}, {"a/b": ""}, {"": "x"}]
_KEYS = {
    "headers": _NAMES,
    "withoutHeaders": _NAMES,
    "queryParams": [*_NAMES, "q"],
    "set": _NAMES,
    "add": _NAMES,
}
_LABELS = ["app", "version", "a/b", "", "a b", "é"]


def an_object(random: Random, name: str) -> dict[str, Any]:
    """One object called *name*."""
    kind = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    real = [each for each in REAL if each["kind"] == kind]
    if real and random.random() < 0.6:
        spec = copy.deepcopy(random.choice(real)["spec"])
        for _ in range(random.choice([0, 1, 1, 2, 3, 5])):
            spec = _changed(random, spec, SCHEMAS[kind], "")
    else:
        spec = _made(random, SCHEMAS[kind], "", random.choice([0.15, 0.3, 0.5]))
    meta = {"name": name, "namespace": HERE}
    return {"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": meta, "spec": spec}


def _made(random: Random, schema: dict[str, Any], name: str, density: float) -> Any:
    if name == "selector":
        return random.choice(_SELECTORS)
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return _filter(random)
    if "properties" in schema:
        return _struct(random, schema, density)
    if isinstance(schema.get("additionalProperties"), dict):
        keys = _KEYS.get(name, _LABELS)
        entries = random.choice([0, 1, 1, 2])
        return {
            _usual(random, keys): _made(random, schema["additionalProperties"], name, density)
            for _ in range(entries)
        }
    if schema.get("type") == "array":
        return [
            _made(random, schema["items"], name, density) for _ in range(random.choice([0, 1, 1, 1, 2, 3]))
        ]
    return _scalar(random, schema, name)


def _struct(random: Random, schema: dict[str, Any], density: float) -> dict[str, Any]:
    properties = schema["properties"]
    required = set(schema.get("required") or ())
    chosen = [each for each in properties if each in required or random.random() < density]
    for group in _alternatives(schema):
        some = [each for each in group if each in properties]
        one = random.choice([*some, None]) if random.random() < 0.9 else None
        chosen = [each for each in chosen if each not in some or each == one]
        chosen += [one] if one is not None and one not in chosen else []
    return {each: _made(random, properties[each], each, density) for each in chosen}


def _alternatives(schema: dict[str, Any]) -> Iterator[list[str]]:
    """The groups of properties of which at most one may be given."""
    for each in [schema, *(schema.get("allOf") or [])]:
        found = [one["required"][0] for one in each.get("oneOf") or [] if "required" in one]
        if found:
            yield found


def _scalar(random: Random, schema: dict[str, Any], name: str) -> Any:
    kind = schema.get("type")
    if "enum" in schema:
        return random.choice([*schema["enum"], *schema["enum"], "NONSENSE"])
    if kind == "boolean":
        return random.random() < 0.5
    if any("duration" in str(rule.get("rule")) for rule in schema.get("x-kubernetes-validations") or []):
        return _usual(random, _DURATIONS)
    pool = _POOLS.get(name)
    if kind in ("integer", "number"):
        found = [each for each in pool or _NUMBERS if not isinstance(each, str)]
        return _usual(random, found or _NUMBERS)
    found = [each for each in pool or [*_TEXTS, *_DURATIONS] if isinstance(each, str)]
    return _usual(random, found or _TEXTS)


def _usual(random: Random, pool: list[Any]) -> Any:
    """One of *pool*, rather one of its first, which are good values."""
    return pool[min(random.randrange(len(pool)), random.randrange(len(pool)), random.randrange(len(pool)))]


def _filter(random: Random) -> dict[str, Any]:
    """A filter of Envoy's: mostly one of faults, nearly right."""
    config = {"@type": f"type.googleapis.com/envoy.extensions.filters.{_usual(random, _FILTER_TYPES)}"}
    for field in random.sample(list(_FAULTS), random.choice([1, 1, 2, 3])):
        config[field] = _usual(random, _FAULTS[field])
    given = {"name": _usual(random, _FILTER_NAMES), random.choice(_CONFIGS): config}
    return (
        given if random.random() < 0.95 else {key: given[key] for key in list(given)[random.randint(0, 2) :]}
    )


_CONFIGS = ["typed_config"] * 8 + ["typedConfig", "config", "config_discovery"]
_FILTER_TYPES = ["http.fault.v3.HTTPFault"] * 9 + ["http.lua.v3.Lua", "http.router.v3.Router", "nonsense"]
_PERCENTAGES = [
    *({"numerator": 30}, {"numerator": 100}, {}, {"numerator": 1, "denominator": "MILLION"}),
    *({"numerator": 101}, {"numerator": -1}, {"numerator": 1, "denominator": "NONSENSE"}, {"numerator": "x"}),
]
_FAULTS: dict[str, list[Any]] = {
    "abort": [
        *({"http_status": 503, "percentage": each} for each in _PERCENTAGES),
        *({"httpStatus": each} for each in _STATUSES),
        *({}, {"grpc_status": 14}, {"header_abort": {}, "percentage": {"numerator": 100}}, {"nonsense": 1}),
    ],
    "delay": [
        *({"fixed_delay": "0.1s", "percentage": each} for each in _PERCENTAGES),
        *({"fixed_delay": each} for each in _DURATIONS),
        *({}, {"header_delay": {}}, {"http_delay": {}}),
    ],
    "headers": [[{"name": each, "present_match": True}] for each in _NAMES],
    "downstream_nodes": [["a"], [], [""], "a"],
    "upstream_cluster": ["a", "", "é", 1],
    "max_active_faults": [1, 0, -1, 4294967296],
    "response_rate_limit": [
        *({"fixed_limit": {"limit_kbps": each}, "percentage": {"numerator": 1}} for each in (1, 0, -1)),
        *({}, {"header_limit": {}}),
    ],
    "filter_metadata": [{"a": "b"}, {}, "a"],
    "delay_percent_runtime": ["a.b", ""],
    "no_such_field": [1],
}
_FILTER_NAMES = ["a", "b", "envoy.filters.http.fault", "envoy.filters.http.router", "", "é", "x" * 300, "a b"]


def _changed(random: Random, value: Any, schema: dict[str, Any], name: str) -> Any:
    """*value* with one thing changed, somewhere in it."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return _filter(random)
    if isinstance(value, dict) and value and random.random() < 0.75:
        key = random.choice(list(value))
        inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        if not isinstance(inner, dict) or random.random() < 0.05:
            return {each: value[each] for each in value if each != key}
        return {**value, key: _changed(random, value[key], inner, key if "properties" in schema else name)}
    if isinstance(value, list) and value and isinstance(schema.get("items"), dict) and random.random() < 0.85:
        index = random.randrange(len(value))
        changed = [*value]
        changed[index] = _changed(random, value[index], schema["items"], name)
        return changed if random.random() < 0.85 else [*changed, copy.deepcopy(value[index])]
    if isinstance(value, dict) and "properties" in schema:
        key = random.choice(list(schema["properties"]))
        return {**value, key: _made(random, schema["properties"][key], key, 0.3)}
    return _made(random, schema, name, 0.3)


def _real() -> Iterator[dict[str, Any]]:
    files = [
        *(ROOT / "manifests").rglob("*.y*ml"),
        *(ROOT / "tests/embedded/mesh/pairs").glob("*.input.yaml"),
    ]
    for file in sorted(files):
        for document in yaml.safe_load_all(file.read_text()):
            if isinstance(document, dict) and document.get("kind") in KINDS:
                yield document


FAULTS = """
- workloadSelector: {labels: {app: service-c-app}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
            subFilter: {name: envoy.filters.http.router}
    patch: &patch
      operation: INSERT_BEFORE
      value:
        name: faults
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
          abort: {http_status: 503, percentage: {numerator: 30}}
          delay: {fixed_delay: 0.010s, percentage: {numerator: 100}}
- priority: -1
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: SIDECAR_OUTBOUND, listener: {portNumber: 80}}
    patch: {<<: *patch, operation: INSERT_FIRST}
  - {applyTo: HTTP_FILTER, patch: *patch}
- workloadSelector: {labels: {app: service-a-app}}
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_OUTBOUND, cluster: {service: service-c-srv, portNumber: 80}}
    patch: {operation: MERGE, value: {connect_timeout: 1s}}
"""
"""EnvoyFilters, which no manifest of the book has: as lab.fault() makes them, and others."""

REAL = [
    *_real(),
    *({"kind": "EnvoyFilter", "spec": copy.deepcopy(each)} for each in yaml.safe_load(FAULTS)),
]


def values_for(schema: dict[str, Any], name: str) -> list[Any]:
    """Values worth trying for a field: good ones first."""
    if name == "selector":
        return _SELECTORS
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return [_filter(Random(seed)) for seed in range(8)]
    if "properties" in schema:
        return [_struct(Random(seed), schema, density) for seed in range(2) for density in (0.3, 1.0)]
    if isinstance(schema.get("additionalProperties"), dict):
        inner = values_for(schema["additionalProperties"], name)
        return [{key: each} for key in _KEYS.get(name, _LABELS)[:3] for each in inner[:3]]
    if schema.get("type") == "array":
        return [[each] for each in values_for(schema["items"], name)]
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [True, False]
    if any("duration" in str(rule.get("rule")) for rule in schema.get("x-kubernetes-validations") or []):
        return _DURATIONS[:3]
    wanted: tuple[type, ...] = (int, float) if schema.get("type") in ("integer", "number") else (str,)
    pools = [_POOLS.get(name, []), _NUMBERS if int in wanted else [*_DURATIONS[:2], *_TEXTS]]
    return [each for pool in pools for each in pool if isinstance(each, wanted)][:8]
