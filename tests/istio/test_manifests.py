"""What is installed for which settings."""

import json

import yaml

from labkit.istio import LESSON_FLAGS, parse, settings
from labkit.istio.manifests import ListenPorts, gateway, istiod


def _ports(service):
    return {port["name"]: (port["port"], port["targetPort"]) for port in service["spec"]["ports"]}


def _service(name, asked, ports):
    found = next(g for g in settings(parse(asked)).gateways if g.name == name)
    return next(o for o in gateway(found, ports) if o["kind"] == "Service")


def test_the_lesson_has_one_ingress_gateway():
    assert [(g.kind, g.name) for g in settings(parse(LESSON_FLAGS)).gateways] == [
        ("ingress", "istio-ingressgateway")
    ]


def test_the_mesh_config_says_what_was_asked():
    config = next(o for o in istiod(settings(parse(LESSON_FLAGS))) if o["metadata"]["name"] == "istio")
    mesh = yaml.safe_load(config["data"]["mesh"])
    assert mesh["accessLogFile"] == "/dev/stdout"
    assert mesh["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}


def test_sidecars_get_the_resources_that_were_asked():
    objects = istiod(settings(parse(LESSON_FLAGS)))
    config = next(o for o in objects if o["metadata"]["name"] == "istio-sidecar-injector")
    resources = json.loads(config["data"]["values"])["global"]["proxy"]["resources"]
    assert resources["limits"] == {"cpu": "2000m", "memory": "64Mi"}
    assert resources["requests"] == {"cpu": "10m", "memory": "32Mi"}


def test_ports_are_istios_where_the_node_can_open_them():
    service = _service("istio-ingressgateway", [], ListenPorts(80, 443))
    assert _ports(service) == {"status-port": (15021, 15021), "http2": (80, 8080), "https": (443, 8443)}


def test_where_it_can_not_callers_inside_keep_port_80():
    service = _service("istio-ingressgateway", [], ListenPorts(8080, 8443))
    assert _ports(service) == {
        "status-port": (15021, 15021),
        "http2": (8080, 8080),
        "https": (8443, 8443),
        "http-mesh": (80, 8080),
        "https-mesh": (443, 8443),
    }


def test_the_egress_gateway_is_reached_from_inside_only():
    asked = ["components.egressGateways[0].enabled=true"]
    service = _service("istio-egressgateway", asked, ListenPorts(8080, 8443))
    assert service["spec"]["type"] == "ClusterIP"
    assert _ports(service) == {"http2": (80, 8080), "https": (443, 8443)}


def test_the_demo_profile_has_both_gateways():
    assert [g.kind for g in settings({"profile": "demo"}).gateways] == ["ingress", "egress"]


def test_a_gateway_can_be_switched_off():
    asked = parse(
        [
            "components.ingressGateways[0].name=istio-ingressgateway",
            "components.ingressGateways[0].enabled=false",
        ]
    )
    assert settings(asked).gateways == []
