"""Admission webhooks: who is asked what, and what comes of the answer."""

import secrets

import pytest

from .sentinels import wait_for_webhooks
from .webhook_server import BUNDLE, patch, serving

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MERGE = "application/merge-patch+json"
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}


@pytest.fixture(scope="module")
def hooks():
    with serving() as found:
        yield found


@pytest.fixture
def configure(api_server, hooks, namespace):
    """Has webhooks asked; the server takes a moment to take a configuration up, and to forget it."""
    made = {}

    def build(kind, **paths):
        name = f"w-{secrets.token_hex(3)}"
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [_hook(hooks, namespace, path, **more) for path, more in paths.items()],
        }
        plural = f"{ADMISSION}/{kind.lower()}webhookconfigurations"
        answer = api_server.ask("POST", plural, body)
        assert (answer.code, answer.warnings) == (201, [])
        made[f"{plural}/{name}"] = kind
        settle(kind)
        return name

    def settle(kind):
        if api_server.bare:
            wait_for_webhooks(api_server, kind)

    yield build
    for path in made:
        api_server.ask("DELETE", path)
    for kind in set(made.values()):
        settle(kind)


def _hook(hooks, namespace, path, **more):
    say = more.pop("say")
    hooks.say[f"/{path}"] = say
    return {
        "name": f"{path.replace('_', '-')}.tests.labkit",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": hooks.url(f"/{path}"), "caBundle": BUNDLE},
        "rules": [MAPS],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **more,
    }


