"""What :mod:`.test_every_field` needs to know of kinds that no fuzzer makes."""

from typing import Any

GROUPS = {
    "AuthorizationPolicy": "security",
    "RequestAuthentication": "security",
    "PeerAuthentication": "security",
    "Telemetry": "telemetry",
    "WorkloadEntry": "networking",
}
WORLD = """
kind: Service
metadata: {name: b}
spec:
  clusterIP: 127.10.0.9
  selector: {app: a}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90, targetPort: 9090}]
---
kind: ServiceEntry
metadata: {name: chosen}
spec:
  hosts: [chosen.example]
  workloadSelector: {labels: {app: vm}}
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: other, protocol: HTTP}]
"""
SETTINGS = """
accessLogFile: /dev/stdout
extensionProviders:
- {name: a, envoyExtAuthzHttp: {service: a.example, port: 80}}
- {name: b, zipkin: {service: a.example, port: 80}}
"""
BASES = {
    "AuthorizationPolicy": """
action: ALLOW
rules:
- from: [{source: {principals: [cluster.local/ns/a/sa/b]}}]
  to: [{operation: {ports: ["8080"]}}]
  when: [{key: "request.headers[a]", values: [b]}]
---
action: ALLOW
rules:
- {to: [{operation: {methods: [GET], paths: [/a]}}], when: [{key: "request.headers[a]", notValues: [b]}]}
---
selector: {matchLabels: {app: a}}
action: DENY
rules: [{from: [{source: {namespaces: [a]}}]}]
---
action: CUSTOM
provider: {name: a}
rules: [{}]
""",
    "RequestAuthentication": """
jwtRules:
- issuer: a
  jwks: '{"keys": []}'
  audiences: [b]
  outputClaimToHeaders: [{header: x-a, claim: b}]
  fromHeaders: [{name: x-b, prefix: "B "}]
---
selector: {matchLabels: {app: a}}
jwtRules: [{issuer: a, jwksUri: "http://a.example/k"}]
""",
    "PeerAuthentication": """
mtls: {mode: STRICT}
---
selector: {matchLabels: {app: a}}
mtls: {mode: STRICT}
portLevelMtls: {8080: {mode: DISABLE}}
""",
    "Telemetry": """
accessLogging: [{providers: [{name: envoy}], filter: {expression: "response.code >= 400"}}]
metrics:
- providers: [{name: prometheus}]
  overrides:
  - match: {metric: REQUEST_COUNT, mode: CLIENT}
    tagOverrides: {a: {operation: UPSERT, value: "'b'"}}
tracing:
- {providers: [{name: b}], randomSamplingPercentage: 10, customTags: {a: {literal: {value: b}}}}
---
selector: {matchLabels: {app: a}}
accessLogging: [{providers: [{name: envoy}], disabled: true}]
tracing: [{providers: [{name: b}], match: {mode: CLIENT}}]
metrics: [{providers: [{name: prometheus}], overrides: [{disabled: true}]}]
---
tracing: [{providers: [{name: b}], customTags: {a: {formatter: {value: b}}}}]
metrics:
- providers: [{name: prometheus}]
  overrides: [{match: {metric: REQUEST_COUNT}, tagOverrides: {response_code: {operation: REMOVE}}}]
---
tracing: [{providers: [{name: b}], customTags: {a: {header: {name: q}}}}]
---
tracing: [{providers: [{name: b}], customTags: {a: {environment: {name: q}}}}]
""",
    "WorkloadEntry": """
{address: 192.0.2.7, labels: {app: vm}}
---
{address: 192.0.2.7, labels: {app: vm}, ports: {http: 8081}, serviceAccount: a}
---
{address: 192.0.2.7, labels: {app: vm}, locality: a/b, weight: 2}
""",
}
_VALUES: dict[str, list[Any]] = {
    "principals": ["a", "*"],
    "name": ["a", "b", "envoy", "prometheus"],
    "key": ["source.ip", "request.headers[x]"],
    **{name: ["1.2.3.4", "a"] for name in ("values", "notValues")},
    **{name: ["80", "8080"] for name in ("ports", "notPorts")},
    **{name: ["1.2.3.4"] for name in ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")},
    "expression": ["response.code >= 500"],
    "value": ["'c'", "c"],
    "mode": ["CLIENT", "SERVER", "CLIENT_AND_SERVER", "STRICT", "DISABLE", "PERMISSIVE"],
    "jwks": ['{"keys": [{}]}'],
    "metric": ["ALL_METRICS", "REQUEST_DURATION"],
    "customMetric": ["a"],
    "kind": ["Service", "Gateway"],
    "group": ["", "gateway.networking.k8s.io"],
    "reportingInterval": ["3s"],
    "randomSamplingPercentage": [50],
    "defaultValue": ["z"],
    "serviceAccount": ["z"],
    "serviceAccounts": ["a", "b/c"],
    "locality": ["x/y"],
    "paths": ["/b"],
    "methods": ["POST"],
}


def values_for(schema: dict[str, Any], name: str) -> list[Any] | None:
    """Values that are usual for a field of this *name*; None where nothing special is known."""
    found = _VALUES.get(name)
    return [[each] for each in found] if found and schema.get("type") == "array" else found
