"""Every one of the mesh's settings that counts as read changes what a proxy is told; of all others one hears.

As :mod:`.test_every_field`: what is read stands in one tree, and each leaf of it needs a value here that
shows. What the tree does not name is told to be without effect.
"""

import functools

import pytest
import yaml

from labkit.embedded.mesh import mesh_config
from labkit.embedded.mesh.translate import translate

from .conftest import read_mesh
from .test_istio_validation import config_map

WORLD = """
kind: Pod
metadata: {name: caller, labels: {app: caller}}
spec: {nodeName: one}
---
kind: Pod
metadata: {name: b1, labels: {app: b}}
spec: {nodeName: one}
---
kind: Pod
metadata: {name: b2, labels: {app: b}}
spec: {nodeName: two}
---
kind: Node
metadata: {name: one, labels: {topology.kubernetes.io/region: here, a: b}}
---
kind: Node
metadata: {name: two, labels: {topology.kubernetes.io/region: there}}
---
kind: Pod
metadata: {name: gateway, labels: {istio: ingressgateway}}
---
kind: Service
metadata: {name: gateway}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}, {name: https, port: 443}]}
---
kind: Service
metadata: {name: b}
spec:
  selector: {app: b}
  ports: [{name: http, port: 80, targetPort: 8080}, {port: 90, targetPort: 9090}]
---
kind: Service
metadata: {name: c, namespace: other}
spec: {selector: {app: c}, ports: [{name: http, port: 80}]}
---
kind: VirtualService
metadata: {name: b, namespace: other}
spec: {hosts: [c], http: [{directResponse: {status: 404}}]}
---
kind: DestinationRule
metadata: {name: c, namespace: other}
spec: {host: c, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
---
kind: DestinationRule
metadata: {name: b}
spec: {host: b, trafficPolicy: {outlierDetection: {}}}
---
kind: PeerAuthentication
metadata: {name: it}
spec: {mtls: {mode: STRICT}}
---
kind: ServiceEntry
metadata: {name: out}
spec:
  hosts: [out.example]
  ports: [{number: 443, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.1}]
---
kind: DestinationRule
metadata: {name: out}
spec: {host: out.example, trafficPolicy: {tls: {mode: SIMPLE, sni: out.example}}}
---
kind: Gateway
metadata: {name: way-in}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: a}}
---
kind: Ingress
metadata: {name: classless}
spec: {rules: [{host: i.example, http: {paths: [{path: /, pathType: Prefix, backend: BACKEND}]}}]}
---
kind: Ingress
metadata: {name: classed, annotations: {kubernetes.io/ingress.class: another}}
spec: {rules: [{host: j.example, http: {paths: [{path: /, pathType: Prefix, backend: BACKEND}]}}]}
---
kind: Ingress
metadata: {name: ours, annotations: {kubernetes.io/ingress.class: istio}}
spec: {rules: [{host: k.example, http: {paths: [{path: /, pathType: Prefix, backend: BACKEND}]}}]}
---
kind: Telemetry
metadata: {name: root, namespace: other}
spec: {accessLogging: [{providers: [{name: envoy}], disabled: true}]}
---
kind: AuthorizationPolicy
metadata: {name: it}
spec: {selector: {matchLabels: {app: b}}, action: CUSTOM, provider: {name: asked}, rules: [{}]}
---
kind: AuthorizationPolicy
metadata: {name: us}
spec: {action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}]}]}
---
kind: Telemetry
metadata: {name: it, namespace: istio-system}
spec: TELEMETRY
---
""".replace("BACKEND", "{service: {name: b, port: {number: 80}}}")
TELEMETRY = {
    "zipkin": "{tracing: [{providers: [{name: told}]}]}",
    "opentelemetry": "{tracing: [{providers: [{name: told}]}]}",
    "datadog": "{tracing: [{providers: [{name: told}]}]}",
    **dict.fromkeys(
        ("envoyFileAccessLog", "envoyHttpAls", "envoyTcpAls", "envoyOtelAls"),
        "{accessLogging: [{providers: [{name: told}]}]}",
    ),
}
VALUES = """
accessLogFile: /dev/stderr
accessLogEncoding: JSON
accessLogFormat: it
outboundTrafficPolicy.mode: REGISTRY_ONLY
rootNamespace: other
trustDomain: example.org
trustDomainAliases: [example.org]
meshMTLS.minProtocolVersion: TLSV1_3
meshMTLS.cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]
tlsDefaults.minProtocolVersion: TLSV1_3
tlsDefaults.cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]
tlsDefaults.ecdhCurves: [P-256]
enableAutoMtls: false
connectTimeout: 3s
protocolDetectionTimeout: 3s
pathNormalization.normalization: MERGE_SLASHES
ingressControllerMode: DEFAULT
ingressClass: another
ingressService: other
ingressSelector: other
defaultHttpRetryPolicy.attempts: 7
defaultHttpRetryPolicy.perTryTimeout: 3s
defaultHttpRetryPolicy.retryOn: "503"
defaultHttpRetryPolicy.backoff: 3s
defaultHttpRetryPolicy.retryRemoteLocalities: true
defaultHttpRetryPolicy.retryIgnorePreviousHosts: false
defaultServiceExportTo: ["."]
defaultVirtualServiceExportTo: ["."]
defaultDestinationRuleExportTo: ["."]
localityLbSetting.enabled: false
localityLbSetting.distribute: [{from: here/*, to: {"there/*": 100}}]
localityLbSetting.failover: [{from: here, to: there}]
localityLbSetting.failoverPriority: [a]
defaultProviders.metrics: [prometheus]
defaultProviders.tracing: [told]
defaultProviders.accessLogging: [told]
defaultConfig.tracing.sampling: 50
defaultConfig.tracing.customTags: {a: {literal: {value: b}}}
defaultConfig.tracing.maxPathTagLength: 9
defaultConfig.gatewayTopology.numTrustedProxies: 2
defaultConfig.gatewayTopology.forwardClientCertDetails: ALWAYS_FORWARD_ONLY
defaultConfig.proxyHeaders.forwardedClientCert: SANITIZE
defaultConfig.proxyHeaders.setCurrentClientCertDetails.subject: false
defaultConfig.proxyHeaders.setCurrentClientCertDetails.cert: true
defaultConfig.proxyHeaders.setCurrentClientCertDetails.chain: true
defaultConfig.proxyHeaders.setCurrentClientCertDetails.dns: false
defaultConfig.proxyHeaders.setCurrentClientCertDetails.uri: false
"""
OF_PROVIDERS = """
timeout: 3s
failOpen: true
statusOnError: "403"
clearRouteCache: true
includeRequestBodyInCheck: {maxRequestBytes: 9, allowPartialMessage: true, packAsBytes: true}
pathPrefix: /it
includeRequestHeadersInCheck: [a]
includeHeadersInCheck: [a]
includeAdditionalHeadersInCheck: {a: b}
headersToUpstreamOnAllow: [a]
headersToDownstreamOnDeny: [a]
headersToDownstreamOnAllow: [a]
maxTagLength: 9
enable64bitTraceId: true
path: /tmp/it
traceContextOption: USE_B3_WITH_W3C_PROPAGATION
headers: [{name: a, value: b}]
http: {path: it, timeout: 3s, headers: [{name: a, value: b}]}
grpc: {timeout: 3s, initialMetadata: [{name: a, value: b}]}
resourceDetectors: {environment: {}, dynatrace: {}}
serviceAttributeEnrichment: OTEL_SEMANTIC_CONVENTIONS
dynatraceSampler:
  tenant: a
  clusterId: 1
  rootSpansPerMinute: 9
  httpService: {service: b.default.svc.cluster.local, port: 80, http: {path: it, timeout: 3s}}
omitEmptyValues: true
logFormat: {labels: {a: b}}
logName: it
filterStateObjectsToLog: [a]
additionalRequestHeadersToLog: [a]
additionalResponseHeadersToLog: [a]
additionalResponseTrailersToLog: [a]
"""
WITHOUT_VALUE = {
    *("enablePrometheusMerge", "defaultConfig.discoveryAddress"),
    *("defaultConfig.concurrency", "defaultConfig.proxyMetadata"),
    "defaultConfig.holdApplicationUntilProxyStarts",
}
"""What others read (see the tests of injection), or nobody needs to."""
FIXED = {"name", "service", "port"}


