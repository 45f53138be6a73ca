"""VirtualServices as teams write them: what stands beside and around the weights of two destinations.

Each is the ``spec`` of a rule for ServiceB's host, ``B`` and ``C`` standing for its two destinations with
weights; the third column is the order in which it names them. What is refused is not here.
"""

from __future__ import annotations

import textwrap

import yaml

HOST, OTHER = "producer-internal-host", "service-c-srv"
FULL = "{}.dev-service-mesh.svc.cluster.local"

RULES = {
    "header route first": """
        http:
        - name: testers
          match: [{headers: {x-release: {exact: tester}}}]
          route: [{destination: {host: service-c-srv, port: {number: 80}}}]
        - route:
          - {destination: {host: producer-internal-host, port: {number: 80}}, weight: 100}
          - {destination: {host: service-c-srv, port: {number: 80}}, weight: 0}
        """,
    "much in the route": """
        http:
        - timeout: 3s
          retries: {attempts: 2, retryOn: gateway-error}
          mirror: {host: service-c-srv, port: {number: 80}}
          mirrorPercentage: {value: 0.5}
          headers: {response: {set: {x-rule: kept}}}
          corsPolicy: {allowOrigins: [{exact: "https://shop.example"}], maxAge: 24h}
          fault: {delay: {percentage: {value: 0.001}, fixedDelay: 1ms}}
          rewrite: {authority: producer-internal-host}
          route:
          - destination: {host: producer-internal-host, port: {number: 80}}
            headers: {request: {add: {x-way: b}}}
            weight: 90
          - {destination: {host: service-c-srv, port: {number: 80}}, weight: 10}
        """,
    "full names, another name": """
        hosts: [producer-internal-host.dev-service-mesh.svc.cluster.local]
        http:
        - route:
          - {destination: {host: producer-internal-host.dev-service-mesh.svc.cluster.local}, weight: 70}
          - {destination: {host: service-c-srv.dev-service-mesh.svc.cluster.local}, weight: 30}
        """,
    "several routes with names": """
        http:
        - name: api
          match: [{uri: {prefix: /api}}, {uri: {exact: /v1}}]
          route: [{destination: {host: service-c-srv}}]
        - name: asked for
          match: [{queryParams: {version: {exact: c}}}, {method: {exact: PUT}}]
          route: [{destination: {host: service-c-srv}}]
        - name: all others
          route:
          - {destination: {host: producer-internal-host}, weight: 60}
          - {destination: {host: service-c-srv}, weight: 40}
        """,
    "a match that takes everything": """
        http:
        - match: [{uri: {prefix: /}}]
          route:
          - {destination: {host: producer-internal-host}, weight: 50}
          - {destination: {host: service-c-srv}, weight: 50}
        """,
    "several hosts, gateways, exportTo": """
        hosts: [unheard-of.example, producer-internal-host]
        gateways: [mesh, service-a-gw]
        exportTo: ["."]
        http:
        - route:
          - {destination: {host: producer-internal-host}, weight: 80}
          - {destination: {host: service-c-srv}, weight: 20}
        """,
    "a wildcard host": """
        hosts: ["*.dev-service-mesh.svc.cluster.local"]
        http:
        - route:
          - {destination: {host: producer-internal-host}, weight: 40}
          - {destination: {host: service-c-srv}, weight: 60}
        """,
    "the other one first, parts that make 4": """
        http:
        - route:
          - {destination: {host: service-c-srv}, weight: 1}
          - {destination: {host: producer-internal-host}, weight: 3}
        """,
    "one destination, no weight": """
        http:
        - route: [{destination: {host: producer-internal-host}}]
        """,
    "alone, with weight 0": """
        http:
        - route: [{destination: {host: producer-internal-host}, weight: 0}]
        """,
    "one of the two has no weight": """
        http:
        - route:
          - {destination: {host: producer-internal-host}, weight: 100}
          - {destination: {host: service-c-srv}}
        """,
    "a route for all that lack a header": """
        http:
        - match: [{withoutHeaders: {x-release: {exact: tester}}}]
          route:
          - {destination: {host: producer-internal-host}, weight: 50}
          - {destination: {host: service-c-srv}, weight: 50}
        - route: [{destination: {host: service-c-srv}}]
        """,
    "by port, method, host and who calls": """
        http:
        - match: [{port: 8443}, {method: {exact: POST}}, {sourceNamespace: elsewhere}]
          route: [{destination: {host: service-c-srv}}]
        - match: [{port: 80, method: {regex: GET|HEAD}, authority: {exact: producer-internal-host},
                   sourceLabels: {app: service-a-app, service.istio.io/canonical-name: service-a-app},
                   sourceNamespace: dev-service-mesh}]
          route:
          - {destination: {host: producer-internal-host}, weight: 50}
          - {destination: {host: service-c-srv}, weight: 50}
        - route: [{destination: {host: service-c-srv}}]
        """,
    "subsets": """
        http:
        - route:
          - {destination: {host: producer-internal-host, subset: v1}, weight: 75}
          - {destination: {host: producer-internal-host, subset: v2}, weight: 25}
        """,
    "subsets and another, with and without a port": """
        http:
        - route:
          - {destination: {host: producer-internal-host, subset: v2}, weight: 20}
          - {destination: {host: service-c-srv, port: {number: 80}}, weight: 30}
          - {destination: {host: producer-internal-host, subset: v1, port: {number: 80}}, weight: 50}
        """,
    "five of them": """
        http:
        - route:
          - {destination: {host: producer-internal-host}, weight: 20}
          - {destination: {host: service-c-srv}, weight: 20}
          - {destination: {host: service-ext-srv.external-cluster.svc.cluster.local}, weight: 20}
          - {destination: {host: producer-internal-host, subset: v1}, weight: 20}
          - {destination: {host: producer-internal-host, subset: v2}, weight: 20}
        """,
}

