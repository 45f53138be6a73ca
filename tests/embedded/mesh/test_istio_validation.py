"""The validating webhook: what Istio refuses, word for word, and what is answered with a warning."""

import contextlib
import copy
import re
from pathlib import Path

import pytest
import yaml

from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.mesh.validation import admission
from labkit.embedded.status import ApiError

MANIFESTS = Path(__file__).parents[3] / "manifests"
RESOURCES = {
    "Gateway": "gateways.networking.istio.io",
    "VirtualService": "virtualservices.networking.istio.io",
    "DestinationRule": "destinationrules.networking.istio.io",
    "ServiceEntry": "serviceentries.networking.istio.io",
    "PeerAuthentication": "peerauthentications.security.istio.io",
    "RequestAuthentication": "requestauthentications.security.istio.io",
    "AuthorizationPolicy": "authorizationpolicies.security.istio.io",
    "EnvoyFilter": "envoyfilters.networking.istio.io",
    "Sidecar": "sidecars.networking.istio.io",
    "WorkloadEntry": "workloadentries.networking.istio.io",
    "WorkloadGroup": "workloadgroups.networking.istio.io",
    "Telemetry": "telemetries.telemetry.istio.io",
    "ProxyConfig": "proxyconfigs.networking.istio.io",
    "ConfigMap": "configmaps",
}
DENIED = 'admission webhook "validation.istio.io" denied the request: configuration is invalid: '


