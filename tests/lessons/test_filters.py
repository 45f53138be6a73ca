"""The lessons on what a proxy can be told besides routes: a rate limit, Lua, localities, TLS that it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..certificates import authority, pair, pem
from . import manifests
from .conftest import Class, until
from .manifests import deployment, service

pytestmark = pytest.mark.slow

CODE = "curl -sS -o /dev/null -w '%{http_code}'"
MANAGER, ROUTER = "envoy.filters.network.http_connection_manager", "envoy.filters.http.router"


@pytest.fixture(scope="module")
def town(room: Class) -> Class:
    room.apply(
        deployment("curl", manifests.CURL, command='["/bin/sleep", "infinity"]'),
        service("httpbin", 8000, 8080),
        deployment("httpbin", manifests.GO_HTTPBIN, port=8080),
    )
    room.ready("curl", "httpbin")
    return room


def filter_for(name: str, app: str, patch: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {name}}}
spec:
  workloadSelector: {{labels: {{app: {app}}}}}
  configPatches:
{patch}
"""


LIMIT = f"""
  - applyTo: HTTP_FILTER
    match: {{context: SIDECAR_INBOUND, listener: {{filterChain: {{filter: {{name: {MANAGER}}}}}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          "@type": type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          value:
            stat_prefix: http_local_rate_limiter
            token_bucket: {{max_tokens: 4, tokens_per_fill: 4, fill_interval: 600s}}
            filter_enabled:
              runtime_key: local_rate_limit_enabled
              default_value: {{numerator: 100, denominator: HUNDRED}}
            filter_enforced:
              runtime_key: local_rate_limit_enforced
              default_value: {{numerator: 100, denominator: HUNDRED}}
            response_headers_to_add:
            - {{append: false, header: {{key: x-local-rate-limit, value: 'true'}}}}
"""
LUA = f"""
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener:
        portNumber: 8080
        filterChain: {{filter: {{name: {MANAGER}, subFilter: {{name: {ROUTER}}}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.lua
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code:
            inline_string: |
              function envoy_on_request(handle) handle:headers():add("x-from-lua", "asked") end
              function envoy_on_response(handle) handle:headers():add("x-from-lua", "said") end
"""


def test_local_rate_limit(town: Class) -> None:
    assert "Warning" not in town.apply(filter_for("limit", "httpbin", LIMIT))
    asked = [town.type("curl", f"{CODE} http://httpbin:8000/status/200") for _ in range(6)]
    assert asked == ["200"] * 4 + ["429"] * 2
    assert "x-local-rate-limit: true" in town.type("curl", "curl -sSi http://httpbin:8000/")
    town.delete("envoyfilter", "limit")
    # A connection that was open stays with the listener that it had, until that has drained.
    until(lambda: town.type("curl", f"{CODE} http://httpbin:8000/status/200") == "200")


def test_lua(town: Class) -> None:
    town.apply(filter_for("lua", "httpbin", LUA))
    ask = "curl -sSi http://httpbin:8000/headers"
    until(lambda: "x-from-lua: said" in town.type("curl", ask))
    assert '"asked"' in town.type("curl", ask)
    town.delete("envoyfilter", "lua")


def located(name: str, locality: str) -> str:
    made = deployment(name, manifests.GO_HTTPBIN, app="hello", version=name, port=8080)
    label = f"version: {name}}}, annotations"
    return made.replace(label, f"version: {name}, istio-locality: {locality}}}, annotations")


def test_localities(town: Class) -> None:
    """The lesson's clusters in several regions are pods that say where they are."""
    places = {"region1-zone1": "region1.zone1", "region1-zone2": "region1.zone2", "region2": "region2.zone3"}
    caller = deployment("caller", manifests.CURL, command='["/bin/sleep", "infinity"]')
    town.apply(
        service("hello", 5000, 8080),
        *(located(name, locality) for name, locality in places.items()),
        caller.replace(
            "version: v1}, annotations", "version: v1, istio-locality: region1.zone1}, annotations"
        ),
        """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hello}
spec:
  host: hello
  trafficPolicy:
    connectionPool: {http: {maxRequestsPerConnection: 1}}
    loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {failover: [{from: region1, to: region2}]}}
    outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 1m}
""",
    )
    town.ready("caller", *places)
    assert answering(town, 10) == {"region1-zone1"}
    for near, further in (("region1-zone1", "region1-zone2"), ("region1-zone2", "region2")):
        town.kubectl("scale", f"deployment/{near}", "--replicas=0")
        until(lambda: not town.kubectl("get", "pod", "-l", f"version={near}", "-o", "name"))  # noqa: B023
        town.settle()
        assert answering(town, 10) == {further}
    town.delete("deployment,service,destinationrule", "-l", "app=hello")
    town.delete("destinationrule", "hello")
    town.delete("deployment", "caller")


