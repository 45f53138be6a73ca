"""VirtualServices as teams write them: what stands beside and around the weights of two destinations.

Each is the ``spec`` of a rule for ServiceB's host, ``B`` and ``C`` standing for its two destinations with
weights; the third column is the order in which it names them. What is refused is not here.
"""

from __future__ import annotations

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


def rule(which: str, name: str = "my-canary") -> dict:
    """The whole object, with annotations of others in it."""
    spec = {"hosts": [HOST], "gateways": ["mesh"]} | yaml.safe_load(RULES[which])
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {
            "name": name,
            "namespace": "dev-service-mesh",
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:my-canary", "team": "blue"},
        },
        "spec": spec,
    }