def ask(kind, spec, name="it"):
    spec = yaml.safe_load(spec) if isinstance(spec, str) else spec
    obj = {"kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}
    return admission(AdmissionRequest("CREATE", RESOURCES[kind], "default", obj, None, False))


def refusal(kind, spec, **more):
    with pytest.raises(ApiError) as refused:
        ask(kind, spec, **more)
    assert refused.value.code == 400
    assert refused.value.message.startswith(DENIED)
    return refused.value.message.removeprefix(DENIED)


ROUTE = "route: [{destination: {host: a}}]"
SERVER = "port: {number: 80, name: http, protocol: HTTP}"
PORTS = "ports: [{number: 80, name: http, protocol: HTTP}]"


def put(text, *parts):
    """*text* with each ``…`` replaced by the next of *parts* (YAML is full of braces)."""
    for part in parts:
        text = text.replace("…", part, 1)
    return text


def http(rule, rest=""):
    return f"{{hosts: [a], {rest} http: [{{{rule}}}]}}"


VIRTUAL_SERVICES = {
    put("{gateways: [gw], http: [{…}]}", ROUTE): "delegate virtual service must have no gateways specified",
    put("{hosts: ['*'], http: [{…}]}", ROUTE): (
        "wildcard host * is not allowed for virtual services bound to the mesh gateway"
    ),
    put(
        "{hosts: ['*', a.com], gateways: [g], http: [{…}]}", ROUTE
    ): "duplicate hosts in virtual service: * & a.com",
    put("{hosts: [a_b], http: [{…}]}", ROUTE): 'domain name "a_b" invalid (label "a_b" invalid)',
    "{hosts: [a]}": "http, tcp or tls must be provided in virtual service",
    put("{hosts: [a], gateways: [n/], http: [{…}]}", ROUTE): (
        "2 errors occurred:\n\t* config namespace and gateway name cannot be empty\n\t"
        '* invalid value for gateway name: ""\n\n'
    ),
    http("name: x"): "HTTP route, redirect or direct_response is required",
    http(f"{ROUTE}, redirect: {{uri: /}}"): "HTTP route cannot contain both route and redirect",
    http(f"{ROUTE}, directResponse: {{status: 200}}"): (
        "HTTP route cannot contain both route and direct_response"
    ),
    http("redirect: {uri: /}, rewrite: {uri: /}"): (
        "HTTP route rule cannot contain both rewrite and redirect"
    ),
    http("redirect: {redirectCode: 302}"): "redirect must specify URI, authority, scheme, or port",
    http("redirect: {uri: /, redirectCode: 200}"): "200 is not a valid redirect code, must be 3xx",
    http("redirect: {uri: /, scheme: ftp}"): 'invalid redirect scheme, must be "http" or "https"',
    http("directResponse: {status: 99}"): "HTTP status 99 is not in range 200-599",
    http("route: [{destination: {host: a}, weight: -1}]"): "weight -1 < 0",
    http("route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]"): (
        "total destination weight = 0"
    ),
    http("route: [{weight: 1}]"): "destination is required",
    http("route: [{destination: {host: '*'}}]"): "invalid destination host *",
    http("route: [{destination: {host: ''}}]"): "empty domain name not allowed",
    http("route: [{destination: {host: a, subset: v_1}}]"): "subset name is invalid: v_1",
    http("route: [{destination: {host: a, port: {number: 70000}}}]"): (
        "port number 70000 must be in the range 1..65535"
    ),
    http(f"match: [{{uri: {{regex: ''}}}}], {ROUTE}"): '"uri": regex string match should not be empty',
    http(f"match: [{{uri: {{regex: 'a('}}}}], {ROUTE}"): (
        '"uri": error parsing regexp: missing closing ): `a(`; '
        "Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
    ),
    http(f"match: [{{uri: {{regex: '(?=a)'}}}}], {ROUTE}"): (
        '"uri": error parsing regexp: invalid or unsupported Perl syntax: `(?=`; '
        "Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
    ),
    http(f"match: [{{uri: {{regex: {'a' * 1025}}}}}], {ROUTE}"): (
        '"uri": regex is too large, max length allowed is 1024'
    ),
    http(f"match: [{{headers: {{x: {{prefix: ''}}}}}}], {ROUTE}"): (
        '"headers": prefix string match should not be empty'
    ),
    http(f"match: [{{headers: {{'x y': {{exact: a}}}}}}], {ROUTE}"): (
        "header name x y is not a valid header name"
    ),
    http(f"match: [{{sourceNamespace: A_B}}], {ROUTE}"): "sourceNamespace match A_B is invalid",
    http(f"rewrite: {{}}, {ROUTE}"): (
        "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
        "Only one of URI or UriRegexRewrite may be specified"
    ),
    http(f"timeout: 100us, {ROUTE}"): "duration must be greater than 1ms",
    http(f"timeout: 1500us, {ROUTE}"): "only durations to ms precision are supported",
    http(f"retries: {{attempts: -1}}, {ROUTE}"): "attempts cannot be negative",
    http(f"retries: {{retryOn: 5xx}}, {ROUTE}"): (
        "http retry policy configured when attempts are set to 0 (disabled)"
    ),
    http(f"retries: {{attempts: 1, retryOn: '5xx,nope,503'}}, {ROUTE}"): (
        '"nope" is not a valid retryOn policy'
    ),
    http(f"fault: {{}}, {ROUTE}"): "HTTP fault injection must have an abort and/or a delay",
    http(f"fault: {{abort: {{httpStatus: 700}}}}, {ROUTE}"): "HTTP status 700 is not in range 200-599",
    http(f"fault: {{delay: {{fixedDelay: 1s, percentage: {{value: 101}}}}}}, {ROUTE}"): (
        "percentage 101 is neither 0.0, nor in range [0.0001, 100.0]"
    ),
    http(f"mirror: {{host: b}}, mirrors: [{{destination: {{host: b}}}}], {ROUTE}"): (
        "HTTP route cannot contain both mirror and mirrors"
    ),
    http(f"mirrors: [{{percentage: {{value: 1}}}}], {ROUTE}"): "destination is required for mirrors",
    http(f"mirror: {{host: b}}, mirrorPercentage: {{value: 101}}, {ROUTE}"): (
        "mirror_percentage must have a max value of 100 (it has 101.000000)"
    ),
    http(f"corsPolicy: {{allowMethods: [FETCH]}}, {ROUTE}"): '"FETCH" is not a supported HTTP method',
    http(f"headers: {{request: {{set: {{':path': /}}}}}}, {ROUTE}"): (
        'invalid header ":path": header cannot have ":" prefix'
    ),
    http(
        f"headers: {{response: {{set: {{host: a}}}}}}, {ROUTE}"
    ): 'invalid header "host": cannot set Host header',
    http(f"rewrite: {{authority: b}}, headers: {{request: {{set: {{host: c}}}}}}, {ROUTE}"): (
        'authority header cannot be set multiple times: have "b", attempting to set "c"'
    ),
    http(f"name: r, delegate: {{name: d}}, {ROUTE}"): "root HTTP route r must not specify route",
    http(ROUTE, "exportTo: ['.', '*'],"): (
        "cannot have both public (*) and non-public exportTo values for a resource"
    ),
    http(ROUTE, "exportTo: ['~'],"): "exportTo ~ (none) is not allowed for Istio configuration objects",
    http(ROUTE, "exportTo: [x, x],"): "duplicate entries in exportTo for entry x",
    put("{hosts: [a], tls: [{…}]}", ROUTE): "TLS route must have at least one match condition",
    "{hosts: [a], tcp: [{match: [{destinationSubnets: [1.2.3.4]}]}]}": "TCP route is required",
}


RE2_WORDS = {
    r"/a\Z": r"invalid escape sequence: `\Z`",
    r"\u0041": r"invalid escape sequence: `\u`",
    "(?x)a": "invalid or unsupported Perl syntax: `(?x`",
    "a.++": "invalid nested repetition operator: `++`",
    r"(a)\1": r"invalid escape sequence: `\1`",
    "a{1001}": "invalid repeat count: `{1001}`",
    "[z-a]": "invalid character class range: `z-a`",
    "a\\": "trailing backslash at end of expression: ``",
    r"\pL{1000}": "pattern too large - compile failed",
}


@pytest.mark.parametrize("text", RE2_WORDS)
def test_a_regular_expression_that_re2_does_not_know_is_refused_in_gos_words(text):
    found = refusal("VirtualService", _matching(text))
    assert found.startswith(f'"uri": error parsing regexp: {RE2_WORDS[text]}; Istio uses RE2 style')


@pytest.mark.parametrize(
    "text", [r"\x{41}", "^*", "a{,3}", r"\pL+", "[[:alpha:]]", r"\Qa.b\E", "(?i)a", "(?<n>a)"]
)
def test_a_regular_expression_that_only_re2_knows_is_taken(text):
    assert ask("VirtualService", _matching(text)) == []


def test_a_regular_expression_whose_program_is_too_large_for_envoy_is_refused():
    found = refusal("VirtualService", _matching(r"(\pN{1000})"))
    assert re.fullmatch(
        r'"uri": regex program size of \d+ is larger than Envoy takes: 32768; simplify it', found
    )


def _matching(text):
    match = [{"uri": {"regex": text}}]
    return {"hosts": ["a"], "http": [{"match": match, "route": [{"destination": {"host": "a"}}]}]}


@pytest.mark.parametrize(("spec", "message"), VIRTUAL_SERVICES.items(), ids=VIRTUAL_SERVICES.values())
def test_virtual_service_refused(spec, message):
    assert refusal("VirtualService", spec) == message


GATEWAYS = {
    "{}": "gateway must have at least one server",
    put("{servers: [{…}]}", SERVER): "server config must contain at least one host",
    put("{servers: [{hosts: [short], …}]}", SERVER): "short names (non FQDN) are not allowed",
    put("{servers: [{hosts: ['*a.com'], …}]}", SERVER): 'partial wildcard "*a.com" not allowed',
    put("{servers: [{hosts: [N_S/a.com], …}]}", SERVER): 'invalid namespace value "N_S" in gateway',
    "{servers: [{hosts: ['*']}]}": "port is required",
    "{servers: [{hosts: ['*'], port: {number: 80, protocol: HTTP}}]}": (
        'port name must be set: number:80  protocol:"HTTP"'
    ),
    "{servers: [{hosts: ['*'], port: {number: 80, name: x, protocol: HTTPX}}]}": (
        'invalid protocol "HTTPX", supported protocols are '
        "HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP"
    ),
    put("{servers: [{hosts: ['*'], …}, {hosts: [a.com], …}]}", SERVER, SERVER): (
        "port names in servers must be unique: duplicate name http"
    ),
    "{servers: [{hosts: ['*'], port: {number: 443, name: s, protocol: HTTPS}}]}": (
        "server must have TLS settings for HTTPS/TLS protocols"
    ),
    put("{servers: [{hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}, …}]}", SERVER): (
        "server cannot have TLS settings for plain text HTTP ports"
    ),
    "{servers: [{hosts: ['*'], tls: {mode: SIMPLE, privateKey: k}, "
    "port: {number: 443, name: s, protocol: HTTPS}}]}": "SIMPLE TLS requires a server certificate",
}


@pytest.mark.parametrize(("spec", "message"), GATEWAYS.items(), ids=GATEWAYS.values())
def test_gateway_refused(spec, message):
    assert refusal("Gateway", spec) == message


def test_gateway_name():
    spec = put("{servers: [{hosts: ['*'], …}]}", SERVER)
    assert refusal("Gateway", spec, name="a.b") == 'invalid gateway name: "a.b"'


DESTINATION_RULES = {
    "{host: ''}": "empty domain name not allowed",
    "{host: a, trafficPolicy: {}}": "traffic policy must have at least one field",
    "{host: a, subsets: [{name: v}, {name: v}]}": "duplicate subset names: v",
    "{host: a, subsets: [{name: v 1}]}": "subset name is invalid: v 1",
    "{host: a, trafficPolicy: {connectionPool: {}}}": "connection pool must have at least one field",
    "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}}": (
        "max connections must be non-negative"
    ),
    "{host: a, trafficPolicy: {connectionPool: "
    "{http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}}": (
        "use client protocol must not be true when H2UpgradePolicy is UPGRADE"
    ),
    "{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}": (
        "percentage 101 is not in range 0..100"
    ),
    "{host: a, trafficPolicy: {portLevelSettings: [{loadBalancer: {simple: RANDOM}}]}}": (
        "portTrafficPolicy must have valid port"
    ),
    "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}": (
        "port traffic policy must have at least one field"
    ),
    "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {ttl: 0s}}}}}": (
        "name required for HttpCookie"
    ),
    "{host: a, trafficPolicy: {loadBalancer: "
    "{consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}}": (
        "tableSize must be a prime number for maglev"
    ),
    "{host: a, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: c}}}": (
        "private key required for mutual tls"
    ),
}


@pytest.mark.parametrize(("spec", "message"), DESTINATION_RULES.items(), ids=DESTINATION_RULES.values())
def test_destination_rule_refused(spec, message):
    assert refusal("DestinationRule", spec) == message


SERVICE_ENTRIES = {
    put("{…}", PORTS): "service entry must have at least one host",
    put("{hosts: ['*'], …}", PORTS): "invalid host *",
    "{hosts: [a.com], ports: "
    "[{number: 80, name: p, protocol: HTTP}, {number: 80, name: q, protocol: HTTP}]}": (
        "service entry port 80 already defined"
    ),
    "{hosts: [a.com], ports: [{number: 80, name: p, protocol: FTP}]}": "unsupported protocol: FTP",
    "{hosts: [a.com], ports: [{number: 80, name: '', protocol: HTTP}]}": "invalid port name: ",
    put("{hosts: [a.com], endpoints: [{address: 1.1.1.1}], …}", PORTS): (
        "no endpoints should be provided for resolution type none"
    ),
    put("{hosts: [a.com], resolution: STATIC, endpoints: [{address: b.com}], …}", PORTS): (
        'endpoint address "b.com" is not a valid IP address'
    ),
    put("{hosts: ['*.a.com'], resolution: DNS, …}", PORTS): (
        "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided "
        'for resolution mode DNS, domain name "*.a.com" invalid (label "*" invalid)'
    ),
    put(
        "{hosts: [a.com], resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.com}, {address: c.com}], …}",
        PORTS,
    ): "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN",
    put("{hosts: [a.com], resolution: DNS, addresses: [10.0.0.0/8], …}", PORTS): (
        "CIDR addresses are allowed only for NONE/STATIC resolution types"
    ),
    put("{hosts: [a.com], resolution: DNS, endpoints: [{address: b.com, ports: {x: 1}}], …}", PORTS): (
        "endpoint port 1 is not defined by the service entry"
    ),
}


@pytest.mark.parametrize(("spec", "message"), SERVICE_ENTRIES.items(), ids=SERVICE_ENTRIES.values())
def test_service_entry_refused(spec, message):
    assert refusal("ServiceEntry", spec) == message


POLICIES = {
    "{action: DENY}": (
        "DENY action without `rules` is meaningless as it will never be triggered, "
        "add an empty rule `{}` if you want it be triggered for every request"
    ),
    "{provider: {name: p}, rules: [{}]}": "`provider` must not be with non CUSTOM action, found ALLOW",
    "{action: CUSTOM, rules: [{}]}": "`provider.name` must not be empty",
    "{rules: [{from: []}]}": "`from` must not be empty, found at rule 0",
    "{rules: [{}, {from: [{source: {}}]}]}": "`from.source` must not be empty, found at rule 1",
    "{rules: [{to: [{}]}]}": "`to.operation` must not be nil, found at rule 0",
    "{rules: [{to: [{operation: {paths: ['']}}]}]}": "empty value not allowed, found in Paths",
    "{rules: [{from: [{source: {ipBlocks: [nowhere]}}]}]}": "bad IP address (nowhere)",
    "{rules: [{when: [{key: source.ip}]}]}": (
        "at least one of `values` or `notValues` must be set for key source.ip"
    ),
    "{rules: [{from: [{source: {serviceAccounts: ['a*']}}]}]}": (
        "wildcard not allowed, found in ServiceAccounts"
    ),
    "{rules: [{from: [{source: {trustDomains: ['a/b']}}]}]}": (
        "trust domain must not contain '/', found in TrustDomains: \"a/b\""
    ),
    "{rules: [{to: [{operation: {paths: ['/{**}/{*}']}}]}]}": (
        "invalid or unsupported path {**}/{*}, found in Paths. {**} is not the last operator"
    ),
    "{rules: [{to: [{operation: {paths: ['/a{*}']}}]}]}": (
        "invalid or unsupported path a{*}, found in Paths. "
        "Contains '{' or '}' beyond a supported path template"
    ),
    "{rules: [{to: [{operation: {ports: ['70000']}}]}]}": "bad port (70000): <nil>",
    "{action: CUSTOM, provider: {name: p}, rules: [{from: [{source: {principals: [a]}}]}]}": (
        "From.Principals is currently not supported with CUSTOM action"
    ),
    "{targetRefs: [{kind: Pod, name: a}]}": (
        "targetRef must be to one of [core/v1/Service networking.istio.io/v1/ServiceEntry "
        "gateway.networking.k8s.io/v1/Gateway gateway.networking.k8s.io/v1/GatewayClass] but was /Pod"
    ),
}


@pytest.mark.parametrize(("spec", "message"), POLICIES.items(), ids=POLICIES.values())
def test_authorization_policy_refused(spec, message):
    assert refusal("AuthorizationPolicy", spec) == f"invalid policy it.default: {message}"


def test_an_unknown_attribute_is_refused_for_its_values_and_for_those_it_excludes():
    found = refusal("AuthorizationPolicy", "{rules: [{when: [{key: nope, values: [a]}]}]}")
    assert found == (
        "2 errors occurred:\n"
        "\t* invalid policy it.default: invalid `value` for `key` nope: unknown attribute: nope\n"
        "\t* invalid policy it.default: invalid `notValue` for `key` nope: unknown attribute: nope\n\n"
    )


TOKENS = {
    "{audiences: [''], issuer: a}": "audience must be non-empty string",
    "{}": "issuer or jwksUri must be non-empty string",
    "{jwksUri: 'ftp://a'}": 'URI scheme "ftp" is not supported',
    "{issuer: a, fromHeaders: [{name: ''}]}": "location header name must be non-empty string",
    "{issuer: a, fromParams: ['']}": "location query must be non-empty string",
    "{issuer: a, fromCookies: ['']}": "cookie name must be non-empty string",
    "{issuer: a, outputClaimToHeaders: [{header: 'a b', claim: c}]}": (
        "header name a b is not a valid header name"
    ),
}


@pytest.mark.parametrize(("rule", "message"), TOKENS.items(), ids=TOKENS.values())
def test_request_authentication_refused(rule, message):
    assert refusal("RequestAuthentication", f"{{jwtRules: [{rule}]}}") == message


def test_a_denial_of_paths_alone_is_told_to_deny_all_bytes():
    (warning,) = ask("AuthorizationPolicy", "{action: DENY, rules: [{to: [{operation: {paths: [/a]}}]}]}")
    assert warning.startswith("configured AuthorizationPolicy will deny all traffic to TCP ports")


def test_claims_choose_routes_at_gateways_only():
    rule = "match: [{headers: {'@request.auth.claims.a': {exact: b}}}], route: [{destination: {host: a}}]"
    assert refusal("VirtualService", f"{{hosts: [a.com], http: [{{{rule}}}]}}") == (
        "JWT claim based routing (key: @request.auth.claims.a) is only supported for gateway, "
        "found no gateways: []"
    )
    assert ask("VirtualService", f"{{hosts: [a.com], gateways: [g], http: [{{{rule}}}]}}") == []


def test_peer_authentication_refused():
    spec = "{portLevelMtls: {80: {mode: STRICT}}}"
    assert refusal("PeerAuthentication", spec) == (
        "mesh/namespace peer authentication cannot have port level mTLS"
    )


GROUPS = {
    "{}": "template is required",
    "{template: {}, metadata: {labels: {'a b': c}}}": 'invalid labels: invalid tag key: "a b"',
    "{template: {}, probe: {}}": "unknown health check method <nil>",
    "{template: {}, probe: {exec: {command: []}}}": "exec.command is required",
    "{template: {}, probe: {tcpSocket: {port: 0}}}": "port number 0 must be in the range 1..65535",
}


@pytest.mark.parametrize(("spec", "message"), GROUPS.items(), ids=GROUPS.values())
def test_workload_group_refused(spec, message):
    assert refusal("WorkloadGroup", spec) == message


def test_telemetry_refused():
    tag = "{metrics: [{overrides: [{tagOverrides: {a: {…}}}]}]}"
    assert refusal("Telemetry", put(tag, "")) == "tagOverrides.value must be set when operation is UPSERT"
    assert refusal("Telemetry", put(tag, "operation: REMOVE, value: b")) == (
        "tagOverrides.value may only be set when operation is UPSERT"
    )
    assert refusal("Telemetry", "{selector: {}, targetRefs: [{kind: Service, name: a}]}") == (
        "only one of targetRefs or workloadSelector can be set"
    )


def test_a_delegate_needs_no_hosts():
    assert ask("VirtualService", put("{http: [{…}]}", ROUTE)) == []


def test_no_rule_asks_for_weights_of_one_hundred():
    spec = http("route: [{destination: {host: a}, weight: 30}, {destination: {host: b}, weight: 30}]")
    assert ask("VirtualService", spec) == []


def test_two_errors_are_a_list():
    message = refusal("VirtualService", "{hosts: [a_b], http: [{name: x}]}")
    assert message == (
        "2 errors occurred:\n"
        '\t* domain name "a_b" invalid (label "a_b" invalid)\n'
        "\t* HTTP route, redirect or direct_response is required\n\n"
    )


WARNINGS = {
    ("VirtualService", put("{hosts: [a], http: [{…}, {…}]}", ROUTE, ROUTE)): (
        "virtualService rule #1 not used (only the last rule can have no matches)"
    ),
    ("VirtualService", put("{hosts: [a], http: [{…}, {match: [{uri: {exact: /}}], …}]}", ROUTE, ROUTE)): (
        "virtualService rule #1 not used (route without matches defined before)"
    ),
    (
        "VirtualService",
        put(
            "{hosts: [a], http: [{match: [{uri: {prefix: /a}}], …}, {match: [{uri: {prefix: /ab}}], …}]}",
            ROUTE,
            ROUTE,
        ),
    ): (
        "virtualService rule #1 match #0 of prefix /ab is not used "
        "(duplicate/overlapping match in rule #0 of prefix /a on #0)"
    ),
    ("VirtualService", put("{hosts: [a], gateways: [gw.ns.svc.cluster.local], http: [{…}]}", ROUTE)): (
        'using legacy gatewayName format "gw.ns.svc.cluster.local"; '
        'prefer the <namespace>/<name> format: "ns/gw"'
    ),
    ("VirtualService", http(f"mirror: {{host: b}}, mirrorPercent: 1, {ROUTE}")): (
        'using deprecated setting "mirrorPercent", use "mirrorPercentage" instead'
    ),
    ("VirtualService", http("redirect: {uri: /, redirectCode: 305}")): (
        "spec.http[0].redirect.redirectCode: Envoy can't send 305; the rule is left out"
    ),
    (
        "Gateway",
        "{servers: [{hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, caCrl: /f}, "
        "port: {number: 443, name: s, protocol: HTTPS}}]}",
    ): ("spec.servers[0].tls.caCrl: no such file is read; put the list into the Secret, as ca.crl"),
    ("DestinationRule", "{host: a, trafficPolicy: {tls: {mode: SIMPLE, caCrl: /f}}}"): (
        "spec.trafficPolicy.tls.caCrl: no such file is read; put the list into the Secret, as ca.crl"
    ),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}}",
    ): ("outlier detection policy must be provided for failover"),
    ("EnvoyFilter", "{configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {}}}]}"): (
        "spec.configPatches[0].applyTo: BOOTSTRAP is not done by this cluster; this patch has no effect"
    ),
    ("WorkloadGroup", "{template: {serviceAccount: a}}"): (
        "spec.template: no WorkloadEntry is made after it: istiod makes one for a machine outside of the "
        "cluster whose proxy registers, and here none can; write the WorkloadEntry yourself"
    ),
    ("Telemetry", "{targetRefs: [{kind: Service, name: a}]}"): (
        "spec.targetRefs[0]: Service is for waypoints, which this cluster has none of: no effect"
    ),
    ("Telemetry", "{tracing: [{}, {}]}"): "multiple tracing is not currently supported",
    ("Telemetry", "{tracing: [{providers: [{name: a}, {name: b}]}]}"): (
        "multiple providers is not currently supported"
    ),
    ("EnvoyFilter", "{workloadSelector: {}}"): (
        "Envoy filter: workload selector specified without labels, "
        "will be applied to all services in namespace"
    ),
}