def _map(name="", **data):
    metadata = {"name": name} if name else {"generateName": "made-"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_a_refusal_in_the_webhooks_words(api_server, core, hooks, configure):
    def say(request):
        if (request.get("object") or {}).get("data", {}).get("bad"):
            return {"allowed": False, "status": {"code": 418, "reason": "Tea", "message": "no coffee"}}
        if request["operation"] == "DELETE":
            return {"allowed": False}
        return {"allowed": True, "warnings": ["mind the gap"]}

    configure("Validating", judge={"say": say})
    denied = 'admission webhook "judge.tests.labkit" denied the request'
    refused = api_server.ask("POST", f"{core}/configmaps", _map("judged", bad="1"))
    assert refused.refusal == (418, "Tea", f"{denied}: no coffee")
    made = api_server.ask("POST", f"{core}/configmaps", _map("judged", good="1"))
    assert (made.code, made.warnings) == (201, ['299 - "mind the gap"'])
    path = f"{core}/configmaps/judged"
    patched = api_server.ask("PATCH", path, {"data": {"bad": "2"}}, content_type=MERGE)
    assert patched.refusal[2] == f"{denied}: no coffee"
    assert api_server.ask("DELETE", path).refusal == (400, "", f"{denied} without explanation")
    create, update, delete = (hooks.requests("/judge")[at] for at in (1, 2, 3))
    assert create["object"]["metadata"]["uid"] == made.json["metadata"]["uid"]
    assert (update["oldObject"]["data"], update["object"]["data"]) == (
        {"good": "1"},
        {"good": "1", "bad": "2"},
    )
    assert (delete["operation"], delete["name"]) == ("DELETE", "judged")
    assert delete["oldObject"]["data"] == {"good": "1"}


def test_what_a_webhook_is_told(api_server, core, namespace, hooks, configure):
    configure("Mutating", told={"say": lambda _: {"allowed": True}, "timeoutSeconds": 7})
    dry = api_server.ask("POST", f"{core}/configmaps", _map(), dryRun="All")
    assert dry.code == 201
    (request,) = hooks.requests("/told")
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert (request["resource"], request["requestResource"]) == (resource, resource)
    assert (request["kind"], request["requestKind"]) == (kind, kind)
    assert (request["operation"], request["namespace"], request["dryRun"]) == ("CREATE", namespace, True)
    assert "system:authenticated" in request["userInfo"]["groups"]
    assert request["options"]["kind"] == "CreateOptions"
    assert request["query"] == "timeout=7s"
    assert "name" not in request  # it is made up when all is mutated
    assert not {"uid", "name"} & set(request["object"]["metadata"])


def test_patches_one_after_the_other_and_a_second_look(api_server, core, hooks, configure):
    def first(request):
        seen = request["object"]["data"].get("second", "nothing")
        return patch({"op": "add", "path": "/data/first", "value": f"saw {seen}"})

    def second(request):
        assert "first" in request["object"]["data"]
        return patch({"op": "add", "path": "/data/second", "value": "here"})

    configure("Mutating", first={"say": first, "reinvocationPolicy": "IfNeeded"}, second={"say": second})
    made = api_server.ask("POST", f"{core}/configmaps", _map("patched", own="1"))
    assert made.json["data"] == {"own": "1", "first": "saw here", "second": "here"}
    assert [path for path, _ in hooks.asked][-3:] == ["/first", "/second", "/first"]
    stored = api_server.ask("GET", f"{core}/configmaps/patched").json
    assert stored["data"] == made.json["data"]


def test_a_patched_object_is_validated(api_server, core, hooks, configure):
    def say(_):
        return patch({"op": "add", "path": "/data/not allowed", "value": "x"})

    configure("Mutating", wrong={"say": say})
    refused = api_server.ask("POST", f"{core}/configmaps", _map("wrong", own="1"))
    assert (refused.code, refused.causes[0][0]) == (422, "data[not allowed]")


def test_selectors_and_conditions(api_server, core, hooks, configure):
    condition = {"name": "only-c", "expression": "object.metadata.name == 'c' && has(object.data.k)"}
    never = {"say": lambda _: {"allowed": False, "status": {"message": "asked"}}}
    configure(
        "Validating",
        by_label={**never, "objectSelector": {"matchLabels": {"ask": "me"}}},
        by_condition={**never, "matchConditions": [condition]},
        elsewhere={**never, "namespaceSelector": {"matchLabels": {"no": "such"}}},
        updates={**never, "rules": [{**MAPS, "operations": ["UPDATE"], "resources": ["secrets"]}]},
    )
    assert api_server.ask("POST", f"{core}/configmaps", _map("a", k="v")).code == 201
    labelled = _map("b")
    labelled["metadata"]["labels"] = {"ask": "me"}
    assert "by-label" in api_server.ask("POST", f"{core}/configmaps", labelled).refusal[2]
    assert "by-condition" in api_server.ask("POST", f"{core}/configmaps", _map("c", k="v")).refusal[2]


def test_a_condition_that_fails(api_server, core, hooks, configure):
    broken = {"name": "broken", "expression": "object.data.missing == 'x'"}
    quiet = {"say": lambda _: {"allowed": False}, "matchConditions": [broken]}
    configure("Validating", quiet={**quiet, "failurePolicy": "Ignore"})
    assert api_server.ask("POST", f"{core}/configmaps", _map("ignored", k="v")).code == 201
    configure("Validating", loud=quiet)
    refused = api_server.ask("POST", f"{core}/configmaps", _map("refused", k="v"))
    assert (refused.code, refused.refusal[1]) == (403, "Forbidden")
    assert 'configmaps "refused" is forbidden: ' in refused.refusal[2]
    assert "no such key: missing" in refused.refusal[2]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((500, "oh"), 'failed to call webhook: an error on the server ("unknown") has prevented'),
        ((404, ""), "failed to call webhook: the server could not find the requested resource"),
        ({"allowed": True, "uid": "x"}, "received invalid webhook response: expected response.uid="),
        (
            {"allowed": True, "patch": "W10="},
            "received invalid webhook response: validating webhook may not return response.patch",
        ),
    ],
)
def test_an_answer_that_is_none(api_server, core, hooks, configure, said, words):
    configure("Validating", odd={"say": lambda _: said})
    refused = api_server.ask("POST", f"{core}/configmaps", _map("odd"))
    assert refused.refusal[:2] == (500, "InternalError")
    begun = 'Internal error occurred: failed calling webhook "odd.tests.labkit": '
    assert refused.refusal[2].startswith(begun + words), refused.refusal[2]


def test_nobody_there(api_server, core, hooks, configure):
    gone = {"say": None, "clientConfig": {"url": "https://localhost:1/gone", "caBundle": BUNDLE}}
    configure("Mutating", open={**gone, "failurePolicy": "Ignore"})
    assert api_server.ask("POST", f"{core}/configmaps", _map("open")).code == 201
    configure("Mutating", shut=gone)
    refused = api_server.ask("POST", f"{core}/configmaps", _map("shut")).refusal
    begun = 'Internal error occurred: failed calling webhook "shut.tests.labkit": failed to call webhook: '
    assert refused[2].startswith(begun + 'Post "https://localhost:1/gone?timeout=10s": dial tcp ')
    assert refused[2].endswith(":1: connect: connection refused")