_THERE = "{name: my-canary, namespace: external-cluster}"
_B_AND_C = """
            - {destination: {host: producer-internal-host.dev-service-mesh.svc.cluster.local}, weight: 60}
            - {destination: {host: service-c-srv.dev-service-mesh.svc.cluster.local}, weight: 40}
"""
_ONLY_C = "[{destination: {host: service-c-srv.dev-service-mesh.svc.cluster.local}}]"
SEVERAL = {
    "in another namespace, for all": f"""
        metadata: {_THERE}
        spec:
          hosts: [producer-internal-host.dev-service-mesh.svc.cluster.local]
          http:
          - route: [{{destination: {{host: producer-internal-host.dev-service-mesh.svc.cluster.local}}}}]
        """,
    "in another namespace, exported by name, and another one for all": f"""
        metadata: {{name: for-all, namespace: external-cluster}}
        spec:
          hosts: [producer-internal-host.dev-service-mesh.svc.cluster.local]
          http: [{{route: {_ONLY_C}}}]
        ---
        metadata: {_THERE}
        spec:
          hosts: [producer-internal-host.dev-service-mesh.svc.cluster.local]
          exportTo: [dev-service-mesh]
          http:
          - route: {_B_AND_C}
        """,
    "two for the host, the older one acts": f"""
        metadata: {{name: my-canary, namespace: dev-service-mesh}}
        spec:
          hosts: [producer-internal-host]
          http:
          - route: {_B_AND_C}
        ---
        metadata: {{name: z-later, namespace: dev-service-mesh}}
        spec:
          hosts: [producer-internal-host]
          http: [{{route: {_ONLY_C}}}]
        """,
    "two for the host, the private one acts": f"""
        metadata: {{name: a-earlier, namespace: dev-service-mesh}}
        spec:
          hosts: [producer-internal-host]
          http: [{{route: {_ONLY_C}}}]
        ---
        metadata: {{name: my-canary, namespace: dev-service-mesh}}
        spec:
          hosts: [producer-internal-host]
          exportTo: ["."]
          http:
          - route: {_B_AND_C}
        """,
    "a delegate, and a route before and behind it": f"""
        metadata: {{name: my-canary, namespace: dev-service-mesh}}
        spec:
          http:
          - route: {_B_AND_C}
        ---
        metadata: {{name: root, namespace: dev-service-mesh}}
        spec:
          hosts: [producer-internal-host]
          http:
          - match: [{{headers: {{x-release: {{exact: tester}}}}}}]
            route: {_ONLY_C}
          - match: [{{uri: {{prefix: /}}}}]
            delegate: {{name: my-canary}}
          - route: {_ONLY_C}
        """,
    "only a delegate, in another namespace": f"""
        metadata: {_THERE}
        spec:
          http:
          - match: [{{method: {{exact: PUT}}}}]
            route: {_ONLY_C}
          - route: {_B_AND_C}
        ---
        metadata: {{name: root, namespace: dev-service-mesh}}
        spec:
          hosts: [producer-internal-host]
          http: [{{delegate: {{name: my-canary, namespace: external-cluster}}}}]
        """,
}
"""Where more than one object, or another namespace, has a say; ``my-canary`` has the weights that count."""

REFUSED = {
    "all 0": (0, 0),
    "none at all": (None, None),
    "texts": ("50", "50"),
    "fractions": (33.3, 66.7),
    "below 0": (-1, 101),
    "yes and no": (True, False),
    "more than Envoy counts": (4294967295, 1),
}
"""Weights for two destinations that no Istio takes."""

EXTRAS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: service-b-v2, namespace: dev-service-mesh}
spec:
  selector: {matchLabels: {app: service-b-app, version: v2}}
  template:
    metadata: {labels: {app: service-b-app, version: v2}}
    spec:
      containers:
      - name: service-b-container
        image: artashesavetisyan/istio-basics-course:service-b-java-11
        ports: [{containerPort: 8082}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: producer-internal-host, namespace: dev-service-mesh}
spec:
  host: producer-internal-host
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""
"""A second version of ServiceB, and what tells the two apart."""


_OF_OTHERS = {"argocd.argoproj.io/tracking-id": "shop:my-canary", "team": "blue"}
"""Annotations."""


def objects(which: str) -> list[dict]:
    """What is applied for *which* of RULES or SEVERAL, in this order."""
    if which in RULES:
        return [rule(which)]
    found = list(yaml.safe_load_all(textwrap.dedent(SEVERAL[which])))
    for one in found:
        one |= {"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService"}
        one["metadata"]["annotations"] = dict(_OF_OTHERS)
    return found


def rule(which: str, name: str = "my-canary") -> dict:
    """The whole object, with annotations of others in it."""
    spec = {"hosts": [HOST], "gateways": ["mesh"]} | yaml.safe_load(RULES[which])
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {
            "name": name,
            "namespace": "dev-service-mesh",
            "annotations": dict(_OF_OTHERS),
        },
        "spec": spec,
    }