def provider(kind, **settings):
    name = "asked" if kind.startswith("envoyExtAuthz") else "told"
    where = {} if kind == "envoyFileAccessLog" else {"service": "b.default.svc.cluster.local", "port": 80}
    return {"extensionProviders": [{"name": name, kind: {**where, **settings}}]}


def cases():
    """(what, telemetry, settings without it, settings with it)"""
    usual = {"accessLogFile": "/dev/stdout"}
    for path, value in yaml.safe_load(VALUES).items():
        told = TELEMETRY["zipkin"] if ".tracing." in path else "{}"
        before = usual | (provider("zipkin") if "tracing" in path else {})
        if path == "defaultProviders.accessLogging":
            before = usual | provider("envoyFileAccessLog", path="/dev/stderr")
        yield path, told, before, before | nested(path.split("."), value)
    for kind, read in mesh_config.PROVIDERS.items():
        for field in sorted(read.keys() - FIXED):
            value = yaml.safe_load(OF_PROVIDERS)[field]
            told = TELEMETRY.get(kind, "{}")
            yield f"{kind}.{field}", told, provider(kind), provider(kind, **{field: value})


def nested(path, value):
    return {path[0]: nested(path[1:], value) if path[1:] else value}


CASES = {what: rest for what, *rest in cases()}