def test_an_authority_nobody_knows(api_server, core, hooks, configure):
    url = hooks.url("/unknown")
    configure("Validating", unknown={"say": None, "clientConfig": {"url": url}})
    refused = api_server.ask("POST", f"{core}/configmaps", _map("unknown")).refusal
    why = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    assert refused[2].endswith(f'Post "{url}?timeout=10s": {why}')


def test_a_service_that_is_not_there(api_server, core, namespace, configure):
    service = {"namespace": namespace, "name": "nobody", "path": "/x"}
    configure("Validating", lost={"say": None, "clientConfig": {"service": service, "caBundle": BUNDLE}})
    refused = api_server.ask("POST", f"{core}/configmaps", _map("lost")).refusal
    url = f"https://nobody.{namespace}.svc:443/x?timeout=10s"
    assert refused[2].endswith(f'failed to call webhook: Post "{url}": service "nobody" not found')


def test_a_change_that_was_overtaken_is_asked_about_again(api_server, core, hooks, configure):
    path = f"{core}/configmaps/raced"
    api_server.ask("POST", f"{core}/configmaps", _map("raced", n="0"))

    def say(request):
        if request["object"]["data"].get("mine") and len(hooks.requests("/race")) == 1:
            other = api_server.ask("PATCH", path, {"data": {"other": "1"}}, content_type=MERGE)
            assert other.code == 200
        return {"allowed": True}

    rule = {**MAPS, "operations": ["UPDATE"]}
    condition = {"name": "mine", "expression": "has(object.data.mine)"}
    configure("Validating", race={"say": say, "rules": [rule], "matchConditions": [condition]})
    done = api_server.ask("PATCH", path, {"data": {"mine": "1"}}, content_type=MERGE)
    assert (done.code, done.json["data"]) == (200, {"n": "0", "mine": "1", "other": "1"})
    assert [each["object"]["data"].get("other") for each in hooks.requests("/race")][-1] == "1"


@pytest.mark.parametrize(
    ("part", "query", "kind", "options"),
    [
        (
            "exec",
            {"command": "date", "stdout": "true"},
            "PodExecOptions",
            {"stdout": True, "command": ["date"]},
        ),
        ("attach", {"container": "c", "stdin": "1"}, "PodAttachOptions", {"stdin": True, "container": "c"}),
        ("portforward", {"ports": "80"}, "PodPortForwardOptions", {"ports": [80]}),
        ("proxy/a/b", {}, "PodProxyOptions", {"path": "/a/b"}),
    ],
)
def test_a_conversation_with_a_pod_is_refused(api_server, core, hooks, configure, part, query, kind, options):
    """Before anything is known of the pod."""

    def refuse(_):
        return {"allowed": False, "status": {"message": "no talking"}}

    name, rest = part.split("/")[0], f"/{part}"
    rule = {**MAPS, "resources": [f"pods/{name}"], "operations": ["CONNECT"]}
    configure("Validating", talk={"say": refuse, "rules": [rule]})
    refused = api_server.ask("GET", f"{core}/pods/nobody{rest}", **query)
    assert refused.code == 400  # it gave none
    assert refused.json["message"] == 'admission webhook "talk.tests.labkit" denied the request: no talking'
    told = hooks.requests("/talk")[-1]
    assert told["object"] == {"kind": kind, "apiVersion": "v1", **options}
    assert told["kind"] == told["requestKind"] == {"group": "", "version": "v1", "kind": kind}
    assert (told["operation"], told["subResource"], told["name"]) == ("CONNECT", name, "nobody")
    assert told["resource"]["resource"] == "pods"
    assert told["options"] is None


def test_a_condition_that_is_no_expression_is_refused(api_server):
    hook = {
        "name": "broken.example.com",
        "clientConfig": {"url": "https://broken.example.com"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "matchConditions": [{"name": "broken", "expression": "... [] bad expression"}],
    }
    path = f"{ADMISSION}/mutatingwebhookconfigurations"
    refused = api_server.ask("POST", path, {"metadata": {"name": "broken"}, "webhooks": [hook]})
    assert refused.code == 422
    (cause,) = refused.json["details"]["causes"]
    assert cause["field"] == "webhooks[0].matchConditions[0].expression"
    assert "compilation failed" in cause["message"]
