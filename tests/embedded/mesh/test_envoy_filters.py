"""HTTP filters that an EnvoyFilter puts into the listeners of chosen pods."""

import pytest
import yaml

from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.mesh.validation import admission
from labkit.embedded.status import ApiError

PODS = """
kind: Deployment
metadata: {name: c}
spec:
  template: {metadata: {labels: {app: c, version: v1}}}
---
kind: Deployment
metadata: {name: b}
spec:
  template: {metadata: {labels: {app: b}}}
---
kind: Service
metadata: {name: c}
spec: {selector: {app: c}, ports: [{name: http, port: 80, targetPort: 8082}, {name: tcp, port: 81}]}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8082}]}
---
kind: Deployment
metadata: {name: gateway, namespace: istio-system}
spec:
  template: {metadata: {labels: {istio: ingressgateway}}}
---
kind: Gateway
metadata: {name: gateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{hosts: ['*'], port: {number: 80, name: http, protocol: HTTP}}]
---
"""
FAULT = """
kind: EnvoyFilter
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  SELECTOR
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: CONTEXT
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager,
                                        subFilter: {name: envoy.filters.http.router}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: NAME
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
          abort: {http_status: 503, percentage: {numerator: 30}}
---
"""
FOR_C = "workloadSelector: {labels: {app: c}}"
ROUTER, FAULTS_OF_RULES = "envoy.filters.http.router", "envoy.filters.http.fault"


def fault(name="broken", namespace="default", selector=FOR_C, context="SIDECAR_INBOUND", **more):
    made = FAULT.replace("NAMESPACE", namespace).replace("NAME", name)
    made = made.replace("SELECTOR", selector).replace("CONTEXT", context)
    for old, new in more.items():
        made = made.replace(old, new)
    return made


def filters(mesh, pod, direction="INBOUND"):
    """The names of the HTTP filters of a pod's listeners of this direction."""
    found = []
    for each in mesh.snapshot(pod).listeners.values():
        if each["traffic_direction"] == direction:
            for chain in each["filter_chains"]:
                for one in chain["filters"]:
                    found += [f["name"] for f in one["typed_config"].get("http_filters", [])]
    return found


def test_it_goes_before_the_router_of_the_chosen_pods_and_nowhere_else(mesh):
    made = mesh(PODS + fault())
    at_c = filters(made, "c")

    assert at_c[at_c.index("broken") + 1] == ROUTER
    assert at_c.count("broken") == 2, (
        "for callers with TLS and without; the port of plain TCP has no HTTP filters"
    )
    assert "broken" not in filters(made, "c", "OUTBOUND")
    assert "broken" not in filters(made, "b")
    assert "broken" not in filters(made, "gateway.istio-system", "OUTBOUND")
    assert filters(mesh(PODS), "c") == [one for one in at_c if one != "broken"]


@pytest.mark.parametrize(
    ("context", "pod", "direction"),
    [
        ("ANY", "c", "INBOUND"),
        ("ANY", "c", "OUTBOUND"),
        ("SIDECAR_OUTBOUND", "b", "OUTBOUND"),
        ("GATEWAY", "gateway.istio-system", "OUTBOUND"),
    ],
)
def test_its_context_says_which_listeners(mesh, context, pod, direction):
    made = mesh(PODS + fault(namespace="istio-system", selector="priority: 0", context=context))
    assert "broken" in filters(made, pod, direction)


def test_of_another_namespace_it_is_for_nobody_here(mesh):
    assert "broken" not in filters(mesh(PODS + fault(namespace="elsewhere")), "c")


def test_by_priority_then_the_root_namespace_then_the_oldest(mesh):
    first = fault("urgent", selector=f"priority: -1\n  {FOR_C}")
    made = mesh(PODS + fault("old") + fault("new") + fault("root", "istio-system") + first)
    ours = [one for one in filters(made, "c") if one in ("old", "new", "root", "urgent")]
    assert ours == ["urgent", "root", "old", "new"] * 2, "for callers with TLS and without"


def test_a_port_is_the_targets(mesh):
    assert "broken" in filters(mesh(PODS + fault(filterChain="portNumber: 8082, filterChain")), "c")
    assert "broken" not in filters(mesh(PODS + fault(filterChain="portNumber: 80, filterChain")), "c")


def test_before_a_filter_that_is_not_there_it_goes_nowhere(mesh):
    made = mesh(PODS + fault(**{"envoy.filters.http.router": "envoy.filters.http.jwt_authn"}))
    assert "broken" not in filters(made, "c")


def taken(text):
    (obj,) = [each for each in yaml.safe_load_all(text) if each]
    request = AdmissionRequest(
        "CREATE", "envoyfilters.networking.istio.io", obj["metadata"]["namespace"], obj, None, False
    )
    return admission(request)


def test_what_is_done_needs_no_warning():
    assert taken(fault()) == []


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("http_status: 503", "http_status: 9999", "Envoy can't take it: "),
        ("http_status: 503", "no_such_field: 1", "Envoy can't take it: "),
        ("INSERT_BEFORE", "INVALID", "Envoy filter: missing patch operation"),
        ("subFilter: {name: envoy.filters.http.router}", "subFilter: {}", "has no name to match on"),
    ],
)
def test_what_envoy_or_istio_would_refuse_is_refused(old, new, refusal):
    with pytest.raises(ApiError, match=refusal):
        taken(fault(**{old: new}))