@pytest.mark.parametrize(("given", "warning"), WARNINGS.items(), ids=WARNINGS.values())
def test_taken_with_a_warning(given, warning):
    assert ask(*given) == [warning]


def test_what_is_enforced_needs_no_warning():
    assert ask("PeerAuthentication", "{mtls: {mode: PERMISSIVE}}") == []
    assert ask("PeerAuthentication", "{mtls: {mode: STRICT}}") == []
    assert ask("DestinationRule", "{host: a, trafficPolicy: {tls: {mode: DISABLE}}}") == []
    assert ask("DestinationRule", "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}") == []


def config_map(mesh):
    meta = {"name": "istio", "namespace": "istio-system"}
    obj = {"kind": "ConfigMap", "metadata": meta, "data": {"mesh": mesh}}
    return admission(AdmissionRequest("UPDATE", "configmaps", "istio-system", obj, None, False))


def test_mesh_settings():
    assert config_map("accessLogFile: /dev/stdout\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}") == []
    assert config_map("enableTracing: true") == [
        "data.mesh: enableTracing: has no effect in this cluster yet"
    ]
    for odd in (
        "extensionProviders: [1]",
        "extensionProviders: [{envoyFileAccessLog: 1}]",
        "defaultConfig: 1",
    ):
        assert config_map(odd) != []
    (warning,) = config_map("outboundTrafficPolicy: {mode: NOPE}")
    assert warning.startswith("data.mesh: outboundTrafficPolicy is 'NOPE'")


