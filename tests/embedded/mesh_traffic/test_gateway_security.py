"""Tokens, policies and forwarded addresses at a real gateway."""

import pytest

from ...tokens import Issuer

ISSUER = Issuer()
CONFIG = '{"gatewayTopology": {"numTrustedProxies": 1, "forwardClientCertDetails": "SANITIZE"}}'
MESH = f"""
kind: Mesh
spec: {{accessLogFile: /dev/stdout}}
---
kind: Pod
metadata:
  name: ingress
  namespace: istio-system
  labels: {{istio: ingressgateway}}
  annotations: {{proxy.istio.io/config: '{CONFIG}'}}
---
kind: Service
metadata: {{name: b}}
spec: {{selector: {{app: b}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
kind: Pod
metadata: {{name: b1, labels: {{app: b}}}}
---
kind: Gateway
metadata: {{name: gw, namespace: istio-system}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ["*"]}}]
---
kind: Service
metadata: {{name: ingress, namespace: istio-system}}
spec: {{selector: {{istio: ingressgateway}}, ports: [{{name: http2, port: 80, targetPort: 8080}}]}}
---
kind: VirtualService
metadata: {{name: v}}
spec:
  hosts: ["*"]
  gateways: [istio-system/gw]
  http:
  - match: [{{uri: {{prefix: /claim}}, headers: {{"@request.auth.claims.groups": {{exact: group1}}}}}}]
    route: [{{destination: {{host: b}}}}]
  - match: [{{uri: {{prefix: /nested}}, headers: {{"@request.auth.claims[user][role]": {{prefix: op}}}}}}]
    route: [{{destination: {{host: b}}}}]
  - match: [{{uri: {{prefix: /not}}, withoutHeaders: {{"@request.auth.claims.groups": {{exact: group2}}}}}}]
    route: [{{destination: {{host: b}}}}]
  - match: [{{uri: {{prefix: /open}}}}, {{uri: {{prefix: /from}}}}, {{uri: {{prefix: /secret}}}}]
    route: [{{destination: {{host: b}}}}]
---
kind: RequestAuthentication
metadata: {{name: tokens, namespace: istio-system}}
spec:
  selector: {{matchLabels: {{istio: ingressgateway}}}}
  jwtRules: [{{issuer: {ISSUER.name}, jwks: '{ISSUER.jwks}', forwardOriginalToken: true}}]
---
kind: AuthorizationPolicy
metadata: {{name: no-token, namespace: istio-system}}
spec:
  action: DENY
  selector: {{matchLabels: {{istio: ingressgateway}}}}
  rules:
  - from: [{{source: {{notRequestPrincipals: ["*"]}}}}]
    to: [{{operation: {{paths: [/secret]}}}}]
  - from: [{{source: {{remoteIpBlocks: [192.0.2.0/24]}}}}]
    to: [{{operation: {{paths: [/from]}}}}]
"""


@pytest.fixture
async def gateway(stage):
    made = stage(MESH)
    await made.backend("b1")
    made.gateway = await made.envoy("ingress")
    made.url = f"http://{made.gateway.ip}:8080"
    return made


async def test_who_gets_where(gateway):
    one = {"Authorization": f"Bearer {ISSUER.token(groups=['group1', 'group3'], user={'role': 'operator'})}"}
    two = {"Authorization": f"Bearer {ISSUER.token(groups='group2')}"}
    forged = {"Authorization": f"Bearer {Issuer().token()}"}
    for path, headers, status in (
        ("/claim", {}, 404),
        ("/claim", one, 200),
        ("/claim", two, 404),
        ("/nested", one, 200),
        ("/nested", two, 404),
        ("/not", one, 200),
        ("/not", two, 404),
        ("/open", {}, 200),
        ("/open", forged, 401),
        ("/secret", {}, 403),
        ("/secret", one, 200),
        ("/from", {}, 200),
        # The last that is said is by whom the trusted proxy was called; what stands before it is hearsay.
        ("/from", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("/from", {"X-Forwarded-For": "192.0.2.7, 198.51.100.1"}, 200),
    ):
        answer = await gateway.get(gateway.url + path, **headers)
        assert answer.status == status, (path, headers, answer)


async def test_what_is_said_of_certificates_is_dropped_where_the_pod_says_so(gateway):
    await gateway.get(f"{gateway.url}/open", X_Forwarded_Client_Cert="URI=spiffe://a")
    assert "x-forwarded-client-cert" not in gateway.seen[-1].headers
