"""Paths, forms and selectors, one by one."""

import pytest

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.objects.selectors import field_selector, label_selector
from labkit.embedded.api.request.negotiation import answer_form
from labkit.embedded.api.request.target import resolve
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", ("pods", "v1", "", "", "", "")),
        ("/api/v1/namespaces", ("namespaces", "v1", "", "", "", "")),
        ("/api/v1/namespaces/dev", ("namespaces", "v1", "", "dev", "", "")),
        ("/api/v1/namespaces/dev/status", ("namespaces", "v1", "", "dev", "status", "")),
        ("/api/v1/namespaces/dev/pods", ("pods", "v1", "dev", "", "", "")),
        ("/api/v1/namespaces/dev/pods/web/log", ("pods", "v1", "dev", "web", "log", "")),
        ("/api/v1/namespaces/dev/pods/web:80/proxy", ("pods", "v1", "dev", "web:80", "proxy", "")),
        ("/api/v1/namespaces/dev/pods/proxy/proxy/", ("pods", "v1", "dev", "proxy", "proxy", "/")),
        ("/api/v1/namespaces/dev/pods/web/proxy/a%2Fb/", ("pods", "v1", "dev", "web", "proxy", "/a%2Fb/")),
        ("/api/v1/namespaces/dev/pods/a%3Ab", ("pods", "v1", "dev", "a:b", "", "")),
        (
            "/apis/apps/v1/namespaces/dev/deployments/web/scale",
            ("deployments.apps", "v1", "dev", "web", "scale", ""),
        ),
    ],
)
def test_paths_name_targets(path: str, expected: tuple[str, ...]):
    found = resolve(REGISTRY, path)
    assert found is not None
    shown = (found.kind.name, found.version, found.namespace, found.name, found.subresource, found.rest)
    assert shown == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/v1",
        "/apis/apps/v1",
        "/apis/apps/v2/deployments",
        "/api/v1/pods/web",
        "/api/v1/namespaces/dev/nodes",
        "/api/v1/namespaces/dev/pods/web/nothing",
        "/api/v1/namespaces/dev/pods/web/log/more",
        "/apis/networking.istio.io/v9/virtualservices",
    ],
)
def test_other_paths_name_nothing(path: str):
    assert resolve(REGISTRY, path) is None


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", ("application/json", "")),
        ("*/*", ("application/json", "")),
        ("application/vnd.kubernetes.protobuf,application/json;q=0.5", ("application/json", "")),
        ("application/yaml", ("application/yaml", "")),
        ("application/json;as=Table;v=v1;g=meta.k8s.io, application/json", ("application/json", "Table")),
        ("application/json;as=Nothing;v=v1;g=meta.k8s.io, application/json", ("application/json", "")),
        ("application/json;q=0.1, application/yaml", ("application/yaml", "")),
    ],
)
def test_the_first_form_that_is_served_wins(accept: str, form: tuple[str, str]):
    found = answer_form(accept)
    assert (found.media_type, found.projection) == form


def test_a_form_nobody_serves():
    with pytest.raises(ApiError) as refused:
        answer_form("application/vnd.kubernetes.protobuf")
    assert refused.value.code == 406


def labelled(**labels: str) -> dict[str, object]:
    return {"metadata": {"labels": labels}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("a", True),
        ("!a", False),
        ("a=1", True),
        ("a==1", True),
        ("a!=1", False),
        ("c!=1", True),
        ("a in (1, 2)", True),
        ("a in (2)", False),
        ("a notin (2)", True),
        ("c notin (2)", True),
        ("c in ()", False),
        ("a=1,b=x", True),
        ("a=1,b=y", False),
        ("a>0,a<2", True),
        ("b>0", False),
        ("example.com/a", False),
        ("empty=", True),
    ],
)
def test_label_selectors(selector: str, matches: bool):
    assert label_selector(selector)(labelled(a="1", b="x", empty="")) is matches


@pytest.mark.parametrize(
    "selector", ["a b", "=1", "a=1,,b", "a in 1", "a in (1", "a>x", "-a", "a=b c", "(", "a=é"]
)
def test_label_selectors_that_are_none(selector: str):
    with pytest.raises(ApiError) as refused:
        label_selector(selector)
    assert refused.value.code == 400


def test_field_selectors():
    pod = {
        "metadata": {"name": "a", "namespace": "dev"},
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }
    pods = REGISTRY["pods"]
    for text in (
        "metadata.name=a",
        "spec.nodeName==n,status.phase!=Failed",
        "status.podIP=",
        "spec.hostNetwork=false",
    ):
        assert field_selector(pods, text)(pod)
    assert not field_selector(pods, "metadata.name!=a")(pod)
    event = {
        "metadata": {},
        "involvedObject": {"name": "a", "kind": "Pod"},
        "source": {"component": "kubelet"},
    }
    assert field_selector(REGISTRY["events"], "involvedObject.name=a,source=kubelet")(event)
    assert field_selector(REGISTRY["events.events.k8s.io"], "regarding.name=a")(event)
    with pytest.raises(ApiError):
        field_selector(REGISTRY["virtualservices.networking.istio.io"], "spec.hosts=a")
