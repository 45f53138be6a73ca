"""The scenario as a learner types it: every command at real kubectl and curl, every answer word for word."""

import re
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MANIFESTS = Path(__file__).parents[2] / "manifests"

MESH = (
    "--set meshConfig.accessLogFile=/dev/stdout --set meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY "
    "--set values.pilot.resources.requests.memory=128Mi --set values.pilot.resources.requests.cpu=50m "
    "--set values.global.proxy.resources.requests.cpu=10m "
    "--set values.global.proxy.resources.requests.memory=32Mi "
    "--set values.global.proxy.resources.limits.memory=64Mi "
    "--set values.pilot.resources.limits.memory=256Mi"
)
EGRESS = (
    "--set components.egressGateways[0].name=istio-egressgateway "
    "--set components.egressGateways[0].enabled=true"
)

CALLING = "Hello from ServiceA! Calling master system API... "
RECEIVED = CALLING + "Received response from master system (http://producer-internal-host): "
UNKNOWN_HOST = (
    CALLING + 'I/O error on GET request for "http://producer-internal-host": producer-internal-host; '
    "nested exception is java.net.UnknownHostException: producer-internal-host"
)
FROM_B = RECEIVED + "Hello from ServiceB!"
FROM_C = RECEIVED + "Hello from ServiceC! Calling master system API... "
NOT_FOUND = FROM_C + "404 Not Found: [no body]"
EXTERNAL = "Hello from External Cluster Service!"
THROUGH_C = (
    FROM_C + "Received response from master system "
    f"(http://istio-ingressgateway.istio-system.svc.cluster.local/service-ext): {EXTERNAL}"
)

SERVICE_A = "curl -v http://$GATEWAY_URL/service-a"
INGRESS_LOG = "kubectl logs -l app=istio-ingressgateway -n istio-system -c istio-proxy"
EGRESS_LOG = "kubectl logs -l app=istio-egressgateway -n istio-system -c istio-proxy"
A_LOG = "kubectl logs -l app=service-a-app -c istio-proxy"
B_LOG = "kubectl logs -l app=service-b-app -c istio-proxy"

TEXT_FIELD = re.compile(r'"[^"]*"|\[[^]]*\]|\S+')
TIME, REQUEST, CODE, AGENT, ID, AUTHORITY, UPSTREAM, CLUSTER, ROUTE = 0, 1, 2, 12, 13, 14, 15, 16, 21
"""Where these stand among the 22 fields of Istio's default text format."""


def test_the_scenario(terminal):
    """All seven steps, in order, in one shell."""
    terminal.type("labkit up --no-istio")
    prepare(terminal)
    inbound_to_service_a(terminal)
    outbound_to_service_b(terminal)
    split_between_b_and_c(terminal)
    external_cluster(terminal)
    open_outbound(terminal)
    all_to_service_c(terminal)
    terminal.type("labkit down")