def istio_objects():
    for file in sorted(MANIFESTS.rglob("*.yml")):
        for each in yaml.safe_load_all(file.read_text()):
            if each["kind"] in RESOURCES:
                yield each


@pytest.mark.parametrize("obj", list(istio_objects()), ids=lambda each: each["metadata"]["name"])
def test_the_scenarios_own_objects_pass_without_a_word(obj):
    assert ask(obj["kind"], obj["spec"], obj["metadata"]["name"]) == []


def paths(value, path=()):
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, each in children:
        yield from paths(each, (*path, key))


@pytest.mark.parametrize("kind", ["VirtualService", "Gateway", "DestinationRule", "ServiceEntry"])
def test_a_hole_anywhere_is_refused_or_taken_but_never_an_accident(kind):
    specs = {
        "VirtualService": VIRTUAL_SERVICES,
        "Gateway": GATEWAYS,
        "DestinationRule": DESTINATION_RULES,
        "ServiceEntry": SERVICE_ENTRIES,
    }
    for text in specs[kind]:
        spec = yaml.safe_load(text)
        for path in [each for each in paths(spec) if each and isinstance(each[-1], str)]:
            holed = copy.deepcopy(spec)
            owner = holed
            for key in path[:-1]:
                owner = owner[key]
            del owner[path[-1]]
            with contextlib.suppress(ApiError):
                ask(kind, holed)


