"""Hostile, broken and clumsy clients: refused in the real server's way, and nobody else notices."""

import json
import socket
import ssl

import pytest

from .conftest import TOKEN, Api

MAPS = "/api/v1/namespaces/dev/configmaps"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH, APPLY_PATCH = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all of them: what one test leaves behind would fail the next."""
    server = Api(tmp_path_factory.mktemp("api"))
    server.start()
    server.inside(lambda: server.client.create("namespaces", {"metadata": {"name": "dev"}}))
    yield server
    server.stop()


@pytest.fixture
def api(server):
    """At the end of each test the server is well, and can write."""
    yield server
    assert server.ask("GET", "/healthz").status == 200
    after = server.ask("POST", MAPS, {"metadata": {"generateName": "after-"}})
    assert after.status == 201, after.body
    assert not server.inside(lambda: server.store._database._connection.in_transaction)


def raw(api, data: bytes) -> bytes:
    """What comes back for *data*, whatever it is, over TLS."""
    context = ssl.create_default_context(cafile=str(api.certificates.authority))
    address = api.url.removeprefix("https://").split(":")
    connection = socket.create_connection((address[0], int(address[1])), timeout=10)
    with context.wrap_socket(connection, server_hostname=address[0]) as secure:
        secure.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer and (chunk := secure.recv(65536)):
            answer += chunk
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


# --- who is let in


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer x",
        "Basic eDp5",
        "Bearer \u00e9\u00e9",
        "bearer\ta",
        "\xff" * 50,
    ],
)
def test_a_token_that_is_none(api, authorization):
    request = f"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n"
    assert status_of(raw(api, request.encode("latin-1"))) == 401
    assert status_of(raw(api, request.encode())) == 401


def test_the_body_of_a_stranger_is_not_read(api):
    """It is answered before its body has come, and the connection ends."""
    header = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    answer = raw(api, header.encode() + b"[" * 1000)
    assert status_of(answer) == 401
    assert b"connection: close" in answer.lower()


def test_a_server_without_a_token_is_none(api):
    with pytest.raises(ValueError, match="open to everybody"):
        api.inside(lambda: type(api.server)(api.client, api.node, ""))


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{"name":"a\\ud800"}}',
        b'{"metadata":{"name":"a","annotations":{"x":"\\ud800"}}}',
        b'{"metadata":{"name":"a","annotations":{"\\ud800":"x"}}}',
        b'{"metadata":{"name":"a"},"data":{"x":"\\udfff"}}',
        b'{"metadata":{"name":"a\\u0000b"}}',
        b'{"metadata":{"name":"a","generation":' + b"9" * 5000 + b"}}",
        b'{"metadata":{"name":"a","generation":99999999999999999999}}',
        b'{"metadata":{"name":"a","generation":NaN}}',
        b"[" * 1000 + b"]" * 1000,
        b'{"metadata":{"name":' + b"[" * 1000 + b"]" * 1000 + b"}}",
        b'{"metadata":[]}',
        b'{"metadata":"x"}',
        b'{"metadata":{"name":1}}',
        b"\xff\xfe{\x00}\x00",
        b"null",
        b"1",
        b'"x"',
        b"",
    ],
)
def test_bodies_that_are_refused(api, body):
    for content_type in ("application/json", "application/yaml"):
        answer = api.ask("POST", MAPS, body, {"Content-Type": content_type})
        assert 400 <= answer.status < 500, answer.body
        assert answer.json["kind"] == "Status"


@pytest.mark.parametrize("content_type", [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])
@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{"annotations":{"x":"\\ud800"}}}',
        b'[{"op":"add","path":"/data","value":{"x":"\\ud800"}}]',
        b'[{"op":"add","path":"/\\ud800","value":1}]',
        b'{"data":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"metadata":null}',
        b'{"metadata":{"name":null,"namespace":null,"resourceVersion":5}}',
        b'{"data":{"a":' + b"9" * 5000 + b"}}",
        b'{"data":{"a":"b","$retainKeys":[[],{},1]}}',
        b"[1]",
        b"1",
        b"",
    ],
)
def test_patches_that_are_refused(api, content_type, body):
    api.ask("POST", MAPS, {"metadata": {"name": "m"}, "data": {"k": "v"}})
    answer = api.ask("PATCH", f"{MAPS}/m?fieldManager=me", body, {"Content-Type": content_type})
    assert answer.status < 500, answer.body


def test_nobody_owns_all_of_the_metadata(api):
    """Whatever a client says of who set what."""
    owned = {"fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {}, "f:data": {"f:k": {}}}}
    me = {"manager": "me", "operation": "Apply", "apiVersion": "v1", **owned}
    api.ask("POST", MAPS, {"metadata": {"name": "mine", "managedFields": [me]}, "data": {"k": "v"}})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}

    answer = api.ask("PATCH", f"{MAPS}/mine?fieldManager=me", body, {"Content-Type": APPLY_PATCH})

    assert answer.status == 200, answer.body
    assert answer.json["metadata"]["name"] == "mine"


def test_a_body_that_is_too_long(api):
    answer = api.ask("POST", MAPS, b"[" + b"1," * 1_600_000 + b"1]")
    assert answer.status == 413
    assert answer.json["message"] == "Request entity too large: limit is 3145728"


def test_an_object_that_is_too_large(api):
    data = {f"k{number}": "x" * 200_000 for number in range(9)}
    kind = "/apis/networking.istio.io/v1alpha3/namespaces/dev/envoyfilters"
    value = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "f"}}
    spec = {"configPatches": [{"applyTo": "CLUSTER", "patch": {"operation": "MERGE", "value": data}}]}
    answer = api.ask("POST", kind, {**value, "spec": spec})
    assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")


def test_packed_bodies_are_not_unpacked(api):
    """As in the real server: no bomb of zeros."""
    import gzip

    body = gzip.compress(b"{" + b" " * 50_000_000 + b"}")
    answer = api.ask("POST", MAPS, body, {"Content-Encoding": "gzip"})
    assert answer.status == 400


PROTOBUF = "application/vnd.kubernetes.protobuf"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"k8s",
        b"k8s\0",
        b"k8s\0" + b"\xff" * 100,
        b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12" + b"\xff" * 9 + b"\x01",
        b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x06\x0a\x04\x0a\x02\xed\xa0",
        b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x02\x0a\x7f",
        b"k8s\0" + b"\x80" * 1_000_000,
    ],
)
def test_protobuf_that_is_none(api, body):
    answer = api.ask("POST", MAPS, body, {"Content-Type": PROTOBUF})
    assert 400 <= answer.status < 500, answer.body


# --- options


@pytest.mark.parametrize(
    "query",
    [
        *(
            f"{name}={value}"
            for name in ("resourceVersion", "limit", "timeoutSeconds&watch=1", "continue")
            for value in ("%C2%B2", "x", "-", "9" * 100, "1e3")
        ),
        *(f"watch=1&resourceVersion={value}" for value in ("%C2%B2", "x", "9" * 5000)),
        *(
            f"labelSelector={value}"
            for value in ("a%3E%C2%B2", "a%3E" + "9" * 5000, "((((", "a%20in", "%ED%A0%80", "%00")
        ),
        *(
            f"fieldSelector={value}"
            for value in ("x", "%3D", "metadata.name", "a%3D%ED%A0%80", "metadata%3D1")
        ),
        "resourceVersionMatch=Exact",
        "continue=eyJydiI6MSwic3RhcnQiOjFlOTk5fQ",
        "continue=W1tbW1tb",
    ],
)
def test_list_options_that_make_no_sense(api, query):
    assert api.ask(
        "GET", f"{MAPS}?{query.replace('timeoutSeconds&watch=1=', 'watch=1&timeoutSeconds=')}&"
    ).status in (200, 400, 410, 422, 504)


def test_a_revision_is_a_number_in_ascii(api):
    for query in (
        "resourceVersion=%C2%B2",
        "watch=1&resourceVersion=%C2%B2",
        "resourceVersion=" + "9" * 5000,
    ):
        refused = api.ask("GET", f"{MAPS}?{query}")
        assert (refused.status, refused.json["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "options",
    [
        {"preconditions": [1]},
        {"preconditions": 1},
        {"preconditions": {"uid": 1}},
        {"preconditions": {"resourceVersion": {}}},
        {"propagationPolicy": []},
        {"propagationPolicy": {}},
        {"propagationPolicy": "Some"},
        {"gracePeriodSeconds": "x"},
        {"gracePeriodSeconds": 1e30},
        {"gracePeriodSeconds": 9**99},
        {"dryRun": 1},
        {"dryRun": [[]]},
        {"dryRun": ["Some"]},
        {"orphanDependents": "x"},
        {"kind": 1},
        {"apiVersion": []},
        [1],
        1,
        "x",
    ],
)
def test_delete_options_that_make_no_sense(api, options):
    api.ask("POST", MAPS, {"metadata": {"name": "kept"}})
    refused = api.ask("DELETE", f"{MAPS}/kept", options)
    assert refused.status in (400, 422), refused.body
    assert api.ask("GET", f"{MAPS}/kept").status == 200


@pytest.mark.parametrize("name", ["dryRun", "fieldValidation", "fieldManager", "force"])
@pytest.mark.parametrize("value", ["x%00", "%ED%A0%80", "%F0%9F%98%80" * 60, "[1]", "9" * 200])
def test_write_options_that_make_no_sense(api, name, value):
    answer = api.ask("POST", f"{MAPS}?{name}={value}", {"metadata": {"generateName": "a"}})
    assert answer.status in (201, 422), answer.body


def test_a_user_agent_that_is_no_text(api):
    body = json.dumps({"metadata": {"name": "agent"}, "data": {"k": "v"}})
    head = (
        f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n"
    )
    answer = raw(api, head.encode() + b"User-Agent: \xff\xfe\x80/1\r\n\r\n" + body.encode())
    assert status_of(answer) == 201
    managers = api.get(f"{MAPS}/agent")["metadata"]["managedFields"]
    assert managers[0]["manager"].encode()


# --- paths and headers


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/dev/configmaps/%ED%A0%80",
        "/api/v1/namespaces/%00/configmaps",
        "/api/v1/namespaces/dev/configmaps/a%2Fb",
        "/api/v1/namespaces/dev/configmaps/%",
        "/api/v1/namespaces/dev/configmaps/%zz",
        "/api/v1/namespaces/dev/configmaps/" + "a" * 6000,
        "/api/v1//configmaps",
        "//api/v1/configmaps",
        "/api/v1/../../etc/passwd",
        "/apis/%2e%2e/v1/x",
        "/api",
        "/apis/",
        "/openapi/v3/..%2f..",
        "/api/v1/namespaces/dev/pods/a:99999999/proxy/",
        "/api/v1/namespaces/dev/pods/a:%C2%B2/proxy/",
        "/api/v1/namespaces/dev/services/:::/proxy/",
    ],
)
def test_odd_paths(api, path):
    for method in ("GET", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE"):
        answer = api.ask(method, path, b"{}" if method in ("PUT", "POST", "PATCH") else None)
        assert answer.status < 500 or answer.status in (501, 503), (method, answer.status, answer.body)


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Accept-Encoding", "Range", "If-None-Match"])
@pytest.mark.parametrize(
    "value", ["", ";;;", "a/b;q=x", "application/json;as=Table;v=\xff", "*" * 5000, "q=0", ","]
)
def test_odd_headers(api, name, value):
    for method, body in (("GET", None), ("POST", {"metadata": {"name": "h"}})):
        assert api.ask(method, MAPS, body, {name: value}).status < 500


@pytest.mark.parametrize(
    "head",
    [
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: v4.channel.k8s.io",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: v4.channel.k8s.io"
        "\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x",
        "Upgrade: SPDY/3.1\r\nConnection: Upgrade",
        "Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: x",
        "Transfer-Encoding: gzip, chunked",
        "Expect: 100-continue",
        "Expect: 200-ok",
        "Bad Header: x",
        "X: " + "x" * 20_000,
    ],
)
def test_odd_requests(api, head):
    for path in (
        MAPS,
        f"{MAPS}?watch=1&timeoutSeconds=1",
        "/api/v1/namespaces/dev/pods/x/exec?command=a&stdout=1",
    ):
        lines = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{head}\r\n\r\n"
        answer = raw(api, lines.encode() + b"0\r\n\r\n")
        assert not answer or status_of(answer) < 500, answer
