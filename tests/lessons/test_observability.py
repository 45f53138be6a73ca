"""Istio's tasks on observability: access logs, metrics, metrics of TCP, spans to a collector."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from . import manifests
from .conftest import Class, until
from .manifests import deployment, service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def observed(room: Class) -> Iterator[Class]:
    room.apply(
        service("httpbin", 8000, 8080),
        deployment("httpbin", manifests.GO_HTTPBIN, version="v1", port=8080),
        service("tcp-echo", 9000, 9000, port_name="tcp"),
        deployment("tcp-echo", manifests.TCP_ECHO, port=9000),
    )
    room.ready("httpbin", "tcp-echo")
    yield room
    room.delete("telemetry", "--all")


def telemetry(name: str, spec: str) -> str:
    head = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\n"
    return f"{head}metadata: {{name: {name}}}\nspec: {spec}\n"


def call(room: Class, path: str) -> None:
    room.type("curl", f"curl -s -o /dev/null http://httpbin:8000{path}", container="curl")


def counted(room: Class, deployment: str, metric: str) -> list[str]:
    """The series of *metric*, as the task reads them."""
    page = room.type(deployment, "curl -s localhost:15020/stats/prometheus", container="istio-proxy")
    return [line for line in page.splitlines() if line.startswith(f"{metric}{{")]


def log(room: Class, deployment: str) -> str:
    return room.kubectl("logs", f"deploy/{deployment}", "-c", "istio-proxy")


def test_access_logs_with_the_telemetry_api(observed: Class) -> None:
    filtered = '{accessLogging: [{providers: [{name: envoy}], filter: {expression: "response.code >= 400"}}]}'
    said = observed.apply(telemetry("access-logging", filtered))
    call(observed, "/status/200?kept=out")
    call(observed, "/status/418?written=down")
    until(lambda: "written=down" in log(observed, "httpbin"))

    assert "Warning" not in said
    assert "kept=out" not in log(observed, "httpbin") + log(observed, "curl")
    observed.apply(
        telemetry("access-logging", "{accessLogging: [{providers: [{name: envoy}], disabled: true}]}")
    )
    call(observed, "/status/418?all=quiet")
    assert "all=quiet" not in log(observed, "curl")
    observed.delete("telemetry", "access-logging")


def test_metrics_are_there_to_be_queried(observed: Class) -> None:
    call(observed, "/status/200")
    until(lambda: bool(counted(observed, "httpbin", "istio_requests_total")))
    page = observed.type(
        "curl", "pilot-agent request GET stats/prometheus | grep istio_", container="istio-proxy"
    )

    assert 'destination_service="httpbin.lessons.svc.cluster.local"' in page
    assert "istio_request_duration_milliseconds_bucket" in page
    (line, *_) = counted(observed, "httpbin", "istio_requests_total")
    assert 'reporter="destination",source_workload="curl"' in line
    assert 'connection_security_policy="mutual_tls"' in line


def test_customizing_metrics_with_the_telemetry_api(observed: Class) -> None:
    tags = '{request_host: {value: request.host}, destination_port: {value: "string(destination.port)"}}'
    override = f"{{match: {{metric: REQUEST_COUNT}}, tagOverrides: {tags}}}"
    said = observed.apply(
        telemetry(
            "custom-tags", f"{{metrics: [{{providers: [{{name: prometheus}}], overrides: [{override}]}}]}}"
        )
    )
    call(observed, "/status/200")
    until(lambda: 'request_host="httpbin:8000"' in "".join(counted(observed, "curl", "istio_requests_total")))

    assert "Warning" not in said
    lines = "".join(counted(observed, "curl", "istio_requests_total"))
    assert 'destination_port="8000"' in lines
    observed.apply(
        telemetry(
            "custom-tags",
            "{metrics: [{overrides: [{match: {metric: REQUEST_COUNT}, "
            "tagOverrides: {response_code: {operation: REMOVE}}}]}]}",
        )
    )
    call(observed, "/status/200")
    until(
        lambda: any("response_code" not in each for each in counted(observed, "curl", "istio_requests_total"))
    )
    observed.delete("telemetry", "custom-tags")


CLASSES = {
    "request_operation": "request.method == 'POST' ? 'CreateReview' : "
    "request.url_path.matches('^/anything/[[:alnum:]]*$') ? 'GetReview' : 'unknown'",
    "response_class": "response.code >= 500 ? '5xx' : response.code >= 400 ? '4xx' : '2xx'",
}


def test_classifying_metrics_by_request_and_response(observed: Class) -> None:
    """As the task does, but that the conditions stand in the Telemetry: its plugin is code from elsewhere."""
    tags = json.dumps({name: {"value": cel} for name, cel in CLASSES.items()})
    said = observed.apply(
        telemetry(
            "classes",
            f"{{metrics: [{{providers: [{{name: prometheus}}], overrides: [{{match: "
            f"{{metric: REQUEST_COUNT, mode: CLIENT_AND_SERVER}}, tagOverrides: {tags}}}]}}]}}",
        )
    )
    for call_ in ("-X POST httpbin:8000/post", "httpbin:8000/anything/7", "httpbin:8000/status/503"):
        observed.type("curl", f"curl -s -o /dev/null {call_}", container="curl")

    assert "Warning" not in said
    for name in ("httpbin", "curl"):
        for operation, answer in (("CreateReview", "2xx"), ("GetReview", "2xx"), ("unknown", "5xx")):
            labels = f'request_operation="{operation}",response_class="{answer}"}} 1'
            until(lambda: labels in "".join(counted(observed, name, "istio_requests_total")), labels)  # noqa: B023
    observed.delete("telemetry", "classes")


def test_metrics_of_tcp_services(observed: Class) -> None:
    observed.type("curl", "echo world | nc -w 2 tcp-echo 9000", container="curl", check=False)
    until(lambda: bool(counted(observed, "tcp-echo", "istio_tcp_connections_closed_total")))
    opened = counted(observed, "tcp-echo", "istio_tcp_connections_opened_total")
    received = counted(observed, "tcp-echo", "istio_tcp_received_bytes_total")

    assert 'request_protocol="tcp"' in opened[0]
    assert float(received[0].rpartition(" ")[2]) > 0


def test_spans_go_to_the_collector_that_the_mesh_names(observed: Class) -> None:
    """The mesh's settings are edited while everything runs."""
    config = json.loads(observed.kubectl("get", "cm", "istio", "-o", "json", namespace="istio-system"))
    before = config["data"]["mesh"]
    zipkin = {"service": f"httpbin.{observed.namespace}.svc.cluster.local", "port": 8000, "path": "/post"}
    settings = yaml.safe_load(before) | {"extensionProviders": [{"name": "zipkin", "zipkin": zipkin}]}
    patch = json.dumps({"data": {"mesh": yaml.safe_dump(settings)}})
    observed.kubectl("patch", "cm", "istio", "--type=merge", "-p", patch, namespace="istio-system")
    said = observed.apply(
        telemetry("tracing", "{tracing: [{providers: [{name: zipkin}], randomSamplingPercentage: 100}]}")
    )
    call(observed, "/status/200")

    assert "Warning" not in said
    until(lambda: '"POST /post ' in log(observed, "httpbin"), "spans, as the collector's proxy logs them")
    observed.delete("telemetry", "tracing")
    patch = json.dumps({"data": {"mesh": before}})
    observed.kubectl("patch", "cm", "istio", "--type=merge", "-p", patch, namespace="istio-system")