FOR_ENVOY = {
    "a duration that no field holds": (
        "DestinationRule",
        "{host: a, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 4294967296s}}}}}",
        "Envoy can't take it: CDS outbound|80||a.default.svc.cluster.local: Failed to parse "
        "upstream_connection_options field",
    ),
    "a query parameter without a name": (
        "VirtualService",
        http(f"match: [{{queryParams: {{'': {{exact: a}}}}}}], {ROUTE}"),
        "Envoy can't take spec.http[0]: match.query_parameters[0].name: "
        "value length must be at least 1 characters",
    ),
    "too much weight": (
        "VirtualService",
        http("route: " + str([{"destination": {"host": each}, "weight": 2147483647} for each in "abc"])),
        "total destination weight 6442450941 is larger than Envoy takes: 4294967295",
    ),
    "a share that no field holds": (
        "VirtualService",
        http(f"mirror: {{host: a}}, mirrorPercentage: {{value: 1.0e+9}}, {ROUTE}"),
        "mirror_percentage must have a max value of 100 (it has 1000000000.000000)",
    ),
    "bytes that are none": (
        "VirtualService",
        http("directResponse: {status: 200, body: {bytes: a}}"),
        "it can't be translated for Envoy: ",
    ),
    "behind a rule that takes everything": (
        "VirtualService",
        put("{hosts: [a], http: [{…}, {match: [{queryParams: {'': {exact: a}}}], …}]}", ROUTE, ROUTE),
        "Envoy can't take spec.http[1]: ",
    ),
    "no duration, in the hashing of a subset": (
        "DestinationRule",
        "{host: a, subsets: [{name: b, trafficPolicy: {loadBalancer: {consistentHash: "
        "{httpCookie: {name: c, ttl: soon}}}}}]}",
        "it can't be translated for Envoy: 'soon' is not a duration",
    ),
    "for other gateways and callers": (
        "VirtualService",
        http(
            f"match: [{{gateways: [b], sourceLabels: {{a: b}}, queryParams: {{'': {{exact: a}}}}}}], {ROUTE}"
        ),
        "Envoy can't take spec.http[0]: ",
    ),
}


@pytest.mark.parametrize("what", FOR_ENVOY)
def test_what_envoy_could_not_hold_is_refused_at_the_door(what):
    kind, spec, words = FOR_ENVOY[what]
    assert refusal(kind, spec).startswith(words)


def test_settings_that_envoy_could_not_hold_are_taken_with_a_warning():
    data = {"mesh": "connectTimeout: 0s"}
    obj = {"kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}, "data": data}
    (warning,) = admission(AdmissionRequest("UPDATE", "configmaps", "istio-system", obj, None, False))
    assert warning.startswith("data.mesh: Envoy can't take it: CDS")
    assert warning.endswith("value must be greater than 0s; the proxies keep the settings they have")