def answering(town: Class, count: int) -> set[str]:
    """The workloads that answered the caller; pods tell their names."""
    said = town.type("caller", f"for i in $(seq {count}); do curl -sS http://hello:5000/hostname; done")
    return {name.rsplit("-", 2)[0] for name in re.findall(r'"hostname": "([^"]*)"', said)}


def test_tls_ended_by_the_sidecar(town: Class, tmp_path: Path) -> None:
    certificate, key = pair("termination", "servers", "httpbin-tls.test")
    files = {"tls.crt": certificate, "tls.key": key, "ca.crt": pem(authority("servers")[0])}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    pieces = [f"--from-file={tmp_path / name}" for name in files]
    town.kubectl("create", "secret", "generic", "ended", *pieces)
    volume = '{"ended": {"secret": {"secretName": "ended"}}}'
    mount = '{"ended": {"mountPath": "/etc/istio/tls-certs/", "readOnly": true}}'
    notes = f"{{sidecar.istio.io/userVolume: '{volume}', sidecar.istio.io/userVolumeMount: '{mount}'}}"
    mounted = "volumeMounts: [{name: ca, mountPath: /ca}]|volumes: [{name: ca, secret: {secretName: ended}}]"
    town.apply(
        """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: ended}
spec:
  selector: {matchLabels: {app: ended}}
  mtls: {mode: STRICT}
  portLevelMtls: {9080: {mode: DISABLE}}
""",
        """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ended}
spec:
  workloadSelector: {labels: {app: ended}}
  ingress:
  - port: {number: 9080, protocol: HTTPS, name: external}
    defaultEndpoint: 0.0.0.0:8080
    tls:
      mode: SIMPLE
      privateKey: /etc/istio/tls-certs/tls.key
      serverCertificate: /etc/istio/tls-certs/tls.crt
  - {port: {number: 9081, protocol: HTTP, name: internal}, defaultEndpoint: 0.0.0.0:8080}
""",
        service("ended", 8443, 9080, port_name="https").replace(
            "targetPort: 9080}", "targetPort: 9080}, {name: http, port: 8080, targetPort: 9081}"
        ),
        deployment("ended", manifests.GO_HTTPBIN, port=8080, annotations=notes),
        deployment("stranger", manifests.CURL, command='["/bin/sleep", "infinity"]', extra=mounted).replace(
            "labels: {app: stranger, version: v1}, annotations",
            "labels: {app: stranger, version: v1, sidecar.istio.io/inject: 'false'}, annotations",
        ),
    )
    town.ready("ended", "stranger")
    assert town.type("curl", f"{CODE} http://ended:8080/status/200") == "200", "inside, by the mesh's own TLS"
    address = town.kubectl("get", "service", "ended", "-o", "jsonpath={.spec.clusterIP}").strip()
    secured = f"--cacert /ca/ca.crt --resolve httpbin-tls.test:8443:{address} https://httpbin-tls.test:8443"
    until(lambda: town.type("stranger", f"{CODE} {secured}/status/200", check=False) == "200")
    assert town.type("stranger", f"{CODE} http://ended:8080/status/200", check=False).startswith("000")


def test_what_a_lesson_asks_and_does_not_get_is_told_at_every_look(town: Class) -> None:
    patch = "  - {applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {admin: {}}}}"
    words = "spec.configPatches[0].applyTo: BOOTSTRAP is not done by this cluster"
    assert f"Warning: {words}" in town.apply(filter_for("bootstrap", "httpbin", patch))
    assert words in town.kubectl("describe", "envoyfilter", "bootstrap")
    assert f"EnvoyFilter {town.namespace}/bootstrap: not all of it is in force: {words}" in (
        town.bench.labkit("status").stdout
    )
    town.delete("envoyfilter", "bootstrap")


GROUP = """
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms}
spec: {metadata: {labels: {app: vm}}, template: {serviceAccount: vm}}
"""
POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: aimed}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: nobody}]}
"""


@pytest.mark.parametrize(
    ("manifest", "kind", "name", "words"),
    [
        (GROUP, "WorkloadGroup", "vms", "spec.template: no WorkloadEntry is made after it"),
        (POLICY, "AuthorizationPolicy", "aimed", "spec.targetRefs[0]: no pod in namespace "),
    ],
)
def test_what_nobody_goes_by_is_told_at_every_look(
    town: Class, manifest: str, kind: str, name: str, words: str
) -> None:
    assert f"Warning: {words}" in town.apply(manifest)
    assert words in town.kubectl("describe", kind, name)
    assert f"{kind} {town.namespace}/{name}: not all of it is in force: {words}" in (
        town.bench.labkit("status").stdout
    )
    town.delete(kind, name)
