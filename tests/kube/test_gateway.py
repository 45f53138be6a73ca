"""Where requests enter the mesh."""

import socket

import pytest

from labkit.errors import ClusterError
from labkit.kube.api.resources import NODES, PODS, SERVICES
from labkit.kube.mesh.gateway import GatewayAddress, find_gateway

PATH = SERVICES.path("istio-system", "istio-ingressgateway")


@pytest.fixture
def open_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def service(server):
    """Sets the gateway's Service."""

    def put(port, *, node_port=None, ingress=(), name="http2"):
        ports = [{"name": "status-port", "port": 15021}, {"name": name, "port": port, "nodePort": node_port}]
        status = {"loadBalancer": {"ingress": list(ingress)}}
        metadata = {"namespace": "istio-system", "name": "istio-ingressgateway"}
        spec = {"ports": ports, "selector": {"istio": "ingressgateway"}}
        server.answer("GET", PATH, {"metadata": metadata, "spec": spec, "status": status})
        server.answer("GET", PODS.path("istio-system"), {"items": [], "metadata": {}})
        addresses = [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "127.0.0.1"}]
        server.answer("GET", NODES.path(), {"items": [{"status": {"addresses": addresses}}], "metadata": {}})

    return put


def test_the_load_balancer_first(service, api, open_port):
    service(open_port, node_port=1, ingress=[{"ip": "127.0.0.1"}])

    assert find_gateway(api) == GatewayAddress("127.0.0.1", open_port, "load balancer")


def test_a_host_name_will_do(service, api, open_port):
    service(open_port, ingress=[{"hostname": "localhost"}])

    assert str(find_gateway(api)) == f"localhost:{open_port}"


def test_the_node_port_where_the_balancer_is_out_of_reach(service, api, open_port, unused_tcp_port):
    service(unused_tcp_port, node_port=open_port, ingress=[{"ip": "127.0.0.1"}])

    assert find_gateway(api) == GatewayAddress("127.0.0.1", open_port, "node port")


def test_the_node_port_where_there_is_no_balancer(service, api, open_port):
    service(80, node_port=open_port)

    assert find_gateway(api).via == "node port"


def test_nodes_that_may_not_be_listed_are_no_way(service, server, api, open_port):
    service(open_port, node_port=1, ingress=[{"ip": "127.0.0.1"}])
    server.refuse("GET", NODES.path(), 403, "Forbidden", "nodes is forbidden")

    assert find_gateway(api).via == "load balancer"


def test_where_nothing_listens_yet(service, api, unused_tcp_port):
    service(unused_tcp_port, ingress=[{"ip": "127.0.0.1"}])

    assert find_gateway(api).port == unused_tcp_port


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "Istio is not installed"),
        ({"port": 80}, "No pod of the Service istio-ingressgateway is ready"),
        ({"port": 80, "name": "web"}, "no port"),
    ],
)
def test_no_address_is_a_sentence(service, api, given, sentence):
    if given:
        service(**given)

    with pytest.raises(ClusterError, match=sentence):
        find_gateway(api)


def test_urls():
    gateway = GatewayAddress("10.0.0.1", 80, "load balancer")

    assert gateway.url("/service-a") == "http://10.0.0.1:80/service-a"
    assert gateway.url("service-a") == "http://10.0.0.1:80/service-a"
    assert gateway.url("http://elsewhere/") == "http://elsewhere/"


class Forward:
    """A port-forward that finds the gateway listening, whatever its other addresses do."""

    port = 1

    def __init__(self, meanwhile=lambda: None):
        self._meanwhile = meanwhile

    def leads_somewhere(self):
        self._meanwhile()
        return True

    def close(self):
        pass


def test_the_third_way_where_no_address_can_be_reached(service, api, unused_tcp_port):
    service(unused_tcp_port, ingress=[{"ip": "127.0.0.1"}])
    api.keep("port-forward istio-ingressgateway", Forward)

    assert find_gateway(api) == GatewayAddress("127.0.0.1", 1, "port-forward")


def test_an_address_that_begins_to_listen_meanwhile_is_better(service, api, unused_tcp_port):
    service(unused_tcp_port, ingress=[{"ip": "127.0.0.1"}])
    begun = []

    def begin():
        begun.append(socket.create_server(("127.0.0.1", unused_tcp_port)))

    api.keep("port-forward istio-ingressgateway", lambda: Forward(begin))

    assert find_gateway(api).via == "load balancer"
    begun[0].close()