def prepare(terminal):
    nodes = terminal.type("kubectl get nodes").out.splitlines()
    assert [row.split()[1] for row in nodes] == ["STATUS", "Ready"]
    installed = terminal.type(f"labkit istio -c $KUBECONFIG install -y {MESH}").out.splitlines()
    assert installed == [
        "✔ Istio core installed",
        "✔ Istiod installed",
        "✔ Ingress gateways installed",
        "✔ Installation complete",
    ]
    all_run(terminal, 2)
    make_namespace(terminal, "dev-service-mesh")
    terminal.type("kubectl config set-context --current --namespace=dev-service-mesh")
    ports = terminal.type("kubectl get svc istio-ingressgateway -n istio-system").out.splitlines()
    assert ports[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    service = "kubectl -n istio-system get service istio-ingressgateway -o jsonpath"
    port = """'{.spec.ports[?(@.name=="http2")].port}'"""
    terminal.type(f"export INGRESS_HOST=$({service}='{{.status.loadBalancer.ingress[0].ip}}')")
    terminal.type(f"export INGRESS_PORT=$({service}={port})")
    terminal.type("export GATEWAY_URL=$INGRESS_HOST:$INGRESS_PORT")
    assert re.fullmatch(r"127\.\d+\.\d+\.\d+:\d+", terminal.type("echo $GATEWAY_URL").out.strip())


def inbound_to_service_a(terminal):
    enter(terminal, "01-inbound-to-service-a")
    apply(terminal, "serviceA-v1-deployment.yml", "deployment.apps/service-a-v1-deployment created")
    apply(terminal, "serviceA-srv.yml", "service/service-a-srv created")
    apply(terminal, "serviceA-gw.yml", "gateway.networking.istio.io/service-a-gw created")
    apply(terminal, "inbound-to-serviceA-vs.yml", f"{VIRTUAL_SERVICE}/inbound-to-service-a-vs created")
    rolled_out(terminal, "service-a-v1-deployment")
    all_run(terminal, 3)
    assert answer(terminal, SERVICE_A) == UNKNOWN_HOST
    entered = newest(terminal, INGRESS_LOG)
    assert entered[REQUEST] == '"GET /service-a HTTP/1.1"'
    assert entered[CODE] == "200"
    assert entered[CLUSTER] == "outbound|80||service-a-srv.dev-service-mesh.svc.cluster.local"
    inbound = newest(terminal, A_LOG, entered[ID])
    assert inbound[CLUSTER] == "inbound|8081||"
    assert inbound[UPSTREAM] == entered[UPSTREAM]
    assert inbound[ROUTE] == "default"


def outbound_to_service_b(terminal):
    enter(terminal, "02-outbound-to-service-b")
    apply(terminal, "service-b-deployment.yml", "deployment.apps/service-b-deployment created")
    apply(terminal, "producer-internal-host.yml", "service/producer-internal-host created")
    apply(terminal, "producer-internal-host-vs.yml", f"{VIRTUAL_SERVICE}/producer-internal-host-vs created")
    rolled_out(terminal, "service-b-deployment")
    all_run(terminal, 4)
    assert answer(terminal, SERVICE_A) == FROM_B
    b_is_called(terminal)


def b_is_called(terminal):
    """One request, four lines, one id: the gateway's, two of ServiceA's proxy, ServiceB's."""
    entered = newest(terminal, INGRESS_LOG)
    of_a = lines(terminal, A_LOG, entered[ID], count=2)
    assert {line[CLUSTER] for line in of_a} == {
        "inbound|8081||",
        "outbound|80||producer-internal-host.dev-service-mesh.svc.cluster.local",
    }
    outbound = next(line for line in of_a if line[CLUSTER].startswith("outbound"))
    at_b = newest(terminal, B_LOG, entered[ID])
    assert at_b[CLUSTER] == "inbound|8082||"
    assert at_b[UPSTREAM] == outbound[UPSTREAM]
    assert at_b[AUTHORITY] == outbound[AUTHORITY] == '"producer-internal-host"'


def split_between_b_and_c(terminal):
    enter(terminal, "03-split-between-b-and-c")
    apply(terminal, "service-c-deployment.yml", "deployment.apps/service-c-deployment created")
    apply(terminal, "service-c-srv.yml", "service/service-c-srv created")
    rolled_out(terminal, "service-c-deployment")
    apply(
        terminal,
        "producer-internal-host-50-c-vs.yml",
        f"{VIRTUAL_SERVICE}/producer-internal-host-vs configured",
    )
    assert answers(terminal) == {FROM_B, NOT_FOUND}


def external_cluster(terminal):
    enter(terminal, "04-external-cluster")
    make_namespace(terminal, "external-cluster")
    there = "-n external-cluster"
    apply(terminal, "service-ext-deployment.yml", "deployment.apps/service-ext-deployment created", there)
    apply(terminal, "service-ext-srv.yml", "service/service-ext-srv created", there)
    apply(terminal, "service-ext-gw.yml", "gateway.networking.istio.io/service-ext-gw created", there)
    apply(
        terminal,
        "inbound-to-service-ext-vs.yml",
        f"{VIRTUAL_SERVICE}/inbound-to-service-ext-vs created",
        there,
    )
    rolled_out(terminal, f"service-ext-deployment {there}")
    all_run(terminal, 6)
    assert answer(terminal, "curl -v http://$GATEWAY_URL/service-ext") == EXTERNAL


def open_outbound(terminal):
    enter(terminal, "05-open-outbound")
    installed = terminal.type(f"labkit istio -c $KUBECONFIG install -y {EGRESS} {MESH}").out.splitlines()
    assert installed == [
        "✔ Istio core installed",
        "✔ Istiod installed",
        "✔ Ingress gateways installed",
        "✔ Egress gateways installed",
        "✔ Installation complete",
    ]
    apply(terminal, "service-ext-outbound-gw.yml", "gateway.networking.istio.io/istio-egressgateway created")
    apply(
        terminal,
        "outbound-srv-c-to-service-ext-vs.yml",
        f"{VIRTUAL_SERVICE}/outbound-srv-c-to-external-srv-vs created",
    )
    all_run(terminal, 7)
    assert answers(terminal) == {FROM_B, THROUGH_C}
    passed = eventually(lambda: access_log(terminal, EGRESS_LOG))[-1]
    assert passed[REQUEST] == '"GET /service-ext HTTP/2"'  # as the port's name, http2, asks
    assert passed[AUTHORITY] == '"istio-ingressgateway.istio-system.svc.cluster.local"'
    assert passed[CLUSTER] == "outbound|80||istio-ingressgateway.istio-system.svc.cluster.local"
    assert passed[ID] != named_by(passed), "a gateway makes an id of its own"
    assert newest(terminal, INGRESS_LOG, named_by(passed))[REQUEST] == '"GET /service-a HTTP/1.1"'


def all_to_service_c(terminal):
    enter(terminal, "06-all-to-service-c")
    apply(
        terminal,
        "producer-internal-host-100-c-vs.yml",
        f"{VIRTUAL_SERVICE}/producer-internal-host-vs configured",
    )
    before = len(access_log(terminal, B_LOG + " --tail=-1"))
    assert [answer(terminal, SERVICE_A) for _ in range(10)] == [THROUGH_C] * 10
    entered = newest(terminal, A_LOG)[ID]
    assert eventually(
        lambda: [line for line in access_log(terminal, EGRESS_LOG) if named_by(line) == entered]
    )
    assert len(access_log(terminal, B_LOG + " --tail=-1")) == before
    all_run(terminal, 7)


def eventually(look):
    """What *look* finds, once it finds something."""
    deadline = time.monotonic() + 5
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
    return found


# ------------------------------------------------------------------------------------ what is typed, and seen

VIRTUAL_SERVICE = "virtualservice.networking.istio.io"


def enter(terminal, step):
    terminal.type(f"cd '{MANIFESTS / step}'")


def make_namespace(terminal, name):
    assert terminal.type(f"kubectl create namespace {name}").out == f"namespace/{name} created\n"
    labelled = terminal.type(f"kubectl label namespace {name} istio-injection=enabled").out
    assert labelled == f"namespace/{name} labeled\n"


def apply(terminal, manifest, printed, options=""):
    done = terminal.type(f"kubectl apply -f {manifest} {options}")
    assert (done.out, done.err) == (f"{printed}\n", "")


def rolled_out(terminal, deployment):
    terminal.type(f"kubectl rollout status deployment {deployment} --timeout=30s")


def all_run(terminal, count):
    """``kubectl get pods``: *count* pods, all Running and ready, none ever restarted."""
    rows = [row.split() for row in terminal.type("kubectl get pods --all-namespaces").out.splitlines()[1:]]
    assert [row[3:5] for row in rows] == [["Running", "0"]] * count, rows
    with_sidecar = [row[2] for row in rows if row[0] != "istio-system"]
    assert with_sidecar == ["2/2"] * len(with_sidecar)
    assert {row[2] for row in rows if row[0] == "istio-system"} == {"1/1"}


def answer(terminal, command):
    """What curl printed; its transcript tells of HTTP 200 from Envoy."""
    typed = terminal.type(command)
    assert "< HTTP/1.1 200 OK" in typed.err, typed
    assert "< server: istio-envoy" in typed.err, typed
    return typed.out


def answers(terminal):
    """The set of answers, asked until there are two, then a few times more."""
    seen = set()
    for _ in range(60):
        seen.add(answer(terminal, SERVICE_A))
        if len(seen) > 1:
            break
    return seen | {answer(terminal, SERVICE_A) for _ in range(5)}


def access_log(terminal, command):
    """The lines of an access log, each as its 22 fields; a proxy's own messages are left out."""
    found = [line for line in terminal.type(command).out.splitlines() if line.startswith("[20")]
    fields = [TEXT_FIELD.findall(line) for line in found if re.match(r"\[[^]]+Z\] \"", line)]
    assert all(len(line) == 22 for line in fields), found
    return fields


def lines(terminal, command, request_id, *, count):
    """The lines of one request, once they have arrived."""

    def find():
        return [line for line in access_log(terminal, command) if line[ID] == request_id]

    found = eventually(lambda: len(found := find()) >= count and found)
    assert len(found) == count, terminal.history[-1]
    return found


def named_by(line):
    """The id of the request for which the caller called, as it says in its User-Agent."""
    return '"' + line[AGENT].partition("(request ")[2].replace(')"', '"')


def newest(terminal, command, request_id=None):
    """The log's line of *request_id*, by default of the request typed last, once it has arrived."""
    if request_id:
        return lines(terminal, command, request_id, count=1)[0]
    asked = next(typed for typed in reversed(terminal.history) if typed.command == SERVICE_A).at

    def find():
        return [line for line in access_log(terminal, command) if line[TIME] >= f"[{asked}"]

    return eventually(find)[-1]
