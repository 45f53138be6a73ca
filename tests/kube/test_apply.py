"""Server-side apply: what is asked of the API, and what is said about it."""

import pytest

from labkit.errors import ApiRefused
from labkit.kube.api.manifests import Source
from labkit.kube.applying.apply import apply, kubectl_command

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: NAME\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: made-here\n"
PATH = "/api/v1/namespaces/ns/services"


def echo(code=200):
    return lambda query, body: (code, body | {"metadata": body["metadata"] | {"namespace": "ns"}})


def service(name):
    return SERVICE.replace("NAME", name)


def patches(server):
    return [(path, query) for method, path, query, *_ in server.requests if method == "PATCH"]


def test_one_object(server, api):
    server.answer("PATCH", f"{PATH}/a", echo(201))

    [found] = apply(api, Source(service("a")), "ns")

    assert found.line == "service/a serverside-applied"
    assert found.created
    [(_, query)] = patches(server)
    assert query == {"fieldManager": "labkit", "force": "true", "fieldValidation": "Strict"}


def test_a_namespace_of_its_own_wins(server, api):
    server.answer("PATCH", "/api/v1/namespaces/other/services/a", echo())

    apply(api, Source(service("a") + "  namespace: other\n"), "ns")

    assert patches(server)[0][0] == "/api/v1/namespaces/other/services/a"


def test_several_are_tried_first(server, api):
    server.answer("PATCH", f"{PATH}/a", echo())
    server.refuse("PATCH", f"{PATH}/b", 422, "Invalid", "spec.ports: Required value")

    with pytest.raises(
        ApiRefused, match=r"YAML text, line 6: the cluster refused service/b:\nspec.ports"
    ) as no:
        apply(api, Source(f"{service('a')}---\n{service('b')}"), "ns")

    assert all(query["dryRun"] == "All" for _, query in patches(server))
    assert (no.value.code, no.value.reason, no.value.thing) == (422, "Invalid", "service/b")


def test_what_goes_into_a_namespace_made_here_is_not_tried(server, api):
    server.answer("PATCH", "/api/v1/namespaces/made-here", echo(201))
    server.answer("PATCH", "/api/v1/namespaces/made-here/services/a", echo(201))
    inside = service("a") + "  namespace: made-here\n"

    found = apply(api, Source(f"{NAMESPACE}---\n{inside}"), "ns")

    assert [one.line for one in found] == [
        "namespace/made-here serverside-applied",
        "service/a serverside-applied",
    ]


def test_warnings_come_along(server, api):
    warning = {"Warning": '299 - "spec.x is not enforced here"'}
    server.answer("PATCH", f"{PATH}/a", echo(), headers=warning)

    [found] = apply(api, Source(service("a")), "ns")

    assert found.warnings == ["spec.x is not enforced here"]


def test_the_command_uses_the_path_one_would_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a b.yml"

    assert kubectl_command(Source("", file), "ns").endswith("-n ns -f 'a b.yml'")
    assert kubectl_command(Source(""), "ns").endswith("-n ns -f -")
