"""Asking a proxy where its API server says no."""

import pytest

from labkit.kube.proxies import proxy_admin
from labkit.kube.proxies.proxies import Proxy
from labkit.kube.proxies.proxy_admin import AdminRefused, ask, ask_all

PROXY = Proxy("dev", "a-1", "10.0.0.1", "a", is_gateway=False)
POD = "/api/v1/namespaces/dev/pods/a-1"
ADMIN = f"{POD}:15000/proxy/config_dump"


@pytest.fixture
def no_commands(server):
    server.refuse("GET", f"{POD}/exec", 403, "Forbidden", "may not create pods/exec")


def test_the_pod_proxy_where_commands_are_not_allowed(no_commands, server, api):
    server.answer("GET", ADMIN, {"configs": []})

    assert ask(api, PROXY, "config_dump") == {"configs": []}


def test_ports_that_may_not_be_forwarded_are_not_tried_again(no_commands, server, api):
    forward = f"{POD}/portforward"
    server.refuse("GET", forward, 403, "Forbidden", "may not create pods/portforward")
    server.answer("GET", ADMIN, {"configs": []})

    for _ in range(3):
        ask(api, PROXY, "config_dump")

    assert [path for _, path, *_ in server.requests].count(forward) == 1


def test_what_permission_is_missing(no_commands, server, api):
    server.refuse("GET", ADMIN, 503, "ServiceUnavailable", "connection refused")

    with pytest.raises(
        AdminRefused, match=r"pod a-1 in dev can't be asked.*`create pods/exec`.*namespace dev"
    ):
        ask(api, PROXY, "config_dump")


def test_a_pod_that_is_gone(server, api):
    server.refuse("GET", f"{POD}/exec", 404, "NotFound", "gone")
    server.refuse("GET", ADMIN, 404, "NotFound", "gone")

    with pytest.raises(AdminRefused, match="it is gone"):
        ask(api, PROXY, "config_dump")


def test_one_that_does_not_answer_hides_no_other(no_commands, server, api):
    other = Proxy("dev", "b-1", "10.0.0.2", "b", is_gateway=False)
    server.answer("GET", ADMIN, {"configs": []})
    server.refuse("GET", f"{POD}/exec".replace("a-1", "b-1"), 403, "Forbidden", "no")
    server.refuse("GET", ADMIN.replace("a-1", "b-1"), 403, "Forbidden", "no")

    answers = ask_all(api, [PROXY, other], "config_dump")

    assert answers[PROXY] == {"configs": []}
    assert isinstance(answers[other], AdminRefused)


def test_what_the_agent_says_before_the_answer_is_no_part_of_it(monkeypatch, api):
    """Where its image has no certificates of authorities, it warns of that on the same stream."""
    warned = b'2026-11-30T06:49:11.080491Z\twarn\tOS CA Cert could not be found\n{\n "configs": []\n}\n'
    monkeypatch.setattr(proxy_admin, "run", lambda *_: warned)

    assert ask(api, PROXY, "config_dump") == {"configs": []}
