"""Requests in plain JSON, and refusals as sentences."""

import threading
import types

import pytest
import urllib3

from labkit.errors import ApiRefused, ConnectionLost, ManifestError
from labkit.kube.api.api import Api
from labkit.kube.api.resources import find_resource


def unreachable(port) -> Api:
    client = types.SimpleNamespace(
        configuration=types.SimpleNamespace(host=f"http://127.0.0.1:{port}", auth_settings=dict),
        rest_client=types.SimpleNamespace(pool_manager=urllib3.PoolManager()),
    )
    return Api(client)


def test_a_request_carries_the_token(server, api):
    server.answer("GET", "/version", {"minor": "34"})

    assert api.get("/version") == {"minor": "34"}
    assert server.requests[-1][4]["authorization"] == "Bearer secret"


def test_the_query_is_written_as_the_api_reads_it(server, api):
    server.answer("GET", "/x", {})

    api.get("/x", watch=None, force=True, labelSelector="app=a,b in (c)")

    assert server.requests[-1][2] == {"force": "true", "labelSelector": "app=a,b in (c)"}


def test_a_refusal_is_the_servers_own_sentence(server, api):
    server.refuse("GET", "/api/v1/pods/x", 404, "NotFound", 'pods "x" not found')

    with pytest.raises(ApiRefused, match=r'^pods "x" not found$') as refusal:
        api.get("/api/v1/pods/x")

    assert (refusal.value.code, refusal.value.reason) == (404, "NotFound")
    assert refusal.value.thing == "/api/v1/pods/x"


@pytest.mark.parametrize(("code", "advice"), [(401, "fresh kubeconfig"), (403, "permission"), (429, "busy")])
def test_a_refusal_says_what_to_do(server, api, code, advice):
    server.refuse("GET", "/x", code, "", "No.")

    with pytest.raises(ApiRefused, match=advice):
        api.get("/x")


def test_a_refusal_that_is_no_status(server, api):
    server.answer("GET", "/x", b"upstream broke", 502)

    with pytest.raises(ApiRefused, match="upstream broke"):
        api.get("/x")


def test_find_takes_not_found_for_an_answer(server, api):
    assert api.find("/nothing") is None
    server.refuse("GET", "/secret", 403, "Forbidden", "forbidden")
    with pytest.raises(ApiRefused):
        api.find("/secret")


def test_pages_are_put_together(server, api):
    def page(query, _):
        if query.get("continue") == "next":
            return 200, {"metadata": {}, "items": [{"n": 2}]}
        return 200, {"metadata": {"continue": "next"}, "items": [{"n": 1}]}

    server.answer("GET", "/api/v1/pods", page)

    assert api.items("/api/v1/pods") == [{"n": 1}, {"n": 2}]


def test_warnings_are_read(server, api):
    header = '299 - "unknown field \\"spec.x\\""'
    server.answer("PATCH", "/x", {}, headers={"Warning": header})

    assert api.request("PATCH", "/x", body={}).warnings == ['unknown field "spec.x"']


def test_nobody_there_is_a_sentence(unused_tcp_port):
    with pytest.raises(ConnectionLost, match="labkit up") as error:
        unreachable(unused_tcp_port).get("/version")

    assert f"127.0.0.1:{unused_tcp_port}" in str(error.value)


def test_too_slow_is_a_sentence(server, api):
    release = server.ended

    def slow(*_):
        release.wait(5)
        return 200, {}

    server.answer("GET", "/slow", slow)
    with pytest.raises(ConnectionLost, match="too slow"):
        api.request("GET", "/slow", timeout=urllib3.Timeout(0.1))
    release.set()


def test_who_is_in_a_hurry_asks_once_and_soon_gives_up(server, api):
    over = threading.Event()

    def silent(*_):
        over.wait(20)
        return 200, {}

    server.answer("GET", "/x", silent)
    try:
        with pytest.raises(ConnectionLost, match="too slow to answer"), api.within(0.2):
            api.get("/x")
        assert sum(request[1] == "/x" for request in server.requests) <= 1
    finally:
        over.set()
    assert api.get("/x") == {}, "and has time again afterwards"


def test_every_network_error_is_translated(monkeypatch):
    """Whatever ``urllib3`` may raise: none of it comes through."""
    api = unreachable(1)
    for error in _all_errors():
        monkeypatch.setattr(api._pool, "request", _raiser(error))
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the next line says which
            api.get("/x")
        assert type(caught.value).__module__ == "labkit.errors", error


def _all_errors():
    pool, url = None, "/x"
    http = urllib3.exceptions
    return [
        http.NewConnectionError(pool, "refused"),
        http.MaxRetryError(pool, url, http.NewConnectionError(pool, "refused")),
        http.MaxRetryError(pool, url, http.SSLError("wrong certificate")),
        http.ReadTimeoutError(pool, url, "slow"),
        http.ConnectTimeoutError(pool, url, "slow"),
        http.ProtocolError("Connection aborted."),
        http.IncompleteRead(1, 2),
        http.LocationParseError("x"),
    ]


def _raiser(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def test_kinds_are_looked_up_once(server, api):
    for _ in range(3):
        found = find_resource(api, "apps/v1", "Deployment")

    assert found.path("ns", "x") == "/apis/apps/v1/namespaces/ns/deployments/x"
    assert found.path() == "/apis/apps/v1/deployments"
    assert found.title("x") == "deployment.apps/x"
    assert sum(path == "/apis/apps/v1" for _, path, *_ in server.requests) == 1


@pytest.mark.parametrize(("version", "kind"), [("apps/v1", "Deploymint"), ("apps/v7", "Deployment")])
def test_an_unknown_kind_is_a_sentence(api, version, kind):
    with pytest.raises(ManifestError, match=f'no kind "{kind}" in version "{version}"'):
        find_resource(api, version, kind)


def test_a_busy_server_is_asked_again(api, server):
    busy = iter([(429, {}), (200, {"found": True})])
    server.answer("GET", "/busy", lambda _query, _body: next(busy))

    assert api.get("/busy") == {"found": True}


WEBHOOK = (
    'Internal error occurred: failed calling webhook "rev.validation.istio.io": failed to call webhook: '
    'Post "https://istiod.istio-system.svc:443/validate?timeout=10s": context deadline exceeded'
)


def test_a_webhook_that_gives_no_answer_is_asked_again(api, server, monkeypatch):
    monkeypatch.setattr("labkit.kube.api.api._PAUSES", (0.01, 0.01))
    failed = (500, {"kind": "Status", "reason": "InternalError", "message": WEBHOOK})
    answers = iter([failed, failed, (200, {"applied": True}), failed, failed, failed])
    server.answer("PATCH", "/rule", lambda _query, _body: next(answers))

    assert api.request("PATCH", "/rule", body={}).object == {"applied": True}
    with pytest.raises(ApiRefused, match="failed calling webhook"):
        api.request("PATCH", "/rule", body={})
    assert next(answers, None) is None


def test_another_500_is_told_at_once(api, server):
    server.refuse("PATCH", "/rule", 500, "InternalError", "no space left on device")

    with pytest.raises(ApiRefused):
        api.request("PATCH", "/rule", body={})
    assert len(server.requests) == 1


def test_what_creates_is_not_sent_twice(api, server):
    server.refuse("POST", "/busy", 503, "ServiceUnavailable", "not now")

    with pytest.raises(ApiRefused):
        api.request("POST", "/busy", body={})

    assert [request[:2] for request in server.requests] == [("POST", "/busy")]