@functools.cache
def told(telemetry, settings):
    """All that proxies of three kinds are told."""
    given = {"kind": "Mesh", "spec": yaml.safe_load(settings)}
    made = read_mesh(WORLD.replace("TELEMETRY", telemetry) + yaml.safe_dump(given))
    return [vars(translate(made.state, made.proxy(each))) for each in ("caller", "b1", "gateway")]


@pytest.mark.parametrize("what", CASES)
def test_what_is_read_shows(what):
    telemetry, before, after = CASES[what]
    before, after = yaml.safe_dump(before), yaml.safe_dump(after)
    assert told(telemetry, before) != told(telemetry, after)
    assert config_map(after) == []


def leaves(read, path=""):
    for name, below in read.items():
        place = f"{path}.{name}" if path else name
        if below:
            yield from leaves(below, place)
        elif not path.startswith("extensionProviders") and place != "extensionProviders.name":
            yield place


def test_each_has_a_value():
    assert set(leaves(mesh_config.READ)) - WITHOUT_VALUE == yaml.safe_load(VALUES).keys()


def test_what_is_not_read_is_told():
    settings = """
    dnsRefreshRate: 5s
    enableTracing: true
    meshMtls: {}
    meshMTLS: {ecdhCurves: [P-256]}
    defaultConfig: {proxyMetadata: {LD_PRELOAD: /it, A: b}, proxyHeaders: {server: {disabled: true}}}
    extensionProviders:
    - {name: a, skywalking: {service: a, port: 1, accessToken: b}}
    - {name: b, lightstep: {}}
    """
    words = "has no effect in this cluster yet"
    assert [each.removesuffix(f": {words}") for each in config_map(settings)] == [
        "data.mesh: defaultConfig.proxyHeaders.server",
        "data.mesh: defaultConfig.proxyMetadata.LD_PRELOAD",
        "data.mesh: dnsRefreshRate",
        "data.mesh: enableTracing",
        "data.mesh: extensionProviders[a].skywalking.accessToken",
        "data.mesh: extensionProviders[b].lightstep",
        "data.mesh: meshMTLS.ecdhCurves",
        "data.mesh: meshMtls",
    ]
